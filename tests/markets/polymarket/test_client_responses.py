"""What is sent, how a response is read, and what is said of a failure."""

import gzip
import json
import logging
from decimal import Decimal

import pytest
import requests

from markets.errors import UpstreamError, UpstreamGarbled, UpstreamUnavailable
from markets.polymarket import transport
from markets.polymarket.transport import RequestPolicy
from tests.markets.polymarket.requests import QUICK, breaker_after, events, first_page
from tests.markets.polymarket.scripted_server import HTML, Reply, html, scripted_server


def test_every_request_says_who_sends_it(make_client, server):
    server.then(events(1), Reply([]))
    client = make_client(user_agent="thisthat-test/2")
    first_page(client)
    client.books(["1"])
    assert {request.headers["user-agent"] for request in server.requests} == {"thisthat-test/2"}


def test_a_session_of_the_callers_is_used(make_client, server):
    server.then(events(1))
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        first_page(make_client(session=session))
    assert server.requests[0].headers["x-mine"] == "yes"
    assert server.requests[0].headers["user-agent"].startswith("thisthat")


def test_fractions_never_pass_through_floats(client, server):
    server.then(Reply(b'{"events": [{"price": 0.1000000000000000055511151231257827, "n": 3}]}'))
    assert first_page(client) == [{"price": Decimal("0.1000000000000000055511151231257827"), "n": 3}]


@pytest.mark.parametrize(
    "body",
    [
        b'{"events": [',
        b"",
        b'{"events": [NaN]}',
        b"[" * 100_000,
        b"\xff\xfe\xfa",
    ],
)
def test_broken_json_is_an_error_and_not_a_crash(client, server, body):
    server.always(Reply(body))
    with pytest.raises(UpstreamGarbled, match="broken JSON"):
        first_page(client)
    assert len(server.requests) == QUICK.attempts


def test_broken_json_once_is_requested_again(client, server):
    server.then(Reply(b'{"events": ['), events(1))
    assert first_page(client) == [{"id": 1}]


def test_html_with_status_200_is_garbled_after_all_tries(client, server):
    server.always(HTML)
    with pytest.raises(UpstreamGarbled, match="text/html"):
        first_page(client)
    assert len(server.requests) == QUICK.attempts


def test_html_once_is_requested_again(client, server):
    server.then(HTML, events(1))
    assert first_page(client) == [{"id": 1}]


def test_a_response_without_a_content_type_is_read_by_its_body(client, server):
    server.then(Reply({"events": []}, content_type=""))
    assert first_page(client) == []


def test_a_packed_body_is_unpacked(client, server):
    body = gzip.compress(json.dumps({"events": list(range(50_000))}).encode())
    server.then(Reply(body, headers={"Content-Encoding": "gzip"}))
    assert first_page(client) == list(range(50_000))


def test_a_body_in_chunks_is_put_together(client, server):
    def play(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"events": [', b'"' + b"x" * 200_000 + b'"', b"]}", b""):
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    server.then(Reply(play=play))
    assert first_page(client) == ["x" * 200_000]


def test_a_body_that_claims_to_be_packed_and_is_not_is_no_crash(client, server):
    server.always(Reply(b"nonsense", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UpstreamUnavailable):
        first_page(client)


def test_a_packed_bomb_is_stopped_at_the_limit(make_client, server):
    bomb = gzip.compress(b" " * (transport.MAX_BODY + 10 * 1024 * 1024), compresslevel=1)
    server.always(Reply(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UpstreamGarbled, match="bytes"):
        first_page(make_client(RequestPolicy(attempts=1)))


def test_a_redirect_is_never_followed(client, server):
    with scripted_server() as other:
        server.always(Reply(b"", 302, headers={"Location": other.url}))
        with pytest.raises(UpstreamGarbled, match="302"):
            first_page(client)
        assert other.requests == []


def test_reachable_is_one_small_request(client, server):
    server.then(events(1))
    assert client.is_reachable()
    assert server.requests[0].query == [("limit", "1"), ("closed", "false")]


@pytest.mark.parametrize("reply", [HTML, html(500), html(403), Reply(b"{")])
def test_an_upstream_that_sends_nonsense_is_not_reachable(client, server, reply):
    server.always(reply)
    assert not client.is_reachable()
    assert len(server.requests) == 1


def test_a_failed_call_is_one_warning_without_stack_or_body(client, server, caplog):
    server.always(html(500))
    with caplog.at_level(logging.DEBUG, "markets"), pytest.raises(UpstreamError):
        first_page(client)
    (record,) = [record for record in caplog.records if record.name.startswith("markets")]
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    assert record.getMessage() == "Polymarket /events/keyset: status 500"


def test_an_open_breaker_does_not_fill_the_log(make_client, server, caplog):
    client = make_client(RequestPolicy(attempts=1), breaker=breaker_after(1))
    server.always(html(500))
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable):
            first_page(client)
    assert (
        len([record for record in caplog.records if record.levelno >= logging.WARNING and "Polymarket" in record.msg])
        == 1
    )
