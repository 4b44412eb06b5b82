"""Buying credits, hearing that they were paid for, and taking them back.

Locks are taken in one order: user, purchase. Providers are asked while no transaction is open.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Permission, User
from accounts.staff import StaffMember, record_action, validate_reason
from core.api.errors import DomainError
from core.db.sql import new_id
from core.db.transactions import require_transaction, run_transaction
from economy import ledger
from economy.ledger import Transfer
from economy.models import Counterparty, TransactionType
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.providers import Intent, Payment, Provider, find_provider
from purchases.rules import Package, find_package

logger = logging.getLogger(__name__)
Status, Kind = CreditPurchase.Status, PurchaseEvent.Kind


class ExternalIdTaken(DomainError):
    code = "external_id_taken"
    status = 409
    message = "This externalId belongs to another purchase."


class PurchaseNotFound(DomainError):
    code = "purchase_not_found"
    status = 404
    message = "There is no such purchase."


class PurchaseNotRefundable(DomainError):
    code = "purchase_not_refundable"
    message = "Only a completed purchase can be refunded, and only once."


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants to buy, checked, and the payment that was begun for it."""

    intent: Intent
    provider: Provider
    external_id: str  # the client's own; empty without one
    payment: Payment | None  # None where the purchase was made before


@dataclass(frozen=True, slots=True)
class Bought:
    """`is_new` is false for a purchase that was made before. `balance`: the user's, now."""

    purchase: CreditPurchase
    is_new: bool
    balance: Decimal


def begin_purchase(
    *, user_id: UUID, package_id: str, provider_name: str, external_id: str, request_key: str = ""
) -> Order:
    """Finds what is wanted and asks the provider, unless this purchase was made before.

    `request_key`: what the client calls its request, so that the same again is known without an `external_id`, too.
    Raises InvalidPackage, ProviderNotOffered, PaymentUnavailable, ExternalIdTaken.
    """
    package, provider = find_package(package_id), find_provider(provider_name)
    intent = Intent(new_id(), user_id, package, reference_of(user_id, package, external_id, request_key))
    if external_id and find_earlier(user_id, provider.name, external_id):
        return Order(intent, provider, external_id, None)
    return Order(intent, provider, external_id, provider.start(intent))


def reference_of(user_id: UUID, package: Package, external_id: str, request_key: str) -> str:
    """Says nothing of what it is made of; another one each time where the client has no name for what it wants."""
    if not (external_id or request_key):
        return new_id().hex
    name = ("external_id", external_id) if external_id else ("request_key", request_key)
    wish = [user_id, package.id, package.credits, package.usd, *name]
    return sha256("\n".join(map(str, wish)).encode()).hexdigest()


def buy(order: Order, *, now: datetime) -> Bought:
    """Writes the purchase, and grants its credits where it is paid; or finds the one that was made before.

    Runs inside the caller's transaction. Two of one external id or payment at once meet at a unique constraint: the
    second waits for the first, and finds it. Raises ExternalIdTaken.
    """
    require_transaction("Buying")
    user_id = order.intent.user_id
    if order.payment is None or not insert(order, order.payment, now=now):
        checkout_id = order.payment.checkout_id if order.payment else ""
        earlier = find_earlier(user_id, order.provider.name, order.external_id, checkout_id)
        if earlier is None:
            raise RuntimeError("A purchase that was there is gone.")
        return Bought(earlier, is_new=False, balance=balance_of(user_id))
    purchase = CreditPurchase.objects.get(pk=order.intent.purchase_id)
    note_event(purchase, Kind.STARTED, now=now)
    if not order.payment.is_paid:
        return Bought(purchase, is_new=True, balance=balance_of(user_id))
    return Bought(purchase, is_new=True, balance=complete(purchase, now=now))


def find_earlier(user_id: UUID, provider: str, external_id: str, checkout_id: str = "") -> CreditPurchase | None:
    """Raises ExternalIdTaken where it is another user's."""
    made = CreditPurchase.objects.filter(provider=provider)
    earlier = made.filter(external_id=external_id).first()
    if earlier is None and checkout_id:
        earlier = made.filter(checkout_id=checkout_id).first()
    if earlier and earlier.user_id != user_id:
        raise ExternalIdTaken
    return earlier


INSERT = """
INSERT INTO credit_purchases (
    id, user_id, package_id, credits, usd_amount, status, provider, external_id, reference, checkout_id, checkout_url,
    created_at
) VALUES (
    %(id)s, %(user_id)s, %(package_id)s, %(credits)s, %(usd)s, 'pending', %(provider)s, %(external_id)s, %(reference)s,
    %(checkout_id)s, %(checkout_url)s, %(now)s
) ON CONFLICT DO NOTHING
"""


def insert(order: Order, payment: Payment, *, now: datetime) -> bool:
    """Whether the purchase is new. Without an id of the client's the payment's own names it, so there always is one."""
    intent = order.intent
    who: dict[str, Any] = {"id": intent.purchase_id, "user_id": intent.user_id, "provider": order.provider.name}
    what: dict[str, Any] = {
        "package_id": intent.package.id,
        "credits": intent.package.credits,
        "usd": intent.package.usd,
    }
    where = {
        "reference": intent.reference if payment.checkout_id else "",
        "checkout_id": payment.checkout_id,
        "checkout_url": payment.checkout_url,
    }
    external_id = order.external_id or payment.checkout_id or str(intent.purchase_id)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, {**who, **what, **where, "external_id": external_id, "now": now})
        return bool(cursor.rowcount == 1)


def complete(purchase: CreditPurchase, *, event_id: str = "", now: datetime) -> Decimal:
    """Grants the credits of a pending purchase that this transaction has locked or made; the user's new balance."""
    posted = ledger.post(
        Transfer(
            user_id=purchase.user_id,
            amount=purchase.credits,
            transaction_type=TransactionType.CREDIT_PURCHASE,
            reference_id=purchase.pk,
            description=f"Credits bought: {purchase.package_id}",
        ),
        now=now,
    )
    purchase.status, purchase.completed_at = Status.COMPLETED, now
    purchase.save(update_fields=["status", "completed_at"])
    note_event(purchase, Kind.COMPLETED, event_id=event_id, now=now)
    return posted.balance_after


def refund_purchase(*, purchase_id: UUID, by: StaffMember, reason: str, now: datetime) -> CreditPurchase:
    """Staff take back the credits of a purchase; the money is given back at the provider, by staff.

    Credits that are spent become a debt.
    Raises NotAllowed, ReasonMissing, ReasonTooLong, PurchaseNotFound, PurchaseNotRefundable.
    """
    by.require(Permission.REFUND_PURCHASES)
    reason = validate_reason(reason)

    def act() -> CreditPurchase:
        purchase = lock_purchase(purchase_id)
        if purchase.status != Status.COMPLETED:
            raise PurchaseNotRefundable
        before = state_of(purchase)
        refund(purchase, actor_id=by.user.pk if by.user else None, note=reason, now=now)
        after = state_of(purchase)
        record_action("refund_purchase", by=by, target=purchase, reason=reason, before=before, after=after, now=now)
        return purchase

    return run_transaction(act)


def state_of(purchase: CreditPurchase) -> dict[str, str | None]:
    balance = balance_of(purchase.user_id)
    refunded_at = purchase.refunded_at.isoformat() if purchase.refunded_at else None
    return {"status": str(purchase.status), "refunded_at": refunded_at, "balance": str(balance)}


def refund(
    purchase: CreditPurchase, *, actor_id: UUID | None = None, event_id: str = "", note: str, now: datetime
) -> None:
    """Takes back what was granted, if it was. The purchase is locked; it is staff that refund it, or the provider."""
    if purchase.completed_at:
        take_back(purchase, now=now)
    purchase.status, purchase.refunded_at = Status.REFUNDED, now
    purchase.save(update_fields=["status", "refunded_at"])
    note_event(purchase, Kind.REFUNDED, actor_id=actor_id, event_id=event_id, note=note, now=now)


def take_back(purchase: CreditPurchase, *, now: datetime) -> None:
    """What isn't available any more the house lends: the user repays it from later credits. The user is locked."""
    available = User.objects.values_list("available_credits", flat=True).get(pk=purchase.user_id)
    missing = purchase.credits - min(available, purchase.credits)
    common: dict[str, Any] = {
        "user_id": purchase.user_id,
        "transaction_type": TransactionType.PURCHASE_REFUND,
        "reference_id": purchase.pk,
    }
    loan = Transfer(**common, amount=missing, counterparty=Counterparty.HOUSE, description="Lent for a refund")
    refund = Transfer(
        **common,
        amount=-purchase.credits,
        counterparty=Counterparty.STORE,
        description=f"Refund of credits bought: {purchase.package_id}",
    )
    ledger.post_many([loan, refund] if missing else [refund], now=now)


def lock_purchase(purchase_id: UUID) -> CreditPurchase:
    """The user is locked first. Raises PurchaseNotFound."""
    user_id = CreditPurchase.objects.filter(pk=purchase_id).values_list("user_id", flat=True).first()
    if user_id is None:
        raise PurchaseNotFound
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)
    return CreditPurchase.objects.select_for_update().get(pk=purchase_id)


def note_event(
    purchase: CreditPurchase,
    kind: PurchaseEvent.Kind,
    *,
    actor_id: UUID | None = None,
    event_id: str = "",
    note: str = "",
    now: datetime,
) -> None:
    told = {"provider_event_id": event_id, "note": note, "created_at": now}
    PurchaseEvent.objects.create(purchase=purchase, kind=kind, actor_id=actor_id, **told)


def balance_of(user_id: UUID) -> Decimal:
    balance: Decimal = User.objects.values_list("credit_balance", flat=True).get(pk=user_id)
    return balance
