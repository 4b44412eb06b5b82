"""Stripe: a Checkout session for each purchase, and events that Stripe signs.

Sources: https://docs.stripe.com/api/checkout/sessions/create and https://docs.stripe.com/webhooks (signatures).
"""

import hmac
import logging
import math
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import orjson
import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from purchases.providers.interface import Intent, Payment, PaymentUnavailable
from thisthat.common.errors import DomainError

logger = logging.getLogger(__name__)
TIMEOUT = (3.05, 10.0)  # seconds to connect, and between two bytes
MAX_ANSWER = 256 * 1024  # bytes
TOLERANCE_SECONDS = 300
TRY_AGAIN_SECONDS = 5
CURRENCY = "usd"


class InvalidSignature(DomainError):
    code = "invalid_signature"
    message = "The signature of this event isn't good."


@dataclass(frozen=True, slots=True)
class Event:
    """What Stripe says of a Checkout session. `cents`: what was to be paid in all, None where it doesn't say."""

    id: str
    type: str
    checkout_id: str
    is_paid: bool
    cents: int | None
    currency: str


class Stripe:
    name = "stripe"

    def is_offered(self) -> bool:
        return bool(settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET)

    def start(self, intent: Intent) -> Payment:
        """Raises PaymentUnavailable."""
        session = ask("/v1/checkout/sessions", session_form(intent), key=str(intent.purchase_id))
        checkout_id, url = session.get("id"), session.get("url")
        if not (isinstance(checkout_id, str) and checkout_id and isinstance(url, str) and url.startswith("http")):
            logger.error("Stripe's answer has no session and address")
            raise PaymentUnavailable(retry_after=TRY_AGAIN_SECONDS)
        return Payment(is_paid=False, checkout_id=checkout_id, checkout_url=url)


def session_form(intent: Intent) -> dict[str, str]:
    package = intent.package
    front = settings.FRONTEND_URL
    return {
        "mode": "payment",
        "client_reference_id": str(intent.purchase_id),
        "metadata[user_id]": str(intent.user_id),
        "metadata[package_id]": package.id,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": CURRENCY,
        "line_items[0][price_data][unit_amount]": str(cents(package.usd)),
        "line_items[0][price_data][product_data][name]": f"{package.label}: {package.credits} credits",
        "success_url": f"{front}/purchases?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{front}/purchases?cancelled=true",
    }


def cents(usd: Any) -> int:
    return int(usd * 100)


def ask(path: str, form: dict[str, str], *, key: str) -> dict[str, Any]:
    """Raises PaymentUnavailable for anything but an answer. What is sent and got is secret: only a status is logged."""
    headers = {"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}", "Idempotency-Key": key}
    url = settings.STRIPE_API_URL.rstrip("/") + path
    try:
        # The body is read within bounds, and nobody is sent elsewhere with the key.
        with requests.post(
            url, data=form, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            status, body = answer.status_code, answer.raw.read(MAX_ANSWER, decode_content=True)
        read = orjson.loads(body)
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        logger.warning("Stripe can't be asked: %s", type(exc).__name__)
        raise PaymentUnavailable(retry_after=TRY_AGAIN_SECONDS) from exc
    if status != HTTPStatus.OK or not isinstance(read, dict):
        logger.warning("Stripe answered with status %s", status)
        raise PaymentUnavailable(retry_after=TRY_AGAIN_SECONDS)
    return read


def check_signature(body: bytes, header: str, *, now: float) -> None:
    """`t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`; several v1 while a secret is rolled.

    Raises InvalidSignature.
    """
    fields = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in fields if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) < 16):  # noqa: PLR2004
        raise InvalidSignature
    signed = f"{times[0]}.".encode() + body
    expected = hmac.new(settings.STRIPE_WEBHOOK_SECRET.encode(), signed, sha256).hexdigest().encode()
    given = [value.encode() for name, value in fields if name == "v1"]
    if not any(hmac.compare_digest(expected, signature) for signature in given):
        raise InvalidSignature
    if math.fabs(now - int(times[0])) > TOLERANCE_SECONDS:
        raise InvalidSignature("The signature of this event is too old.")


def read_event(body: bytes) -> Event | None:
    """An event about a Checkout session; None for any other. The signature has been checked."""
    try:
        told = orjson.loads(body)
        session = told["data"]["object"]
        if not told["type"].startswith("checkout.session."):
            return None
        total = session.get("amount_total")
        return Event(
            id=text(told["id"]),
            type=told["type"].removeprefix("checkout.session."),
            checkout_id=text(session["id"]),
            is_paid=session.get("payment_status") == "paid",
            cents=total if type(total) is int else None,
            currency=str(session.get("currency")),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        logger.warning("an event of Stripe's can't be read: %s", type(exc).__name__)
        return None


def text(value: Any) -> str:
    """Raises ValueError for what is no id."""
    if not (isinstance(value, str) and 0 < len(value) <= 255 and value.isascii() and value.isprintable()):  # noqa: PLR2004
        raise ValueError("an id is text")
    return value
