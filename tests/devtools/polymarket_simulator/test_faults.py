import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse, IncompleteRead

import pytest

from devtools.simulators.polymarket import Simulator
from tests.concurrently import wait_until

from .conftest import START, Caller

EVENTS = "/events/keyset"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_status_comes_with_cloudflares_html(upstream, caller, status):
    fault = upstream.faults.set("status", status=status, times=2)
    for _ in range(2):
        response = caller.get(EVENTS)
        assert response.status == status
        assert response.headers["Content-Type"].startswith("text/html")
        assert b"<html" in response.body
        assert "Retry-After" not in response.headers
    assert caller.get(EVENTS).status == 200
    assert fault.hits == 2


def test_retry_after_is_seconds_or_a_date(upstream, caller):
    upstream.faults.set("status", status=429, retry_after=7, times=1)
    upstream.faults.set("status", status=429, retry_after=7, retry_after_date=True, times=1)
    assert caller.get(EVENTS).headers["Retry-After"] == "7"
    before = time.time()
    date = parsedate_to_datetime(caller.get(EVENTS).headers["Retry-After"])
    assert int(before) + 7 <= date.timestamp() <= time.time() + 7


def test_a_fault_keeps_to_its_path_until_cleared(upstream, caller):
    upstream.faults.set("status", path="/events")
    for _ in range(5):
        assert caller.get(EVENTS).status == 503
        assert caller.get("/markets/keyset", limit=1).status == 200
    upstream.faults.clear()
    assert caller.get(EVENTS).status == 200


def test_a_chance_is_drawn_from_the_seed():
    def statuses() -> list[int]:
        with Simulator(seed=5, events=2, start=START) as simulator:
            simulator.faults.set("status", probability=0.4)
            caller = Caller(simulator)
            try:
                return [caller.get("/tags").status for _ in range(40)]
            finally:
                caller.connection.close()

    first = statuses()
    assert first == statuses()
    assert 5 < first.count(503) < 30


def test_html_with_a_good_status(upstream, caller):
    upstream.faults.set("html")
    response = caller.get(EVENTS)
    assert (response.status, response.headers["Content-Type"][:9]) == (200, "text/html")


def test_broken_json_is_no_json(upstream, caller):
    upstream.faults.set("broken_json")
    response = caller.get(EVENTS)
    assert response.status == 200
    with pytest.raises(ValueError):
        _ = response.json


def test_a_wrong_shape_is_json_of_another_kind(upstream, caller):
    upstream.faults.set("wrong_shape")
    shapes = [caller.get(EVENTS).json for _ in range(6)]
    assert [type(shape) for shape in shapes] == [list, dict, type(None), str, dict, int]


def test_a_hanging_socket_says_nothing(upstream):
    upstream.faults.set("hang", seconds=30, times=1)
    hasty = Caller(upstream, timeout=0.2)
    with pytest.raises(TimeoutError):
        hasty.get(EVENTS)
    hasty.connection.close()


def test_clearing_lets_go_of_what_hangs(upstream):
    fault = upstream.faults.set("hang", seconds=3600)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(Caller(upstream, timeout=60).get, EVENTS)
        wait_until(lambda: fault.hits == 1)
        upstream.faults.clear()
        with pytest.raises(ConnectionError):
            hanging.result()


def test_stopping_lets_go_of_what_hangs():
    with ThreadPoolExecutor(1) as pool:
        with Simulator(seed=1, events=2, start=START) as simulator:
            fault = simulator.faults.set("hang", seconds=3600)
            hanging = pool.submit(Caller(simulator, timeout=60).get, EVENTS)
            wait_until(lambda: fault.hits == 1)
        with pytest.raises(ConnectionError):
            hanging.result()


@pytest.fixture
def dripping(upstream) -> Iterator[Callable[[float], HTTPResponse]]:
    """Opens a response that comes a byte each so many seconds."""
    caller = Caller(upstream, timeout=60)

    def open_response(seconds: float) -> HTTPResponse:
        upstream.faults.set("drip", seconds=seconds)
        caller.connection.request("GET", "/tags?limit=1")
        return caller.connection.getresponse()

    yield open_response
    caller.connection.close()


def test_a_drip_feeds_a_byte_now_and_then(dripping):
    started = time.monotonic()
    assert dripping(0.05).read(3)[:1] == b"["
    assert time.monotonic() - started >= 0.1


def test_a_drip_ends_once_it_is_cleared(upstream, dripping):
    response = dripping(3600)
    assert response.read(1) == b"["
    upstream.faults.clear()
    assert response.read().endswith(b"]")


def test_a_reset_breaks_the_connection(upstream):
    upstream.faults.set("reset", times=1)
    caller = Caller(upstream)
    with pytest.raises((ConnectionResetError, IncompleteRead)):
        caller.get(EVENTS)
    caller.connection.close()
    assert caller.get(EVENTS).status == 200
    caller.connection.close()


@pytest.mark.parametrize(("path", "key"), [(EVENTS, "events"), ("/markets/keyset", "markets")])
def test_a_repeated_cursor_is_page_one_for_ever(upstream, caller, path, key):
    upstream.faults.set("repeat_cursor", path=path)
    first = caller.get(path, limit=3).json
    second = caller.get(path, limit=3, after_cursor=first["next_cursor"]).json
    assert first == second
    assert len(first[key]) == 3


def test_latency_is_added_to_a_good_response(upstream, caller):
    upstream.faults.set("latency", seconds=0.15, times=1)
    started = time.monotonic()
    assert caller.get(EVENTS).status == 200
    assert time.monotonic() - started >= 0.15


def test_several_faults_meet_one_request(upstream, caller):
    upstream.faults.set("latency", seconds=0.1)
    upstream.faults.set("malformed")
    second = upstream.faults.set("status", status=500, times=1)
    third = upstream.faults.set("status", status=502, times=1)
    assert [caller.get(EVENTS).status for _ in range(3)] == [500, 502, 200]
    assert (second.hits, third.hits) == (1, 1)


def test_malformed_markets_stand_between_the_good_ones(upstream, caller):
    good = caller.get("/markets/keyset", limit=50).json
    upstream.faults.set("malformed")
    mixed = caller.get("/markets/keyset", limit=50).json
    assert mixed["next_cursor"] == good["next_cursor"]
    kept = [item for item in mixed["markets"] if item in good["markets"]]
    assert kept == good["markets"]
    bad = [item for item in mixed["markets"] if item not in good["markets"]]
    assert {type(item) for item in bad} == {dict, type(None), str, int, list}
    objects = [item for item in bad if isinstance(item, dict)]
    assert any("question" not in item for item in objects)
    assert any("NaN" in str(item.get("outcomePrices")) for item in objects)
    assert any(item.get("outcomes") == "Yes, No" for item in objects)
    ids = {item["id"] for item in good["markets"]} | {item["conditionId"] for item in good["markets"]}
    assert not any(str(item.get(key)) in ids for item in objects for key in ("id", "conditionId"))


def test_malformed_events_and_nested_markets_stand_between_the_good_ones(upstream, caller):
    good = caller.get(EVENTS, limit=20).json["events"]
    upstream.faults.set("malformed", path="/events")
    mixed = caller.get(EVENTS, limit=20).json["events"]
    assert [item for item in mixed if item in good] == good
    bad = [item for item in mixed if isinstance(item, dict) and item not in good]
    assert any(item.get("markets", 0) is None for item in bad)
    nested = [market for item in bad if isinstance(item.get("markets"), list) for market in item["markets"]]
    assert len(nested) > 30
    assert not {m["id"] for e in good for m in e["markets"]} & {str(m.get("id")) for m in nested if isinstance(m, dict)}


def test_malformed_midpoints_are_no_prices(upstream, caller):
    upstream.faults.set("malformed", path="/midpoints")
    tokens = [market.tokens[0] for market in upstream.world.good_markets()[:12]]
    response = caller.post("/midpoints", [{"token_id": token} for token in tokens]).json
    assert list(response) == tokens
    assert {"NaN", "1.5", "-0.2", "abc"} <= {value for value in response.values() if isinstance(value, str)}


def test_a_fault_nobody_knows_is_refused(upstream):
    with pytest.raises(ValueError, match="no fault is called"):
        upstream.faults.set("sunshine")


def test_latency_keeps_to_its_path_and_method(upstream, caller):
    upstream.faults.set("latency", path="/books", method="POST", seconds=0.3)
    token = upstream.world.good_markets()[0].tokens[0]

    def duration(call: Callable[[], object]) -> float:
        started = time.monotonic()
        call()
        return time.monotonic() - started

    assert duration(lambda: caller.post("/books", [{"token_id": token}])) >= 0.3
    upstream.faults.clear()
    fault = upstream.faults.set("latency", path="/books", method="POST", seconds=30)
    assert caller.post("/midpoints", [{"token_id": token}]).status == 200
    assert caller.get("/book", token_id=token).status == 200
    assert caller.get("/books").status == 400
    assert fault.hits == 0


def test_a_rate_limit_refuses_what_is_beyond_it(upstream, caller):
    fault = upstream.faults.set("rate_limit", path="/books", per_second=0.1)
    assert caller.post("/books", []).status == 200
    refused = [caller.post("/books", []) for _ in range(3)]
    assert {response.status for response in refused} == {429}
    assert {response.headers["Retry-After"] for response in refused} <= {"9", "10"}
    assert caller.post("/midpoints", []).status == 200
    assert fault.hits == len(upstream.requests.limited("/books")) == 3
    assert len(upstream.requests.to("/books")) == 4
    assert caller.get("/_control/state").json["limited"] == 3
    upstream.faults.clear()
    assert caller.post("/books", []).status == 200


def test_a_rate_limit_lets_a_burst_through_and_more_with_time(upstream, caller):
    upstream.faults.set("rate_limit", path="/tags", per_second=5, retry_after=7)
    responses = [caller.get("/tags", limit=1) for _ in range(8)]
    assert [response.status for response in responses[:5]] == [200] * 5
    refused = [response for response in responses if response.status == 429]
    assert all(response.headers["Retry-After"] == "7" for response in refused)
    wait_until(lambda: caller.get("/tags", limit=1).status == 200)


def test_a_rate_limit_may_make_wait_instead(upstream, caller):
    fault = upstream.faults.set("rate_limit", path="/books", method="POST", per_second=4, delay=True)
    started = time.monotonic()
    assert [caller.post("/books", []).status for _ in range(9)] == [200] * 9
    assert time.monotonic() - started >= 1.9
    assert fault.hits == len(upstream.requests.limited()) >= 2


def test_a_rate_limit_comes_over_http(caller):
    limit = {"kind": "rate_limit", "path": "/books", "per_second": 0.01, "retry_after": 3}
    assert caller.post("/_control/faults", limit).json["faults"][0]["per_second"] == 0.01
    assert [caller.post("/books", []).status for _ in range(2)] == [200, 429]
    assert caller.post("/_control/faults", {**limit, "per_second": 0}).status == 400
