"""Clients that are slow, silent or many take nothing from the others."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest
import requests

from tests.ops.serving.conftest import Server, get, many

SLOW = 100
HALF_BODY = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n{"
HALF_HEAD = b"GET /echo HTTP/1.1\r\nHo"
# Beyond what the system's buffers of both ends take in.
BIG = "/bytes/1000000"


@contextmanager
def trickling(clients):
    """A byte a second on each of them, as long as it is taken."""
    is_over = threading.Event()

    def trickle():
        while not is_over.wait(1):
            for client in clients:
                try:
                    client.send(b"x")
                except OSError:
                    continue

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def assert_others_are_served(server, *, rounds=20):
    """Bounds that hold on a busy machine too; the figures are in bench/README.md."""
    for number in range(rounds):
        health = server.ask("/health")
        assert (health.status, health.seconds < 1) == (200, True)
        response = server.ask("/echo", "POST", str(number).encode())
        assert (json.loads(response.body)["body"], response.seconds < 2) == (str(number), True)


@pytest.mark.parametrize("sent", [HALF_BODY, HALF_HEAD])
def test_slow_senders_hold_up_nobody(server, sent):
    with many(SLOW, partial(server.connect, sent)) as clients, trickling(clients):
        assert_others_are_served(server)


def test_slow_readers_hold_up_nobody(server):
    with many(SLOW, partial(server.connect, get(BIG), receive_buffer=4096)):
        assert_others_are_served(server)


@pytest.mark.parametrize("count", [400, 5_000])
def test_idle_connections_hold_up_nobody(server, count):
    with many(count, partial(server.connect, get("/health"))) as clients:
        for client in clients:
            assert client.response().status == 200
        assert_others_are_served(server)
        for client in clients[::100]:
            client.sendall(get("/bytes/3"))
            assert client.response().body == b"xxx"


def test_twenty_threads_that_keep_their_responses(server):
    """A plain script, which leaves twenty idle connections open and opens twenty more."""
    kept, failures = [], []

    def ask():
        try:
            kept.append(requests.get(f"http://127.0.0.1:{server.port}/bytes/10", timeout=10, stream=True))
        except requests.RequestException as exc:
            failures.append(exc)

    for _ in range(3):
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    assert [response.status_code for response in kept] == [200] * 60
    for response in kept:
        response.close()


def test_forty_browsers_with_idle_connections_are_served(server):
    """Six connections each, all of which ask at once and then stay open."""
    with many(40 * 6, server.connect) as clients:
        for _ in range(3):
            for client in clients:
                client.sendall(get("/bytes/20000"))
            assert {client.response().status for client in clients} == {200}
            assert_others_are_served(server, rounds=3)


class TestTimeLimits:
    def test_a_body_has_a_time_limit(self, hasty):
        with hasty.connect(HALF_BODY) as client, trickling([client]):
            response = client.response()
        assert (response.status, json.loads(response.body)["code"]) == (408, "request_timeout")
        assert response.headers["connection"] == "close"

    def test_headers_have_a_time_limit(self, hasty):
        with hasty.connect(HALF_HEAD) as client, trickling([client]):
            assert client.rest() == b""

    def test_a_silent_connection_has_a_time_limit(self, hasty):
        with hasty.connect() as client:
            assert client.rest() == b""

    def test_the_time_between_requests_is_limited(self, hasty):
        with hasty.connect(get("/health")) as client:
            assert client.response().status == 200
            started = time.monotonic()
            assert client.rest() == b""
        assert time.monotonic() - started < 5

    def test_taking_a_response_has_a_time_limit(self, hasty):
        with hasty.connect(get(BIG), receive_buffer=4096) as client:
            time.sleep(3)
            assert len(client.rest()) < 1_000_000

    def test_a_request_that_takes_too_long_gets_504_and_its_work_goes_on(self, hasty):
        before = json.loads(hasty.ask("/seen").body)["seen"]
        with hasty.connect(get("/sleep/2")) as client:
            response = client.response()
            assert (response.status, json.loads(response.body)["code"]) == (504, "response_timeout")
            assert client.rest() == b""
        time.sleep(1.2)
        assert json.loads(hasty.ask("/seen").body)["seen"] == before + 1


class TestBounds:
    def test_the_connection_that_was_silent_longest_makes_room(self):
        server = Server(connections=50)
        try:
            with many(50, partial(server.connect, HALF_HEAD)) as clients:
                assert_others_are_served(server, rounds=5)
                assert clients[0].rest() == b""
                clients[-1].settimeout(0.2)
                with pytest.raises(TimeoutError):
                    clients[-1].recv(1)
        finally:
            server.stop()

    def test_memory_for_bodies_that_are_arriving(self):
        server = Server(held_bytes=500_000)
        try:
            body = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n" + b"x" * 50_000
            with many(20, partial(server.connect, body)) as clients:
                clients[-1].settimeout(5)
                response = clients[-1].response()
                assert (response.status, response.headers["retry-after"]) == (503, "1")
            assert json.loads(server.ask("/echo", "POST", b"small").body)["body"] == "small"
        finally:
            server.stop()


def test_a_socket_without_delay_is_what_clients_get(server):
    """Responses in two packets would wait for each other."""
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.monotonic()
        for _ in range(50):
            client.sendall(get("/bytes/10"))
            assert client.response().status == 200
        assert time.monotonic() - started < 2
