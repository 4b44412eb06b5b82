"""The HTTP server that carries it, a thread for each connection."""

import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from devtools.simulators.x.endpoints import Endpoints, Reply, problem

AUTHORIZE, TOKEN, USER = "/i/oauth2/authorize", "/2/oauth2/token", "/2/users/me"
MAX_BODY = 64 * 1024
DRIP_SECONDS = 0.05


class StandInX:
    """Listens from the start, answers inside a `with` block. `asked` counts the questions to each path."""

    def __init__(self, *, client_id: str, client_secret: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.endpoints = Endpoints(client_id=client_id, client_secret=client_secret)
        self.people = self.endpoints.people
        self._server = _Server((host, port), self.endpoints)
        self.url = f"http://{host}:{self._server.server_port}"
        self.authorize_url, self.token_url, self.user_url = self.url + AUTHORIZE, self.url + TOKEN, self.url + USER
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="stand-in-x", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def asked(self) -> list[str]:
        """Method and path of each request so far."""
        return list(self._server.asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.closing = Event()
        self.asked: list[str] = []
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120
    server: _Server

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._write(problem(413, "invalid_request", "The body is too long."))
            return
        self._serve(dict(parse_qsl(self.rfile.read(int(length)).decode(errors="replace"), keep_blank_values=True)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: paths hold codes."""

    def _serve(self, form: Mapping[str, str]) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(f"{self.command} {parts.path}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        reply = self._answer(parts.path, query, form)
        if reply.trick == "hang":
            self.close_connection = self.server.closing.wait(self.timeout) or True
        elif reply.trick == "drip":
            self._drip(reply)
        else:
            self._write(reply)

    def _answer(self, path: str, query: Mapping[str, str], form: Mapping[str, str]) -> Reply:
        endpoints = self.server.endpoints
        authorization = self.headers.get("Authorization", "")
        match self.command, path:
            case "GET", "/i/oauth2/authorize":
                return endpoints.authorize(query)
            case "POST", "/i/oauth2/authorize":
                return endpoints.decide(form)
            case "POST", "/2/oauth2/token":
                return endpoints.token(form, authorization)
            case "GET", "/2/users/me":
                return endpoints.user(query, authorization)
        return problem(404, "not_found", "There is nothing here.")

    def _write(self, reply: Reply) -> None:
        body = reply.body.encode()
        self._write_head(reply, len(body))
        self.wfile.write(body)
        self.wfile.flush()

    def _write_head(self, reply: Reply, length: int) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        if reply.location:
            self.send_header("Location", reply.location)
        self.end_headers()

    def _drip(self, reply: Reply) -> None:
        """A byte at a time, for ever, which no timeout between two bytes ever ends."""
        self._write_head(reply, 1_000_000)
        while not self.server.closing.wait(DRIP_SECONDS):
            self.wfile.write(b" ")
            self.wfile.flush()
        self.close_connection = True
