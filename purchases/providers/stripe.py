"""Stripe: a Checkout session for each purchase.

Stripe remembers for a day what it answered under an `Idempotency-Key`. The key is made of what is asked, the purchase's
reference among it: who asks again for the same gets the same session, and no second one is opened beside it. None is
ended by us: nobody can pay what nobody was shown, and after a day Stripe ends it, and tells.
Sources: https://docs.stripe.com/api/checkout/sessions/create and https://docs.stripe.com/api/idempotent_requests.
"""

import logging
import time
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import orjson
import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from purchases.providers.interface import Intent, Payment, PaymentUnavailable
from purchases.providers.stripe_webhook import REFERENCE

logger = logging.getLogger(__name__)
TIMEOUT = (3.05, 10.0)  # seconds to connect, and between two bytes
MAX_ANSWER = 256 * 1024  # bytes
TRY_AGAIN_SECONDS = 5
PAUSES = (0.1, 0.3, 0.9)  # seconds, while the same is being asked beside us
CURRENCY = "usd"


class Stripe:
    name = "stripe"

    def is_offered(self) -> bool:
        return bool(settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET)

    def start(self, intent: Intent) -> Payment:
        """Raises PaymentUnavailable."""
        session = ask("/v1/checkout/sessions", session_form(intent))
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
        "client_reference_id": intent.reference,
        f"payment_intent_data[metadata][{REFERENCE}]": intent.reference,
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


def ask(path: str, form: dict[str, str]) -> dict[str, Any]:
    """Raises PaymentUnavailable for anything but an answer. What is sent and got is secret: only a status is logged."""
    for pause in (*PAUSES, None):
        status, read = send(path, form)
        if status != HTTPStatus.CONFLICT or pause is None:
            break
        time.sleep(pause)
    if status != HTTPStatus.OK or not isinstance(read, dict):
        logger.warning("Stripe answered with status %s", status)
        raise PaymentUnavailable(retry_after=TRY_AGAIN_SECONDS)
    return read


def send(path: str, form: dict[str, str]) -> tuple[int, Any]:
    """Status and body. Raises PaymentUnavailable."""
    key = sha256(orjson.dumps([path, form], option=orjson.OPT_SORT_KEYS)).hexdigest()
    headers = {"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}", "Idempotency-Key": key}
    url = settings.STRIPE_API_URL.rstrip("/") + path
    try:
        # The body is read within bounds, and nobody is sent elsewhere with the key.
        with requests.post(
            url, data=form, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            return answer.status_code, orjson.loads(answer.raw.read(MAX_ANSWER, decode_content=True))
    except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
        logger.warning("Stripe can't be asked: %s", type(exc).__name__)
        raise PaymentUnavailable(retry_after=TRY_AGAIN_SECONDS) from exc
