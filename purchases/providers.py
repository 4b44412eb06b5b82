"""Payment providers: the simulated one and Stripe, with its Checkout sessions and its signed events.

Which of them are offered follows from the configuration. Sources: https://docs.stripe.com/api/checkout/sessions/create,
https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/webhooks (signatures) and
https://docs.stripe.com/api/events/types.
"""

import logging
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import orjson
from django.conf import settings

from purchases import rules
from purchases.errors import InvalidSignature, PaymentUnavailable, ProviderNotOffered, UnreadableEvent
from purchases.rules import Package

logger = logging.getLogger(__name__)

CURRENCY = "usd"
REFERENCE = "reference"  # what Stripe copies from a payment's metadata to its charge's
SIGNATURE_TOLERANCE_SECONDS = 300
MAX_ID_LENGTH, MAX_SUMMARY_LENGTH = 255, 200


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants to buy, validated.

    `reference`: the same for the same order sent again, so that a provider responds with the same payment.
    """

    purchase_id: UUID
    user_id: UUID
    package: Package
    reference: str


@dataclass(frozen=True, slots=True)
class Payment:
    """`is_paid`: the credits are due now. Otherwise `checkout_url` is where the user pays, and a webhook says when."""

    is_paid: bool
    checkout_id: str = ""
    checkout_url: str = ""


class Provider(Protocol):
    name: str

    def is_offered(self) -> bool:
        """Return whether users can pay with it here."""

    def start_payment(self, order: Order) -> Payment:
        """Begin the payment of an order. May use the network, so no transaction is open. Raises PaymentUnavailable."""


class ManualProvider:
    """The simulated provider: no money moves, and every purchase is paid at once."""

    name = "manual"

    def is_offered(self) -> bool:
        return bool(rules.PURCHASES_ALLOW_SIMULATED)

    def start_payment(self, order: Order) -> Payment:
        return Payment(is_paid=True)


class StripeProvider:
    """Stripe: a Checkout session for each purchase.

    Stripe remembers for a day what it responded under an idempotency key. The key is made of what is requested, the
    order's reference among it: the same order again gets the same session, and no second one is opened beside it. None
    is ended by us: nobody can pay what nobody was shown, and after a day Stripe ends it and sends an event.
    """

    name = "stripe"

    def is_offered(self) -> bool:
        return bool(settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET)

    def start_payment(self, order: Order) -> Payment:
        session = create_checkout_session(checkout_parameters(order))
        checkout_id, url = getattr(session, "id", None), getattr(session, "url", None)
        if not (isinstance(checkout_id, str) and checkout_id and isinstance(url, str) and url.startswith("http")):
            logger.error("Stripe's response has no session and address")
            raise PaymentUnavailable(retry_after=rules.PAYMENT_RETRY_AFTER_SECONDS)
        return Payment(is_paid=False, checkout_id=checkout_id, checkout_url=url)


PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (ManualProvider(), StripeProvider())}


def find_provider(name: str) -> Provider:
    """Return the provider. Raises ProviderNotOffered."""
    provider = PROVIDERS.get(name)
    if provider is None or not provider.is_offered():
        raise ProviderNotOffered
    return provider


def offered_providers() -> list[str]:
    """Return the names of the providers that users can pay with here."""
    return [name for name, provider in PROVIDERS.items() if provider.is_offered()]


# Stripe's API


def checkout_parameters(order: Order) -> dict[str, Any]:
    package = order.package
    price = {
        "currency": CURRENCY,
        "unit_amount": in_cents(package.usd),
        "product_data": {"name": f"{package.label}: {package.credits} credits"},
    }
    return {
        "mode": "payment",
        "client_reference_id": order.reference,
        "payment_intent_data": {"metadata": {REFERENCE: order.reference}},
        "metadata": {"user_id": str(order.user_id), "package_id": package.id},
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": f"{settings.FRONTEND_URL}/purchases?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{settings.FRONTEND_URL}/purchases?cancelled=true",
    }


def in_cents(usd: Decimal) -> int:
    return int(usd * 100)


def create_checkout_session(parameters: dict[str, Any]) -> Any:
    """Create the session, or find it by its idempotency key. Raises PaymentUnavailable."""
    from purchases.stripe_library import request_sessions  # noqa: PLC0415 - slow to import

    key = sha256(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS)).hexdigest()
    # The library's types want a literal of each enumeration.
    return request_sessions(lambda sessions: sessions.create(params=parameters, options={"idempotency_key": key}))


def retrieve_checkout_session(checkout_id: str) -> dict[str, Any]:
    """Return the session as it is at Stripe now. Raises PaymentUnavailable."""
    from purchases.stripe_library import request_sessions  # noqa: PLC0415 - slow to import

    session: dict[str, Any] = request_sessions(lambda sessions: sessions.retrieve(checkout_id).to_dict())
    return session


# Stripe's events


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """What Stripe says, and which purchase it is about: by its session, its payment, or the reference that we gave.

    `is_paid`: a session's. `is_refunded`: a charge's, in full. `cents` of `currency`: to be paid in all, None where it
    doesn't say. `summary`: the rest, for staff.
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
    summary: str = ""


def verify_signature(body: bytes, header: str, *, now: float) -> None:
    """Raise InvalidSignature unless Stripe signed this body within five minutes of `now`, in seconds."""
    from purchases.stripe_library import verify_header  # noqa: PLC0415 - slow to import

    try:
        verify_header(body, header)
        # The library has verified the first time in the header; it doesn't refuse one that is in the future.
        (signed_at, *_) = [int(part.partition("=")[2]) for part in header.split(",") if part.startswith("t=")]
    except (ValueError, TypeError) as exc:
        raise InvalidSignature from exc
    if abs(now - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
        raise InvalidSignature("The signature of this event is too old.")


def event_id_of(body: bytes) -> str:
    """Return the event's id; the hash of the body where it has none that can be read."""
    try:
        return required_id(orjson.loads(body)["id"])
    except (ValueError, LookupError, TypeError):
        return sha256(body).hexdigest()


def parse_event(body: bytes) -> StripeEvent | None:
    """Return the event; None if it isn't about sessions, refunds or disputes. The signature has been verified.

    Raises UnreadableEvent.
    """
    try:
        event = orjson.loads(body)
        kind = event["type"]
        parse = next((parse for prefix, parse in PARSERS.items() if kind.startswith(prefix)), None)
        if parse is None:
            return None
        return StripeEvent(id=required_id(event["id"]), type=required_id(kind), **parse(event["data"]["object"]))
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise UnreadableEvent(f"{type(exc).__name__}: {exc}") from exc


def event_of_session(session: dict[str, Any]) -> StripeEvent:
    """Return the event that a session's state stands for, for one that never arrived. Raises UnreadableEvent."""
    try:
        fields = parse_session(session)
        status = "expired" if session.get("status") == "expired" else "completed"
        # Known by what it says, so that looking twice says it once.
        event_id = f"looked-up:{fields['checkout_id']}:{status}:{session.get('payment_status')}"
        return StripeEvent(id=required_id(event_id), type=f"checkout.session.{status}", **fields)
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise UnreadableEvent(f"{type(exc).__name__}: {exc}") from exc


def parse_session(session: Any) -> dict[str, Any]:
    """Return the fields of a session, in the currency that we asked for.

    Who pays in a currency of their own (Adaptive Pricing) is shown another amount. Later versions of the API keep ours
    in the session and add `presentment_details`; earlier ones have theirs there and ours in `currency_conversion`.
    Source: https://docs.stripe.com/payments/checkout/adaptive-pricing.
    """
    conversion = session.get("currency_conversion")
    amount, currency = session.get("amount_total"), session.get("currency")
    if isinstance(conversion, dict):
        amount, currency = conversion.get("amount_total"), conversion.get("source_currency")
    return {
        "checkout_id": required_id(session["id"]),
        "payment_id": optional_id(session.get("payment_intent")),
        "is_paid": session.get("payment_status") == "paid",
        "cents": whole_number(amount),
        "currency": str(currency),
    }


def parse_charge(charge: Any) -> dict[str, Any]:
    """Return the fields of a charge. `refunded` is true once all of it is given back, in one refund or several."""
    metadata = charge.get("metadata")
    currency, amount = str(charge.get("currency")), whole_number(charge.get("amount"))
    summary = f"{whole_number(charge.get('amount_refunded'))} of {amount} cents of {currency}"
    return {
        "payment_id": optional_id(charge.get("payment_intent")),
        "reference": optional_id(metadata.get(REFERENCE)) if isinstance(metadata, dict) else "",
        "is_refunded": charge.get("refunded") is True,
        "cents": amount,
        "currency": currency,
        "summary": summary[:MAX_SUMMARY_LENGTH],
    }


def parse_dispute_or_refund(claim: Any) -> dict[str, Any]:
    summary = f"{claim.get('status')}, {whole_number(claim.get('amount'))} cents of {claim.get('currency')}"
    return {"payment_id": optional_id(claim.get("payment_intent")), "summary": summary[:MAX_SUMMARY_LENGTH]}


PARSERS = {
    "checkout.session.": parse_session,
    "charge.refunded": parse_charge,
    "charge.dispute.": parse_dispute_or_refund,
    "refund.failed": parse_dispute_or_refund,
}


def whole_number(value: Any) -> int | None:
    # JSON's `true` is an int to Python.
    return value if type(value) is int else None


def optional_id(value: Any) -> str:
    return "" if value is None else required_id(value)


def required_id(value: Any) -> str:
    """Return the id. Raises ValueError for what is no id."""
    if not (isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isascii() and value.isprintable()):
        raise ValueError("an id is text")
    return value
