"""Process Stripe's events, each once, in any order, and look up at Stripe purchases whose event never arrived.

Credits are granted when a session is paid, and taken back when all of the money is given back. What needs a human's
judgement is recorded for staff: a payment of another amount, a refund of a part or one that failed, a dispute.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from core.db.transactions import require_transaction, run_transaction
from core.jobs.runs import SkippedObjects, storable
from core.resilience import OBJECT_ERRORS
from purchases.errors import PaymentUnavailable, UnreadableEvent
from purchases.models import CreditPurchase, ProviderEvent, PurchaseEvent
from purchases.providers import (
    CURRENCY,
    StripeEvent,
    StripeProvider,
    event_id_of,
    event_of_session,
    in_cents,
    parse_event,
    retrieve_checkout_session,
)
from purchases.rules import (
    EVENT_RETRIES_PER_RUN,
    EVENT_RETRY_FIRST,
    EVENT_RETRY_MAX,
    PROCESSED_EVENTS_KEPT_FOR,
    RECONCILE_AFTER,
    RECONCILE_PER_RUN,
    RECONCILE_UNTIL,
)
from purchases.services import complete_purchase, lock_purchase, mark_refunded, record_event

logger = logging.getLogger(__name__)
Status, Kind = CreditPurchase.Status, PurchaseEvent.Kind
SESSION = "checkout.session."
PAID = (f"{SESSION}completed", f"{SESSION}async_payment_succeeded")
NEVER_PAID = (f"{SESSION}expired", f"{SESSION}async_payment_failed")
REFUNDED = "charge.refunded"
# After so many failures in a row, and no success, Stripe is away rather than a session wrong.
LOOK_UPS_FAILED_MAX = 2


def receive_event(body: bytes, *, now: datetime) -> None:
    """Keep an event that Stripe signed, and process it; one that can't be is kept and tried again by a job."""
    first_retry = now + EVENT_RETRY_FIRST
    kept, _ = ProviderEvent.objects.get_or_create(
        provider=StripeProvider.name,
        event_id=event_id_of(body),
        defaults={"body": body, "received_at": now, "next_attempt_at": first_retry},
    )
    if kept.processed_at is None:
        try_to_process(kept, now=now)


def retry_events(*, now: datetime) -> dict[str, Any]:
    """Process the events that couldn't be and are due again; return `{processed, deleted}` and what was skipped."""
    skipped, processed = SkippedObjects(), 0
    due = ProviderEvent.objects.filter(processed_at=None, next_attempt_at__lte=now).order_by("next_attempt_at")
    for kept in due[:EVENT_RETRIES_PER_RUN]:
        if error := try_to_process(kept, now=now):
            skipped.add(kept.event_id, error)
        else:
            processed += 1
    deleted, _ = ProviderEvent.objects.filter(processed_at__lte=now - PROCESSED_EVENTS_KEPT_FOR).delete()
    return {"processed": processed, "deleted": deleted, **skipped.as_result()}


def try_to_process(kept: ProviderEvent, *, now: datetime) -> Exception | None:
    """Process the event; where it can't be, note why and when it is tried again, and return the error."""
    try:
        run_transaction(lambda: process_event(kept.pk, now=now))
    except (UnreadableEvent, *OBJECT_ERRORS) as exc:
        logger.error("an event of Stripe's can't be processed: %s: %s", kept.event_id, type(exc).__name__)  # noqa: TRY400
        wait = min(EVENT_RETRY_FIRST * 2 ** min(kept.attempts, 30), EVENT_RETRY_MAX)
        ProviderEvent.objects.filter(pk=kept.pk, processed_at=None).update(
            attempts=F("attempts") + 1, error=storable(f"{type(exc).__name__}: {exc}")[:500], next_attempt_at=now + wait
        )
        return exc
    return None


def process_event(kept_id: UUID, *, now: datetime) -> None:
    """Apply an event once. One that is about no purchase here has no effect. Raises UnreadableEvent."""
    require_transaction("process_event")
    kept = ProviderEvent.objects.select_for_update().get(pk=kept_id)
    if kept.processed_at:
        return
    event = parse_event(bytes(kept.body))
    if event:
        apply_to_purchase(event, now=now)
    kept.processed_at, kept.next_attempt_at, kept.body, kept.error = now, None, b"", ""
    kept.save(update_fields=["processed_at", "next_attempt_at", "body", "error"])


def apply_to_purchase(event: StripeEvent, *, now: datetime) -> None:
    purchase_id = find_purchase(event)
    if purchase_id:
        apply_stripe_event(event, lock_purchase(purchase_id), now=now)
    elif event.reference:
        raise UnreadableEvent("It has a reference of ours, and is about no purchase.")
    else:
        # Others may be paid through the same account.
        logger.warning("an event of Stripe's is about no purchase: %s, %s", event.id, event.type)


def reconcile_purchases(*, now: datetime) -> dict[str, Any]:
    """Look up at Stripe what became of purchases that have been pending for a while; return `{lookedUp, decided}`.

    For events that never arrived. Raises PaymentUnavailable where none could be looked up.
    """
    skipped, decided = SkippedObjects(), 0
    waiting = CreditPurchase.objects.filter(
        provider=StripeProvider.name, status=Status.PENDING, created_at__lte=now - RECONCILE_AFTER,
        created_at__gte=now - RECONCILE_UNTIL,
    ).exclude(checkout_id="")  # fmt: skip
    purchases = list(waiting.order_by(F("looked_up_at").asc(nulls_first=True), "created_at")[:RECONCILE_PER_RUN])
    for number, purchase in enumerate(purchases):
        try:
            decided += look_up(purchase, now=now)
        except PaymentUnavailable as exc:
            if number == skipped.errors == LOOK_UPS_FAILED_MAX:
                raise
            skipped.add(purchase.checkout_id, exc)
        except (UnreadableEvent, *OBJECT_ERRORS) as exc:
            skipped.add(purchase.checkout_id, exc)
    return {"lookedUp": len(purchases), "decided": decided, **skipped.as_result()}


def look_up(purchase: CreditPurchase, *, now: datetime) -> bool:
    """Apply what became of the purchase's session; return whether it is decided now."""
    # Noted first, so that one that fails doesn't stay first in line.
    CreditPurchase.objects.filter(pk=purchase.pk).update(looked_up_at=now)
    event = event_of_session(retrieve_checkout_session(purchase.checkout_id))
    if not event.is_paid and event.type not in NEVER_PAID:
        return False

    def act() -> bool:
        locked = lock_purchase(purchase.pk)
        apply_stripe_event(event, locked, now=now)
        return locked.status != Status.PENDING

    return run_transaction(act)


def find_purchase(event: StripeEvent) -> UUID | None:
    """Return the id of the event's purchase, or None.

    It is found by the session; of charges by the payment, or by the reference before we know of that payment.
    """
    for field in ("checkout_id", "payment_id", "reference"):
        if value := getattr(event, field):
            purchases = CreditPurchase.objects.filter(**{"provider": StripeProvider.name, field: value})
            purchase_id = purchases.order_by("-created_at").values_list("pk", flat=True).first()
            if purchase_id:
                return purchase_id
    return None


def apply_stripe_event(event: StripeEvent, purchase: CreditPurchase, *, now: datetime) -> None:
    """Do what an event about a locked purchase says, unless it was done before: grant, fail, refund, or tell staff."""
    # One event is about one purchase: a second delivery waits for its lock.
    if PurchaseEvent.objects.filter(provider_event_id=event.id).exists():
        return
    if event.type.startswith(SESSION):
        apply_session(event, purchase, now=now)
    elif event.type == REFUNDED and event.is_refunded:
        apply_refund(event, purchase, now=now)
    else:
        record_for_staff(event, purchase, f"{event.type}: {event.summary}", now=now)


def apply_session(event: StripeEvent, purchase: CreditPurchase, *, now: datetime) -> None:
    if purchase.status in (Status.COMPLETED, Status.REFUNDED):
        return
    if event.type in PAID and event.is_paid:
        store_payment_id(event, purchase)
        if event.cents == in_cents(purchase.usd_amount) and event.currency == CURRENCY:
            complete_purchase(purchase, event_id=event.id, now=now)
        else:
            record_for_staff(event, purchase, f"Paid {event.cents} cents of {event.currency}.", now=now)
    elif event.type in NEVER_PAID and purchase.status == Status.PENDING:
        purchase.status = Status.FAILED
        purchase.save(update_fields=["status"])
        record_event(purchase, Kind.FAILED, event_id=event.id, note=event.type, now=now)


def apply_refund(event: StripeEvent, purchase: CreditPurchase, *, now: datetime) -> None:
    """Refund the purchase, unless staff took the credits back already. What was never granted never will be."""
    if purchase.status == Status.REFUNDED:
        return
    store_payment_id(event, purchase)
    mark_refunded(purchase, event_id=event.id, note=f"{event.type}: {event.summary}", now=now)


def store_payment_id(event: StripeEvent, purchase: CreditPurchase) -> None:
    """Store what Stripe calls the payment: disputes name nothing else."""
    if event.payment_id and not purchase.payment_id:
        purchase.payment_id = event.payment_id
        purchase.save(update_fields=["payment_id"])


def record_for_staff(event: StripeEvent, purchase: CreditPurchase, note: str, *, now: datetime) -> None:
    """Record, as `disputed`, an event that moves no credits and that staff have to judge; `note` says what it is."""
    logger.error("Stripe's event about purchase %s needs a look by staff: %s", purchase.pk, note)
    record_event(purchase, Kind.DISPUTED, event_id=event.id, note=note, now=now)
