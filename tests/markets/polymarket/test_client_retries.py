"""Trying again, giving up in time, and leaving a dead upstream alone."""

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from markets.errors import UpstreamRejected, UpstreamUnavailable
from markets.polymarket.client import PolymarketClient
from markets.polymarket.transport import RequestPolicy
from tests.core.frozen_time import FrozenTime
from tests.markets.polymarket.requests import QUICK, breaker_after, events, first_page
from tests.markets.polymarket.scripted_server import Reply, cut_off, dripping, hanging, html


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_a_passing_failure_is_requested_again(client, server, pauses, status):
    server.then(html(status), events(1))
    assert first_page(client) == [{"id": 1}]
    assert len(pauses) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_rejection_is_never_requested_again(client, server, pauses, status):
    server.then(html(status))
    with pytest.raises(UpstreamRejected) as caught:
        first_page(client)
    assert (caught.value.status, caught.value.code) == (status, "upstream_rejected")
    assert (len(server.requests), pauses) == (1, [])


def test_after_all_tries_the_upstream_is_unavailable(client, server):
    server.always(html(503))
    with pytest.raises(UpstreamUnavailable) as caught:
        first_page(client)
    assert caught.value.code == "upstream_unavailable"
    assert len(server.requests) == QUICK.attempts


def test_pauses_double_up_to_a_bound_and_are_jittered(make_client, server, pauses):
    server.always(html(500))
    client = make_client(RequestPolicy(attempts=6, backoff=1, backoff_max=4))
    with pytest.raises(UpstreamUnavailable):
        first_page(client)
    assert len(pauses) == 5
    for pause, longest in zip(pauses, [1, 2, 4, 4, 4], strict=True):
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 5


def test_a_wait_in_seconds_is_honoured(make_client, server, pauses):
    server.then(html(429, Retry_After="7"), events(1))
    assert first_page(make_client(RequestPolicy(total=30))) == [{"id": 1}]
    assert pauses == [7]


def test_a_wait_until_an_http_date_is_honoured(make_client, server, pauses):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.then(html(429, Retry_After=moment), events(1))
    assert first_page(make_client(RequestPolicy(total=30))) == [{"id": 1}]
    assert 17 <= pauses[0] <= 20


def test_a_date_that_has_passed_means_no_wait(client, server, pauses):
    server.then(html(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), events(1))
    assert first_page(client) == [{"id": 1}]
    assert pauses == [0]


@pytest.mark.parametrize("stated", ["soon", "-5", "", "1.5", "Wed, 99 Foo 2015"])
def test_an_unreadable_wait_is_an_ordinary_pause(client, server, pauses, stated):
    server.then(html(429, Retry_After=stated), events(1))
    assert first_page(client) == [{"id": 1}]
    assert 0 < pauses[0] <= QUICK.backoff_max


def test_a_wait_beyond_the_total_is_handed_on_at_once(client, server, pauses):
    server.always(html(429, Retry_After="3600"))
    with pytest.raises(UpstreamUnavailable) as caught:
        first_page(client)
    assert caught.value.retry_after == 3600
    assert (len(server.requests), pauses) == (1, [])


def took(call):
    """Seconds until the call failed as unavailable."""
    start = time.monotonic()
    with pytest.raises(UpstreamUnavailable):
        call()
    return time.monotonic() - start


def test_a_hanging_server_is_left_after_the_read_timeout(make_client, server):
    server.always(hanging(5))
    client = make_client(RequestPolicy(read=0.2, total=5, attempts=2))
    assert took(lambda: first_page(client)) < 2
    assert len(server.requests) == 2


def test_the_total_bounds_all_tries_together(make_client, server):
    server.always(hanging(5))
    client = make_client(RequestPolicy(read=0.3, total=0.5, attempts=50, backoff=0.001))
    assert took(lambda: first_page(client)) < 2


@pytest.mark.parametrize("from_header", [False, True])
def test_a_slow_drip_is_cut_off_at_the_total(make_client, server, from_header):
    server.always(dripping(5, from_header=from_header))
    client = make_client(RequestPolicy(read=0.3, total=0.6, attempts=3))
    assert 0.5 < took(lambda: first_page(client)) < 2


def test_a_silence_within_the_body_does_not_outlast_the_total(make_client, server):
    def play(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        handler.stopping.wait(0.9)
        handler.wfile.write(b" ")
        handler.stopping.wait(5)

    server.always(Reply(play=play))
    client = make_client(RequestPolicy(read=1, total=1, attempts=1))
    assert took(lambda: first_page(client)) < 1.8


def test_a_body_cut_off_is_requested_again(client, server):
    server.then(cut_off(), events(1))
    assert first_page(client) == [{"id": 1}]


def test_a_connection_closed_without_a_word_is_requested_again(client, server):
    server.then(Reply(play=lambda handler: None), events(1))
    assert first_page(client) == [{"id": 1}]


def test_a_refused_connection_is_unavailable(pauses):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = PolymarketClient(gamma_url=url, clob_url=url, policy=QUICK, sleep=pauses)
        assert took(lambda: first_page(client)) < 1
    assert len(pauses) == QUICK.attempts - 1


def test_a_name_that_leads_nowhere_is_unavailable(pauses):
    client = PolymarketClient(
        gamma_url="http://nowhere.invalid", clob_url="http://nowhere.invalid", policy=QUICK, sleep=pauses
    )
    with pytest.raises(UpstreamUnavailable):
        first_page(client)


def test_connections_are_used_again(client, server):
    server.always(events(1))
    for _ in range(3):
        first_page(client)
    assert len({request.port for request in server.requests}) == 1


def test_threads_share_a_client(client, server):
    server.always(lambda request: Reply([{"asset_id": entry["token_id"]} for entry in request.body]))
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(client.books([str(n)]))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(token) for books in found for token in books) == list(range(12))


def test_a_dead_upstream_is_left_alone_until_the_trial_succeeds(make_client, server):
    frozen_time = FrozenTime()
    client = make_client(breaker=breaker_after(5, clock=frozen_time))
    server.always(html(500))
    for _ in range(4):
        with pytest.raises(UpstreamUnavailable):
            first_page(client)
    assert len(server.requests) == 5

    with pytest.raises(UpstreamUnavailable) as caught:
        first_page(client)
    assert caught.value.retry_after == 10
    assert len(server.requests) == 5

    frozen_time.now += 10
    server.always(events(1))
    assert first_page(client) == [{"id": 1}]
    assert first_page(client) == [{"id": 1}]


def test_a_failed_trial_costs_one_request(make_client, server):
    frozen_time = FrozenTime()
    client = make_client(breaker=breaker_after(1, clock=frozen_time))
    server.always(html(500))
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            first_page(client)
        frozen_time.now += 10
    assert len(server.requests) == 3


def test_a_dead_catalogue_does_not_take_the_prices_with_it(make_client, server):
    client = make_client(breaker=breaker_after(1))
    server.then(html(500), Reply([{"asset_id": "1"}]))
    with pytest.raises(UpstreamUnavailable):
        first_page(client)
    assert client.books(["1"]) == {"1": {"asset_id": "1"}}


def test_rejections_never_open_it(make_client, server):
    client = make_client(breaker=breaker_after(2))
    server.always(html(400))
    for _ in range(5):
        with pytest.raises(UpstreamRejected):
            first_page(client)
    assert len(server.requests) == 5
