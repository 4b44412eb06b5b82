"""Requests of Stripe by its own library, whose import takes a tenth of a second: for what needs it to import, alone."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import stripe
from django.conf import settings

from core.resilience import BoundedSession, Deadline, RetryPolicy, bounded_by
from purchases import rules
from purchases.errors import InvalidSignature, PaymentUnavailable

logger = logging.getLogger(__name__)
# Its lines about requests quote what was sent and received, which is secret.
logging.getLogger("stripe").setLevel(logging.WARNING)
stripe.enable_telemetry = False

# The version of the API that `purchases.providers` knows the shapes of; the library would send its own, and change it
# when it is updated.
STRIPE_VERSION = "2026-10-28.endive"
MAX_RESPONSE_BYTES = 256 * 1024
# A conflict means that a request with the same idempotency key is being processed. Seconds.
CONFLICT_RETRIES = RetryPolicy(attempts=4, total=15, backoff=0.2, backoff_max=1)


def request_sessions(request: Callable[[Any], Any]) -> Any:
    """Return what the request of Stripe's sessions returns. Raises PaymentUnavailable.

    What is sent and received is secret: only an error's status and kind are logged.
    """
    deadline = Deadline(CONFLICT_RETRIES.total)
    with (
        BoundedSession(total=rules.STRIPE_REQUEST_SECONDS, max_body=MAX_RESPONSE_BYTES) as session,
        bounded_by(deadline),
    ):
        sessions = stripe_client(session).v1.checkout.sessions
        try:
            return CONFLICT_RETRIES.run(lambda: request(sessions), is_retriable=is_conflict, deadline=deadline)
        except (stripe.StripeError, LookupError, TypeError, ValueError, AttributeError) as exc:
            status = getattr(exc, "http_status", None)
            logger.warning("Stripe responded with status %s (%s)", status, type(exc).__name__)
            raise PaymentUnavailable(retry_after=rules.PAYMENT_RETRY_AFTER_SECONDS) from None


def stripe_client(session: BoundedSession) -> stripe.StripeClient:
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=STRIPE_VERSION,
        base_addresses={"api": settings.STRIPE_API_URL.rstrip("/")},
        http_client=stripe.RequestsClient(session=session),
        # CONFLICT_RETRIES decides.
        max_network_retries=0,
    )


def is_conflict(exc: Exception) -> bool:
    return isinstance(exc, stripe.StripeError) and exc.http_status == HTTPStatus.CONFLICT


def verify_header(body: bytes, header: str) -> None:
    """Raise InvalidSignature unless Stripe signed this body, at whatever time."""
    try:
        stripe.WebhookSignature.verify_header(body, header, settings.STRIPE_WEBHOOK_SECRET)
    except stripe.SignatureVerificationError as exc:
        raise InvalidSignature from exc
