import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from devtools.embedded.server import StartupError
from devtools.management.commands.dev import status_said
from devtools.simulators.start import is_reachable, listens
from devtools.startup import refuse_taken_port


def test_an_address_that_refuses_is_unreachable():
    assert not is_reachable("http://127.0.0.1:1")


def test_an_invalid_address_is_unreachable():
    for url in ("nonsense", "", "http://", "http://127.0.0.1:99999", "ftp://127.0.0.1:1"):
        assert not is_reachable(url, seconds=1)


def test_an_upstream_that_never_responds_is_given_up_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        assert not is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.5)
        assert time.monotonic() - started < 2


def test_a_port_in_use_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match="in use"):
            refuse_taken_port("127.0.0.1", port)
        assert listens(port)
    refuse_taken_port("127.0.0.1", port)
    assert not listens(port)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"status": "ready"}', "ready"),
        (503, b'{"status": "degraded"}', "degraded"),
        (502, b"<html>", ""),
        (200, b"{}", ""),
    ],
)
def test_the_status_of_our_server_is_read_whether_good_or_bad(status, body, said):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Keeps the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert status_said(f"http://127.0.0.1:{server.server_port}/ready") == said
        thread.join()
    assert status_said("http://127.0.0.1:1/ready") == ""
