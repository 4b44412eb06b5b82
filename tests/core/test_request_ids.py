"""An id for every request: taken from the client if sane, else made, returned, and in each log line."""

import re

import pytest

from tests.core.service_process import ask

MADE = re.compile(r"[0-9a-f]{32}")
KEYS = {"time", "level", "logger", "message", "requestId", "status_code", "exception"} | {
    "method",
    "path",
    "status",
    "code",
    "userId",
}


@pytest.mark.parametrize("given", ["a", "abc-123", "01890000-0000-7000-8000-000000000000", "Trace:1.2_3", "x" * 128])
def test_a_sane_request_id_is_accepted_and_returned(stranger, given):
    assert stranger.get("/health", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a\nb", "a\n", "\r\nSet-Cookie: a=b", "x" * 129, "x" * 500, "🎲", "é", "<b>", '"', "%0a"]
)
def test_an_insane_request_id_is_replaced(stranger, given):
    assert MADE.fullmatch(stranger.get("/health", headers={"X-Request-ID": given})["X-Request-ID"])


def test_each_request_without_an_id_gets_one_of_its_own(stranger):
    first, second = (stranger.get("/health")["X-Request-ID"] for _ in range(2))
    assert MADE.fullmatch(first)
    assert MADE.fullmatch(second)
    assert first != second


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/plain/unexpected", "/api/tests/refused", "/tests/mine", "/admin/"]
)
@pytest.mark.usefixtures("test_views")
def test_errors_and_redirects_carry_the_request_id_too(stranger, path):
    assert stranger.get(path, headers={"X-Request-ID": "find-me"})["X-Request-ID"] == "find-me"


def test_a_cors_preflight_carries_a_request_id(stranger):
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST", "X-Request-ID": "find-me"}
    assert stranger.options("/api/v1/markets", headers=asked)["X-Request-ID"] == "find-me"


def test_in_production_every_log_line_of_a_request_is_json_with_its_id_and_no_secret():
    token = "trout-token"
    headers = {"Authorization": f"Bearer {token}", "Cookie": "sessionid=trout-cookie"}
    paths = [
        "/api/v1/nothing",
        "/plain/unexpected",
        "/api/tests/unexpected",
        "/api/tests/refused",
        "/tests/mine",
        "/api/tests/asks-database",
    ]
    asked = [
        {"path": f"{path}?code=trout-query", "headers": headers | {"X-Request-ID": f"request-{place}"}}
        for place, path in enumerate(paths)
    ]
    conversation = ask(*asked)
    lines = conversation.log_lines()
    assert [line["requestId"] for line in lines] == [f"request-{place}" for place in range(len(paths))]
    assert [response.headers["x-request-id"] for response in conversation.responses] == [
        line["requestId"] for line in lines
    ]
    assert lines[0]["message"] == "refused GET /api/v1/nothing: not_found"
    assert ["exception" in line for line in lines] == [False, True, True, False, False, False]
    assert "RuntimeError" in lines[1]["exception"]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])
        assert line["level"] in ("INFO", "WARNING", "ERROR")
        assert line["logger"]
        assert line.keys() <= KEYS
    assert "trout" not in conversation.log
