"""A simulator of as much of Stripe as is used: Checkout sessions over HTTP on loopback, and events with its signature.

Shapes: https://docs.stripe.com/api/checkout/sessions/object, https://docs.stripe.com/api/charges/object,
https://docs.stripe.com/api/disputes/object, https://docs.stripe.com/api/idempotent_requests and
https://docs.stripe.com/webhooks.
"""

import hmac
import json
import time
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qsl

from django.test import Client

WEBHOOK = "/api/v1/purchases/webhooks/stripe"


class StripeSimulator:
    """An HTTP server on loopback.

    `requests`: path, headers and form of each request. `response` replaces the good one: status and body.

    The response to an `Idempotency-Key` is sent again; the key with another form is refused. The first
    `busy` requests meet another of their key; the responses to the first `lost_responses` good ones never arrive. While it `drips`, a response comes a byte at a time and never ends.
    """

    def __init__(self) -> None:
        # What became of a session, by its id.
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.response: tuple[int, bytes] | None = None
        self.kept: dict[str, tuple[dict[str, str], tuple[int, bytes]]] = {}
        self.busy = self.lost_responses = 0
        self.drips = False
        self._closing = Event()
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                headers = {name.lower(): text for name, text in self.headers.items()}
                with simulator._lock:
                    simulator.requests.append((self.path, headers, form))
                    status, body = simulator.response or simulator.once(headers["idempotency-key"], form)
                if simulator.drips:
                    self.drip()
                elif status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_GET(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                with simulator._lock:
                    simulator.requests.append((self.path, headers, {}))
                    found = simulator.sessions.get(self.path.rpartition("/")[2])
                status, body = simulator.response or ((200, json.dumps(found).encode()) if found else (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def drip(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                with suppress(OSError):
                    while not simulator._closing.wait(0.05):
                        self.wfile.write(b" ")

            def log_message(self, *args: Any) -> None:
                """Tests have nothing to read there."""

        return Handler

    def once(self, key: str, form: dict[str, str]) -> tuple[int, bytes]:
        """Return the response to a key. A status of 0: the connection ends without a response."""
        if self.busy:
            self.busy -= 1
            return 409, b'{"error": {"code": "idempotency_key_in_use"}}'
        first, response = self.kept.setdefault(key, (form, self.session(len(self.kept) + 1)))
        if first != form:
            return 400, b'{"error": {"type": "idempotency_error"}}'
        if self.lost_responses:
            self.lost_responses -= 1
            return 0, b""
        return response

    def became(self, session: str, **fields: Any) -> None:
        """Have the session be so when it is looked up."""
        self.sessions[session] = event(session)["data"]["object"] | {"status": "complete"} | fields

    def session(self, number: int) -> tuple[int, bytes]:
        made = {"id": f"cs_test_{number}", "object": "checkout.session", "url": f"https://checkout.example/{number}"}
        return 200, json.dumps(made).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closing.set()
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
        "payment_intent": "pi_test_1",
        "amount_total": 499,
        "currency": "usd",
    }
    return {"id": name, "object": "event", "type": kind, "data": {"object": about | fields}}


def refunded(name: str = "evt_refund", *, cents: int = 499, reference: str = "", **fields: Any) -> dict[str, Any]:
    """A charge of 499 cents, of which so many have been given back by now."""
    charge = {
        "id": "ch_test_1",
        "object": "charge",
        "amount": 499,
        "amount_refunded": cents,
        "refunded": cents == 499,
        "currency": "usd",
        "payment_intent": "pi_test_1",
        "metadata": {"reference": reference} if reference else {},
    }
    return {"id": name, "object": "event", "type": "charge.refunded", "data": {"object": charge | fields}}


def claimed(kind: str, status: str, name: str = "evt_claim", **fields: Any) -> dict[str, Any]:
    """An event about a dispute of the payment, or about a refund of it."""
    about = {
        "id": "du_test_1",
        "object": "dispute" if "dispute" in kind else "refund",
        "amount": 499,
        "currency": "usd",
        "charge": "ch_test_1",
        "payment_intent": "pi_test_1",
        "status": status,
    }
    return {"id": name, "object": "event", "type": kind, "data": {"object": about | fields}}


def signature(body: bytes, *, key: str = "whsec_test_only", at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    return f"t={moment},v1={hmac.new(key.encode(), f'{moment}.'.encode() + body, sha256).hexdigest()}"


def deliver(payload: dict[str, Any] | bytes, header: str | None = None) -> Any:
    """Stripe's request to us."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {"Stripe-Signature": signature(body) if header is None else header}
    client = Client(raise_request_exception=False)
    return client.post(WEBHOOK, body, content_type="application/json; charset=utf-8", headers=headers)
