"""The HTTP server: Gamma and the CLOB on one origin, with faults in front of both."""

import json
import socket
import struct
import sys
import time
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .clob import Clob
from .control import PREFIX, Control
from .faults import TRICKS, Fault, Faults
from .gamma import Gamma
from .malformed import broken_json, error_page, wrong_shape
from .replies import Call, RefusedError, Reply, invalid, not_found
from .requests_log import Asked, RequestLog
from .world import World

MAX_BODY = 4_000_000


class Application:
    """Answers calls, whatever carries them."""

    def __init__(self, world: World, faults: Faults, requests: RequestLog, *, loopback: bool) -> None:
        self.faults = faults
        self.requests = requests
        self._world = world
        self._parts = (Clob(world), Gamma(world))
        self._control = Control(world, faults, requests) if loopback else None

    def answer(self, call: Call) -> Reply:
        """The answer of the upstream, or of the controls. Never raises `RefusedError`."""
        try:
            if call.path.startswith(PREFIX) and self._control is not None:
                return self._control.answer(call)
            return self._upstream(call)
        except RefusedError as refusal:
            return refusal.reply

    def _upstream(self, call: Call) -> Reply:
        with self._world.clock.lock:
            for part in self._parts:
                reply = part.answer(call)
                if reply is not None:
                    return reply
        raise not_found("page not found")


class Server(ThreadingHTTPServer):
    """A thread for each connection. Closing it closes the connections too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self._open: set[socket.socket] = set()
        self._guard = Lock()
        super().__init__(address, Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self, patience: float = 2.0) -> None:
        """Close every connection and wait for its thread, at most `patience` seconds in all."""
        until = time.monotonic() + patience
        while self._hang_up_once() and time.monotonic() < until:
            time.sleep(0.005)

    def _hang_up_once(self) -> bool:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return bool(self._open)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets the faults have it, writes the answer in one piece."""

    protocol_version = "HTTP/1.1"
    server_version = "cloudflare"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120
    server: Server

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._write(invalid("body is too long").reply)
            return
        try:
            body = json.loads(self.rfile.read(int(length)) or b"null")
        except ValueError:
            self._write(Reply(400, b'{"error":"Invalid payload"}'))
        else:
            self._serve(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: callers read the request log."""

    def _serve(self, body: Any) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        application = self.server.application
        if parts.path.startswith(PREFIX):
            self._write(application.answer(Call(self.command, parts.path, query, body)))
            return
        application.requests.add(Asked(self.command, parts.path, query))
        met = application.faults.pick(parts.path)
        tricks = frozenset(fault.kind for fault in met if fault.kind in TRICKS)
        call = Call(self.command, parts.path, query, body, tricks)
        self._suffer(call, [fault for fault in met if fault.kind not in TRICKS])

    def _suffer(self, call: Call, faults: list[Fault]) -> None:
        application = self.server.application
        hard = None
        for fault in faults:
            if fault.kind == "latency":
                application.faults.pause(fault, fault.seconds)
            else:
                hard = fault
        if hard is None:
            self._write(application.answer(call))
        elif hard.kind == "reset":
            self._reset()
        elif hard.kind == "hang":
            application.faults.pause(hard, hard.seconds)
            self.close_connection = True
        elif hard.kind == "drip":
            self._drip(application.answer(call), hard)
        else:
            self._write(_spoilt(hard, application.answer(call)))

    def _write(self, reply: Reply) -> None:
        self._write_head(reply)
        self.wfile.write(reply.body)
        self.wfile.flush()

    def _write_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        """Make the kernel send RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The server's polite shutdown would send a FIN first.
        self.connection.close()

    def _drip(self, reply: Reply, fault: Fault) -> None:
        """The head at once, then a byte each `fault.seconds`, until the faults are cleared: then the rest."""
        self._write_head(reply)
        self.wfile.flush()
        for position in range(len(reply.body)):
            self.wfile.write(reply.body[position : position + 1])
            self.wfile.flush()
            if self.server.application.faults.pause(fault, fault.seconds):
                self.wfile.write(reply.body[position + 1 :])
                break


def _spoilt(fault: Fault, reply: Reply) -> Reply:
    match fault.kind:
        case "html":
            return error_page(200)
        case "broken_json":
            return broken_json(reply)
        case "wrong_shape":
            return wrong_shape(fault, reply)
    headers: tuple[tuple[str, str], ...] = ()
    if fault.retry_after is not None:
        # An HTTP date only means something beside the caller's own clock, so this one is the wall's.
        date = formatdate(time.time() + fault.retry_after, usegmt=True)
        headers = (("Retry-After", date if fault.retry_after_date else str(fault.retry_after)),)
    return error_page(fault.status)._replace(headers=headers)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve_in_thread(server: Server) -> Thread:
    thread = Thread(target=server.serve_forever, args=(0.02,), name="polymarket-simulator", daemon=True)
    thread.start()
    return thread
