"""An HTTP server on loopback that responds to each request with the next line of a script, and keeps the requests."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]  # names in lower case
    body: Any
    port: int  # of the client: the same one as long as the connection is kept


@dataclass(frozen=True)
class Reply:
    """`body` is sent as JSON unless it is bytes; `play` takes the connection over instead."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    play: Callable[["_Handler"], None] | None = None


HTML = Reply(b"<!DOCTYPE html><title>Just a moment...</title>", content_type="text/html; charset=UTF-8")


def html(status: int, **headers: str) -> Reply:
    return Reply(HTML.body, status, HTML.content_type, headers)


def hanging(seconds: float) -> Reply:
    """Say nothing for a while."""
    return Reply(play=lambda handler: handler.stopping.wait(seconds) and None)


def dripping(seconds: float, *, from_header: bool = False) -> Reply:
    """Send a byte every twentieth of a second, never finishing: of the body, or of the header already."""

    def play(handler: "_Handler") -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        handler.wfile.write(head + (b"X-Slow: " if from_header else b"Content-Length: 100000\r\n\r\n"))
        end = time.monotonic() + seconds
        while time.monotonic() < end and not handler.stopping.wait(0.05):
            handler.wfile.write(b" ")

    return Reply(play=play)


def cut_off() -> Reply:
    """Announce more than is sent."""

    def play(handler: "_Handler") -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")

    return Reply(play=play)


class Script:
    """What the server will respond, and the requests it got. Out of lines, it responds 599."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self._replies: deque[Reply | Callable[[Request], Reply]] = deque()
        self._always: Reply | Callable[[Request], Reply] | None = None

    def then(self, *replies: Reply | Callable[[Request], Reply]) -> "Script":
        self._replies.extend(replies)
        return self

    def always(self, reply: Reply | Callable[[Request], Reply]) -> "Script":
        self._always = reply
        return self

    def next(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self._replies.popleft() if self._replies else self._always
        if callable(reply):
            reply = reply(request)
        return reply or Reply(b"out of lines", 599, "text/plain")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every body waits 40 ms for the acknowledgement of its header
    script: Script
    stopping: threading.Event

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        reply = self.script.next(self._request())
        try:
            self._play(reply) if reply.play else self._send(reply)
        except OSError:
            self.close_connection = True  # the client has left, as some tests mean it to

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qsl(parts.query, keep_blank_values=True)
        return Request(
            self.command, parts.path, query, headers, json.loads(body) if body else None, self.client_address[1]
        )

    def _play(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.play:
            reply.play(self)

    def _send(self, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        if reply.content_type:
            self.send_header("Content-Type", reply.content_type)
        for name, value in ({"Content-Length": str(len(body))} | reply.headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what some tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def scripted_server() -> Iterator[Script]:
    """A running server; its threads end with the block."""
    stopping = threading.Event()
    handler = type("Handler", (_Handler,), {"stopping": stopping})
    server = _Server(("127.0.0.1", 0), handler)
    handler.script = Script(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield handler.script
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
