"""More requests than the threads can serve: refused at once, those that move money last, health checks never."""

import json
import time
from functools import partial

import pytest

from tests.ops.serving.application import THREADS
from tests.ops.serving.conftest import Server, get, many

POST = b"POST %b HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n"
QUEUE = 3
# For requests to be read and queued, also on a busy machine; they hold their threads for three times as long.
SETTLE_SECONDS = 0.5
HOLD = f"/sleep/{3 * SETTLE_SECONDS}"


@pytest.fixture
def small():
    server = Server(queue_length=QUEUE, queue_seconds=20)
    yield server
    server.stop()


def test_requests_beyond_the_queue_are_refused_quickly(small):
    with many(THREADS + QUEUE, partial(small.connect, get(HOLD))) as busy:
        time.sleep(SETTLE_SECONDS)
        response = small.ask("/bytes/1")
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        assert json.loads(response.body) == {"code": "overloaded"}
        assert response.seconds < SETTLE_SECONDS
        # The connection stays: the client may try again on it.
        assert response.getheader("Connection") is None
        assert {client.response().status for client in busy} == {200}
    assert small.ask("/bytes/1").status == 200


def test_money_finds_a_place_where_reads_dont_and_goes_first(small):
    with many(THREADS, partial(small.connect, get(HOLD))):
        time.sleep(SETTLE_SECONDS)
        with (
            many(QUEUE, partial(small.connect, get(HOLD))) as reads,
            many(QUEUE, partial(small.connect, POST % b"/echo")) as money,
        ):
            assert small.ask("/bytes/1").status == 503
            assert {client.response().status for client in money} == {200}
            assert small.ask("/bytes/1").status == 503 or reads
            assert {client.response().status for client in reads} == {200}


def test_money_too_is_refused_at_last(small):
    with many(THREADS + QUEUE, partial(small.connect, POST % HOLD.encode())):
        time.sleep(SETTLE_SECONDS)
        assert small.ask("/echo", "POST", b"").status == 503


def test_health_and_readiness_respond_under_overload(small):
    with many(THREADS + QUEUE, partial(small.connect, get(HOLD))):
        time.sleep(SETTLE_SECONDS)
        for path in ("/health", "/ready"):
            response = small.ask(path)
            assert (response.status, response.seconds < SETTLE_SECONDS) == (200, True)


def test_a_request_that_has_waited_too_long_is_refused(hasty):
    with many(THREADS, partial(hasty.connect, get("/sleep/0.9"))):
        time.sleep(0.1)
        response = hasty.ask("/echo", "POST", b"")
        assert (response.status, json.loads(response.body)["code"]) == (503, "overloaded")
        assert response.seconds < 0.9
