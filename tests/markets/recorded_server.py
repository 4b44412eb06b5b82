"""A server that shows recorded objects the way Gamma lists them: events by cursor, markets by condition id."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 5  # events, so that a catalogue takes several pages whatever is requested


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    events: list[dict[str, Any]]
    by_id: dict[str, dict[str, Any]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/events/keyset":
            self._send(self._event_page(query))
        elif parts.path == "/markets/keyset":
            self._send({"markets": self._markets(query)})
        else:
            self._send({"error": "not found"}, 404)

    def _event_page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if query.get("closed") != ["false"]:
            return {"events": []}
        start = int(query.get("after_cursor", ["0"])[0])
        end = start + min(PAGE, int(query["limit"][0]))
        more = {"next_cursor": str(end)} if end < len(self.events) else {}
        return {"events": self.events[start:end], **more}

    def _markets(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        found = (self.by_id.get(condition_id) for condition_id in query.get("condition_ids", []))
        closed = query.get("closed") == ["true"]
        return [market for market in found if market and market.get("closed", False) == closed]

    def _send(self, body: Any, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def recorded_server(events: list[dict[str, Any]], markets: list[dict[str, Any]]) -> Iterator[str]:
    """Serves `events` as the open list and `markets` by their condition ids; gives its address."""
    by_id = {market["conditionId"]: market for market in markets}
    handler = type("Handler", (_Handler,), {"events": events, "by_id": by_id})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
