"""What Stripe tells of its Checkout sessions, each event once: credits are granted when it says that they are paid."""

import logging
from datetime import datetime
from functools import partial

from purchases.models import CreditPurchase, PurchaseEvent
from purchases.providers.stripe import CURRENCY, Event, Stripe, cents
from purchases.services import complete, lock_purchase, note_event
from thisthat.common.transactions import run_transaction

logger = logging.getLogger(__name__)
Status, Kind = CreditPurchase.Status, PurchaseEvent.Kind
PAID = ("completed", "async_payment_succeeded")
NEVER_PAID = ("expired", "async_payment_failed")


def take_in(event: Event, *, now: datetime) -> None:
    """Has the effect of an event; none where it was taken in before, or is about nothing of ours."""
    found = CreditPurchase.objects.filter(provider=Stripe.name, checkout_id=event.checkout_id)
    purchase_id = found.values_list("pk", flat=True).first()
    if purchase_id is None:
        logger.warning("an event of Stripe's is about a session that isn't ours: %s", event.id)
        return
    run_transaction(lambda: take_in_locked(event, lock_purchase(purchase_id), now=now))


def take_in_locked(event: Event, purchase: CreditPurchase, *, now: datetime) -> None:
    # One event is about one session: whoever is taking it in too waits at that purchase.
    if PurchaseEvent.objects.filter(provider_event_id=event.id).exists() or purchase.status in (
        Status.COMPLETED,
        Status.REFUNDED,
    ):
        return
    note = partial(note_event, purchase, event_id=event.id, now=now)
    if event.type in PAID and event.is_paid:
        if is_as_agreed(event, purchase):
            complete(purchase, event_id=event.id, now=now)
        else:
            logger.error("Stripe was paid another amount than purchase %s is about", purchase.pk)
            note(Kind.DISPUTED, note=f"Paid {event.cents} cents of {event.currency}.")
    elif event.type in NEVER_PAID and purchase.status == Status.PENDING:
        purchase.status = Status.FAILED
        purchase.save(update_fields=["status"])
        note(Kind.FAILED, note=event.type)


def is_as_agreed(event: Event, purchase: CreditPurchase) -> bool:
    return event.cents == cents(purchase.usd_amount) and event.currency == CURRENCY
