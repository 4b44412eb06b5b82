"""What Stripe tells of its payments, each event once, in whatever order they come.

Credits are granted when a session is paid, and taken back when all of the money is given back. What needs a person's
judgement is noted for staff: a payment of another amount, a refund of a part or one that failed, a dispute.
"""

import logging
from datetime import datetime
from uuid import UUID

from core.db.transactions import run_transaction
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.providers.stripe import CURRENCY, Stripe, cents
from purchases.providers.stripe_webhook import Event
from purchases.services import complete, lock_purchase, note_event, refund

logger = logging.getLogger(__name__)
Status, Kind = CreditPurchase.Status, PurchaseEvent.Kind
SESSION = "checkout.session."
PAID = (f"{SESSION}completed", f"{SESSION}async_payment_succeeded")
NEVER_PAID = (f"{SESSION}expired", f"{SESSION}async_payment_failed")
REFUNDED = "charge.refunded"


def take_in(event: Event, *, now: datetime) -> None:
    """Has the effect of an event; none where it was taken in before, or is about nothing of ours."""
    purchase_id = find_purchase(event)
    if purchase_id is None:
        # Others may be paid through the same account. What carries a reference of ours was to be found.
        level = logging.ERROR if event.reference else logging.WARNING
        logger.log(level, "an event of Stripe's is about no purchase: %s, %s", event.id, event.type)
        return
    run_transaction(lambda: take_in_locked(event, lock_purchase(purchase_id), now=now))


def find_purchase(event: Event) -> UUID | None:
    """By the session; of charges by the payment, or the reference where we haven't heard of that payment yet."""
    for field in ("checkout_id", "payment_id", "reference"):
        if value := getattr(event, field):
            found = CreditPurchase.objects.filter(**{"provider": Stripe.name, field: value}).order_by("-created_at")
            purchase_id = found.values_list("pk", flat=True).first()
            if purchase_id:
                return purchase_id
    return None


def take_in_locked(event: Event, purchase: CreditPurchase, *, now: datetime) -> None:
    # One event is about one purchase: whoever is taking it in too waits there.
    if PurchaseEvent.objects.filter(provider_event_id=event.id).exists():
        return
    if event.type.startswith(SESSION):
        take_in_session(event, purchase, now=now)
    elif event.type == REFUNDED and event.is_refunded:
        take_in_refund(event, purchase, now=now)
    else:
        dispute(event, purchase, f"{event.type}: {event.words}", now=now)


def take_in_session(event: Event, purchase: CreditPurchase, *, now: datetime) -> None:
    if purchase.status in (Status.COMPLETED, Status.REFUNDED):
        return
    if event.type in PAID and event.is_paid:
        note_payment(event, purchase)
        if is_as_agreed(event, purchase):
            complete(purchase, event_id=event.id, now=now)
        else:
            dispute(event, purchase, f"Paid {event.cents} cents of {event.currency}.", now=now)
    elif event.type in NEVER_PAID and purchase.status == Status.PENDING:
        purchase.status = Status.FAILED
        purchase.save(update_fields=["status"])
        note_event(purchase, Kind.FAILED, event_id=event.id, note=event.type, now=now)


def take_in_refund(event: Event, purchase: CreditPurchase, *, now: datetime) -> None:
    """Staff may have taken the credits back before they gave back the money. What was never granted never will be."""
    if purchase.status == Status.REFUNDED:
        return
    note_payment(event, purchase)
    refund(purchase, event_id=event.id, note=f"{event.type}: {event.words}", now=now)


def note_payment(event: Event, purchase: CreditPurchase) -> None:
    """Disputes name the payment alone."""
    if event.payment_id and not purchase.payment_id:
        purchase.payment_id = event.payment_id
        purchase.save(update_fields=["payment_id"])


def dispute(event: Event, purchase: CreditPurchase, note: str, *, now: datetime) -> None:
    logger.error("Stripe tells something of purchase %s that staff must look at: %s", purchase.pk, note)
    note_event(purchase, Kind.DISPUTED, event_id=event.id, note=note, now=now)


def is_as_agreed(event: Event, purchase: CreditPurchase) -> bool:
    return event.cents == cents(purchase.usd_amount) and event.currency == CURRENCY
