"""As much of Stripe as is asked: Checkout sessions over HTTP on loopback, and events with its signature.

Shapes: https://docs.stripe.com/api/checkout/sessions/object and https://docs.stripe.com/webhooks.
"""

import hmac
import json
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl

from django.test import Client

WEBHOOK = "/api/v1/purchases/webhooks/stripe"


class StandInStripe:
    """`asked`: path, headers and form of each request. `answer` replaces the good one: status and body."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.answer: tuple[int, bytes] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                headers = {name.lower(): text for name, text in self.headers.items()}
                stand_in.asked.append((self.path, headers, form))
                status, body = stand_in.answer or stand_in.session(len(stand_in.asked))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Tests have nothing to read there."""

        return Handler

    def session(self, number: int) -> tuple[int, bytes]:
        made = {"id": f"cs_test_{number}", "object": "checkout.session", "url": f"https://checkout.example/{number}"}
        return 200, json.dumps(made).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def event(
    session: str, kind: str = "checkout.session.completed", *, name: str = "evt_1", **fields: Any
) -> dict[str, Any]:
    about = {
        "id": session,
        "object": "checkout.session",
        "payment_status": "paid",
        "amount_total": 499,
        "currency": "usd",
    }
    return {"id": name, "object": "event", "type": kind, "data": {"object": about | fields}}


def signature(body: bytes, *, key: str = "whsec_test_only", at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    return f"t={moment},v1={hmac.new(key.encode(), f'{moment}.'.encode() + body, sha256).hexdigest()}"


def tell(told: dict[str, Any] | bytes, header: str | None = None) -> Any:
    """Stripe's request to us."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = {"Stripe-Signature": signature(body) if header is None else header}
    client = Client(raise_request_exception=False)
    return client.post(WEBHOOK, body, content_type="application/json; charset=utf-8", headers=headers)
