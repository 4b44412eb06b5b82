"""Every failure is answered in the one shape, with the status and the code that it deserves."""

import pytest

from tests.core.conftest import assert_is_error
from tests.core.urls_for_tests import SECRET

pytestmark = pytest.mark.usefixtures("test_views")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/v1/nothing", "/api/v1/nothing/", "/healthy", "/%ff/%00/é"])
def test_an_unknown_path_is_not_found_whatever_the_method(stranger, method, path):
    response = stranger.generic(method, path, "{}", content_type="application/json")
    assert response.status_code == 404
    if method != "HEAD":
        assert_is_error(response, 404, "not_found")


@pytest.mark.parametrize("debug", [True, False])
def test_an_unknown_path_is_answered_alike_with_debug_on_and_off(stranger, settings, debug):
    settings.DEBUG = debug
    assert_is_error(stranger.get("/api/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/api/hello", "/api/schema", "/api/docs", "/api/redoc", "/api/v1/markets"]
)
def test_a_wrong_method_is_refused_and_the_right_ones_are_named(stranger, method, path):
    response = stranger.generic(method, path)
    assert_is_error(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_a_get_of_what_takes_posts_is_refused(stranger):
    response = stranger.get("/tests/order")
    assert_is_error(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]


@pytest.mark.parametrize("kind", ["api/tests", "plain"])
class TestWhatAViewRaises:
    def test_something_missing_is_not_found(self, stranger, kind):
        body = assert_is_error(stranger.get(f"/{kind}/http404"), 404, "not_found")
        assert SECRET not in str(body)

    def test_permission_denied_is_forbidden(self, stranger, kind):
        assert_is_error(stranger.get(f"/{kind}/denied"), 403, "permission_denied")

    def test_a_suspicious_request_is_a_bad_one(self, stranger, kind):
        response = stranger.get(f"/{kind}/suspicious")
        body = assert_is_error(response, 400, "bad_request")
        assert SECRET not in str(body)

    def test_a_rule_that_said_no_responds_in_its_own_words(self, stranger, kind):
        response = stranger.get(f"/{kind}/refused")
        assert assert_is_error(response, 400, "refused")["error"] == "No."
        assert "Retry-After" not in response

    def test_a_wait_in_seconds_is_rounded_up(self, stranger, kind):
        response = stranger.get(f"/{kind}/busy")
        assert assert_is_error(response, 503, "busy")["error"] == "Come back later."
        assert response["Retry-After"] == "3"

    def test_a_wait_is_at_least_a_second(self, stranger, kind):
        response = stranger.get(f"/{kind}/busy-at-once")
        assert assert_is_error(response, 503, "busy")["error"] == "Now, or nearly."
        assert response["Retry-After"] == "1"


PASSING = [
    "deadlock", "serialization", "locked", "shutdown", "cancelled", "read-only", "disk-full", "io-error", "lost"
]  # fmt: skip
UNEXPECTED = ["unexpected", "out-of-range", "nul", "bad-sql", "duplicate"]


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("kind", ["api/tests", "plain"])
@pytest.mark.parametrize("failure", UNEXPECTED)
def test_an_unexpected_failure_tells_the_client_only_the_request_id(stranger, settings, failure, kind, debug):
    settings.DEBUG = debug
    response = stranger.get(f"/{kind}/{failure}", headers={"X-Request-ID": "find-me"})
    body = assert_is_error(response, 500, "internal_error")
    assert body["requestId"] == response["X-Request-ID"] == "find-me"
    assert body["error"] == "Something went wrong on our side."
    assert "Retry-After" not in response


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["api/tests", "plain"])
@pytest.mark.parametrize("failure", UNEXPECTED)
def test_an_unexpected_failure_is_logged_once_with_its_stack(stranger, caplog, failure, kind):
    stranger.get(f"/{kind}/{failure}")
    with_stack = [record for record in caplog.records if record.exc_info]
    assert len(with_stack) == 1
    assert with_stack[0].levelname == "ERROR"


def test_a_value_that_has_no_json_form_is_our_failure(stranger):
    assert_is_error(stranger.get("/tests/unspeakable"), 500, "internal_error")


@pytest.mark.parametrize("path", ["/api/tests/refused", "/api/tests/denied", "/tests/mine", "/api/v1/nothing"])
def test_an_expected_failure_is_logged_without_a_stack(stranger, caplog, path):
    stranger.get(path)
    assert not [record for record in caplog.records if record.exc_info]


def test_an_unknown_host_is_a_bad_request(stranger, settings):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    assert_is_error(stranger.get("/api/hello", headers={"Host": "evil.example.com"}), 400, "bad_request")


@pytest.mark.parametrize("host", ["evil.example.com", "a b", "\x00", "x" * 5_000, "[::1", "é", "api.example.com:x"])
def test_a_hostile_host_costs_one_line_at_info(stranger, settings, caplog, host):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    with caplog.at_level("INFO"):
        assert_is_error(stranger.get("/api/hello", headers={"Host": host}), 400, "bad_request")
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [("INFO", False)]


def test_more_query_parameters_than_anybody_needs_are_a_bad_request(stranger):
    assert_is_error(stranger.get("/tests/query?" + "a=1&" * 1_001), 400, "bad_request")
    assert_is_error(stranger.get("/api/v1/markets?" + "a=1&" * 1_001), 400, "bad_request")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["api/tests", "plain"])
@pytest.mark.parametrize("failure", PASSING)
def test_a_passing_failure_is_logged_in_one_line_without_a_stack(stranger, caplog, failure, kind):
    response = stranger.get(f"/{kind}/{failure}")
    assert_is_error(response, 503, "try_again")
    assert response["Retry-After"] == "2"
    assert len(caplog.records) == 1
    assert not caplog.records[0].exc_info
