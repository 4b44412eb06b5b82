"""What Stripe tells: signed events about Checkout sessions, refunds and disputes.

Sources: https://docs.stripe.com/webhooks (signatures), https://docs.stripe.com/api/events/types,
https://docs.stripe.com/api/checkout/sessions/object, https://docs.stripe.com/api/charges/object,
https://docs.stripe.com/api/disputes/object and https://docs.stripe.com/api/refunds/object.
"""

import hmac
import logging
import math
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from django.conf import settings

from core.api.errors import DomainError

logger = logging.getLogger(__name__)
TOLERANCE_SECONDS = 300
MAX_ID_LETTERS, MAX_WORDS = 255, 200  # letters
REFERENCE = "reference"  # what Stripe copies from a payment's metadata to its charge's


class InvalidSignature(DomainError):
    code = "invalid_signature"
    message = "The signature of this event isn't good."


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What Stripe says, and which purchase it is about: by its session, its payment, or the reference that we gave.

    `is_paid`: a session's. `is_refunded`: a charge's, in full. `cents` of `currency`: to be paid in all, None where it
    doesn't say. `words`: the rest, for staff.
    """

    id: str
    type: str
    checkout_id: str = ""
    payment_id: str = ""
    reference: str = ""
    is_paid: bool = False
    is_refunded: bool = False
    cents: int | None = None
    currency: str = ""
    words: str = ""


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
    """None for what isn't about sessions, refunds or disputes. The signature has been checked."""
    try:
        told = orjson.loads(body)
        kind = told["type"]
        read = next((read for prefix, read in READERS.items() if kind.startswith(prefix)), None)
        return Event(id=text(told["id"]), type=text(kind), **read(told["data"]["object"])) if read else None
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        logger.warning("an event of Stripe's can't be read: %s", type(exc).__name__)
        return None


def read_session(session: Any) -> dict[str, Any]:
    return {
        "checkout_id": text(session["id"]),
        "payment_id": text_or_nothing(session.get("payment_intent")),
        "is_paid": session.get("payment_status") == "paid",
        "cents": whole(session.get("amount_total")),
        "currency": str(session.get("currency")),
    }


def read_charge(charge: Any) -> dict[str, Any]:
    """`refunded` is true once all of it is given back, in one refund or several."""
    metadata = charge.get("metadata")
    currency = str(charge.get("currency"))
    return {
        "payment_id": text_or_nothing(charge.get("payment_intent")),
        "reference": text_or_nothing(metadata.get(REFERENCE)) if isinstance(metadata, dict) else "",
        "is_refunded": charge.get("refunded") is True,
        "cents": whole(charge.get("amount")),
        "currency": currency,
        "words": f"{whole(charge.get('amount_refunded'))} of {whole(charge.get('amount'))} cents of {currency}"[
            :MAX_WORDS
        ],
    }


def read_claim(claim: Any) -> dict[str, Any]:
    """A dispute, or a refund."""
    return {
        "payment_id": text_or_nothing(claim.get("payment_intent")),
        "words": f"{claim.get('status')}, {whole(claim.get('amount'))} cents of {claim.get('currency')}"[:MAX_WORDS],
    }


READERS = {
    "checkout.session.": read_session,
    "charge.refunded": read_charge,
    "charge.dispute.": read_claim,
    "refund.failed": read_claim,
}


def whole(value: Any) -> int | None:
    # JSON's `true` is an int to Python.
    return value if type(value) is int else None


def text_or_nothing(value: Any) -> str:
    return "" if value is None else text(value)


def text(value: Any) -> str:
    """Raises ValueError for what is no id."""
    if not (isinstance(value, str) and 0 < len(value) <= MAX_ID_LETTERS and value.isascii() and value.isprintable()):
        raise ValueError("an id is text")
    return value
