"""The simulator as an HTTP server: Gamma and the CLOB on one origin, with faults in front of both."""

import json
import socket
import struct
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from math import ceil
from threading import Event as Signal
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from . import pictures
from .clob import Clob
from .control import PREFIX, Control
from .faults import TRICKS, Fault, Faults, broken_json, error_page, wrong_shape
from .gamma import Gamma
from .lively import LivelyWorld
from .messages import LoggedRequest, RefusedError, Request, RequestLog, Response, invalid, not_found
from .stream import PATH as STREAM
from .stream import Stream, Subscriber, WebSocket
from .world import TICK, World

MAX_BODY = 4_000_000
SAVE_SECONDS = 10


class Application:
    """Responds to requests, whatever carries them."""

    def __init__(self, world: World, faults: Faults, requests: RequestLog, *, loopback: bool) -> None:
        self.faults = faults
        self.requests = requests
        self.stream = Stream(world, faults)
        self._world = world
        self._parts = (Clob(world), Gamma(world))
        self._control = Control(world, faults, requests, self.stream) if loopback else None

    def respond(self, request: Request) -> Response:
        """Return the response of the upstream, or of the controls. Never raises `RefusedError`."""
        try:
            if request.path.startswith(pictures.PREFIX):
                return pictures.respond(request.path)
            if request.path.startswith(PREFIX) and self._control is not None:
                return self._control.respond(request)
            return self._upstream(request)
        except RefusedError as refusal:
            return refusal.response

    def _upstream(self, request: Request) -> Response:
        with self._world.clock.lock:
            for part in self._parts:
                response = part.respond(request)
                if response is not None:
                    return response
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
        """Ignore a client that disconnected; report anything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self, timeout: float = 2.0) -> None:
        """Close every connection and wait for its thread, at most `timeout` seconds in all."""
        until = time.monotonic() + timeout
        while self._hang_up_once() and time.monotonic() < until:
            time.sleep(0.005)

    def _hang_up_once(self) -> bool:
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return bool(self._open)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, applies the faults, writes the response in one piece."""

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
            self._write(invalid("body is too long").response)
            return
        try:
            body = json.loads(self.rfile.read(int(length)) or b"null")
        except ValueError:
            self._write(Response(400, b'{"error":"Invalid payload"}'))
        else:
            self._serve(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing: tests read the request log."""

    def _serve(self, body: Any) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        application = self.server.application
        if parts.path.startswith(PREFIX):
            self._write(application.respond(Request(self.command, parts.path, query, body)))
            return
        limit = application.faults.admit(self.command, parts.path)
        application.requests.add(LoggedRequest(self.command, parts.path, query), limited=limit is not None)
        if limit is not None and self._limited(*limit):
            return
        met = application.faults.pick(self.command, parts.path)
        tricks = frozenset(fault.kind for fault in met if fault.kind in TRICKS)
        request = Request(self.command, parts.path, query, body, tricks)
        self._apply_faults(request, [fault for fault in met if fault.kind not in TRICKS])

    def _limited(self, fault: Fault, seconds: float) -> bool:
        """Wait for a turn, or refuse the request; True if it was refused."""
        if fault.delay:
            self.server.application.faults.pause(fault, seconds)
            return False
        after = ceil(seconds) if fault.retry_after is None else fault.retry_after
        self._write(_status_page(429, after, as_date=fault.retry_after_date))
        return True

    def _apply_faults(self, request: Request, faults: list[Fault]) -> None:
        application = self.server.application
        hard = None
        for fault in faults:
            if fault.kind == "latency":
                application.faults.pause(fault, fault.seconds)
            else:
                hard = fault
        if hard is None and request.path == STREAM and self.headers.get("Upgrade"):
            self._stream()
        elif hard is None:
            self._write(application.respond(request))
        elif hard.kind == "reset":
            self._reset()
        elif hard.kind == "hang":
            application.faults.pause(hard, hard.seconds)
            self.close_connection = True
        elif hard.kind == "drip":
            self._drip(application.respond(request), hard)
        else:
            self._write(_spoilt(hard, application.respond(request)))

    def _write(self, response: Response) -> None:
        self._write_head(response)
        self.wfile.write(response.body)
        self.wfile.flush()

    def _write_head(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        """Be a websocket until the client has gone."""
        self.close_connection = True
        websocket, stream = WebSocket(self.connection), self.server.application.stream
        if not websocket.shake_hands(self.path, self.headers.items()):
            return
        subscriber = Subscriber(websocket.send, websocket.close)
        stream.add(subscriber)
        try:
            for text in websocket.messages():
                stream.receive(subscriber, text)
        finally:
            stream.remove(subscriber)

    def _reset(self) -> None:
        """Make the kernel send RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # The server's polite shutdown would send a FIN first.
        self.connection.close()

    def _drip(self, response: Response, fault: Fault) -> None:
        """The head at once, then a byte each `fault.seconds`, until the faults are cleared: then the rest."""
        self._write_head(response)
        self.wfile.flush()
        for position in range(len(response.body)):
            self.wfile.write(response.body[position : position + 1])
            self.wfile.flush()
            if self.server.application.faults.pause(fault, fault.seconds):
                self.wfile.write(response.body[position + 1 :])
                break


def _spoilt(fault: Fault, response: Response) -> Response:
    match fault.kind:
        case "html":
            return error_page(200)
        case "broken_json":
            return broken_json(response)
        case "wrong_shape":
            return wrong_shape(fault, response)
    return _status_page(fault.status, fault.retry_after, as_date=fault.retry_after_date)


def _status_page(status: int, retry_after: int | None, *, as_date: bool) -> Response:
    headers: tuple[tuple[str, str], ...] = ()
    if retry_after is not None:
        # An HTTP date only means something beside the caller's own clock, so this one is the wall's.
        date = formatdate(time.time() + retry_after, usegmt=True)
        headers = (("Retry-After", date if as_date else str(retry_after)),)
    return error_page(status)._replace(headers=headers)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve_in_thread(server: Server) -> Thread:
    thread = Thread(target=server.serve_forever, args=(0.02,), name="polymarket-simulator", daemon=True)
    thread.start()
    return thread


class Simulator:
    """Serves a world on its own threads from `start` to `stop`, or inside a `with`.

    `port` 0 takes a free one. `tick_seconds` above 0 lets time pass by itself. `events` is the size at the start,
    `start` the simulated time of tick 0: give it to make two simulations equal. `world` takes the place of all that: a
    lively one (`lively.py`) lives at real time, and is saved.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        events: int = 400,
        start: datetime | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tick_seconds: float = 0,
        world: World | None = None,
    ) -> None:
        length = timedelta(seconds=tick_seconds) if tick_seconds else TICK
        self.world = world or World(seed=seed, events=events, start=start, tick_length=length)
        self.faults = Faults(seed)
        self.requests = RequestLog()
        application = Application(self.world, self.faults, self.requests, loopback=is_loopback(host))
        self.stream = application.stream
        self._server = Server((host, port), application)
        if isinstance(self.world, LivelyWorld):
            self.world.clock.pictures = f"{self.url}{pictures.PREFIX}".rstrip("/")
        self._tick_seconds = tick_seconds
        self._stopping = Signal()
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def gamma_url(self) -> str:
        return self.url

    @property
    def clob_url(self) -> str:
        """The same origin: the paths of the two do not collide."""
        return self.url

    @property
    def ws_url(self) -> str:
        """The websocket of the market channel, at the same port."""
        return f"{self.url.replace('http', 'ws', 1)}{STREAM}"

    def start(self) -> None:
        self._threads.append(serve_in_thread(self._server))
        if self._tick_seconds > 0:
            ticker = Thread(target=self._tick_on, name="polymarket-simulator-clock", daemon=True)
            ticker.start()
            self._threads.append(ticker)

    def stop(self) -> None:
        """Stop listening, let go of what hangs, close every connection."""
        self._stopping.set()
        if self._threads:
            self._server.shutdown()
        self._server.server_close()
        self.faults.clear()
        self._server.hang_up()
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()
        self._save()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tick_on(self) -> None:
        saved = time.monotonic()
        while not self._stopping.wait(self._tick_seconds):
            if isinstance(self.world, LivelyWorld):
                self.world.catch_up(datetime.now(UTC))
            else:
                self.world.tick()
            if time.monotonic() - saved > SAVE_SECONDS:
                self._save()
                saved = time.monotonic()

    def _save(self) -> None:
        if isinstance(self.world, LivelyWorld):
            self.world.save()
