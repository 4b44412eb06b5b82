"""The HTTP server of the simulator, a thread for each connection. The providers' paths differ, so one port does."""

import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from devtools.simulators.providers.endpoints import DIALECTS, Endpoints, Response, error_response

MAX_BODY = 64 * 1024
DRIP_SECONDS = 0.05


class ProvidersSimulator:
    """Listens from the start, responds inside a `with` block. `clients`: id and secret, by provider."""

    def __init__(self, clients: Mapping[str, tuple[str, str]], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.endpoints = {
            name: Endpoints(DIALECTS[name], client_id=client_id, client_secret=secret)
            for name, (client_id, secret) in clients.items()
        }
        self._server = _Server((host, port), self.endpoints)
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), name="providers", daemon=True)

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
    def requests(self) -> list[str]:
        """Method and path of each request so far."""
        return list(self._server.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], endpoints: Mapping[str, Endpoints]) -> None:
        self.endpoints = endpoints
        self.closing = Event()
        self.requests: list[str] = []
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show errors, but for clients that went away."""
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
            self._write(error_response(413, "invalid_request", "The body is too long."))
            return
        self._serve(dict(parse_qsl(self.rfile.read(int(length)).decode(errors="replace"), keep_blank_values=True)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing: paths hold codes."""

    def _serve(self, form: Mapping[str, str]) -> None:
        parts = urlsplit(self.path)
        self.server.requests.append(f"{self.command} {parts.path}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        response = self._respond(parts.path, query, form)
        if response.trick == "hang":
            self.close_connection = self.server.closing.wait(self.timeout) or True
        elif response.trick == "drip":
            self._drip(response)
        else:
            self._write(response)

    def _respond(self, path: str, query: Mapping[str, str], form: Mapping[str, str]) -> Response:
        authorization = self.headers.get("Authorization", "")
        for endpoints in self.server.endpoints.values():
            dialect = endpoints.dialect
            if (self.command, path) == ("GET", dialect.authorize):
                return endpoints.authorize(query)
            if (self.command, path) == ("POST", dialect.authorize):
                return endpoints.decide(form)
            if (self.command, path) == ("POST", dialect.token):
                return endpoints.token(form, authorization)
            if (self.command, path) == ("GET", dialect.user):
                return endpoints.user(query, authorization)
        return error_response(404, "not_found", "There is nothing here.")

    def _write(self, response: Response) -> None:
        body = response.body.encode()
        self._write_head(response, len(body))
        self.wfile.write(body)
        self.wfile.flush()

    def _write_head(self, response: Response, length: int) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        if response.location:
            self.send_header("Location", response.location)
        self.end_headers()

    def _drip(self, response: Response) -> None:
        """Send a byte at a time, for ever, which no timeout between two bytes ever ends."""
        self._write_head(response, 1_000_000)
        while not self.server.closing.wait(DRIP_SECONDS):
            self.wfile.write(b" ")
            self.wfile.flush()
        self.close_connection = True
