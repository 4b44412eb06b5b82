"""Buying credits, hearing that they were paid for, and taking them back.

Locks are taken in one order: user, purchase. Providers are asked while no transaction is open.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from economy import ledger
from economy.ledger import Transfer
from economy.models import Counterparty, TransactionType
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.packages import find_package
from purchases.providers import Intent, Payment, Provider, find_provider
from thisthat.common.errors import DomainError
from thisthat.common.keys import new_id
from thisthat.common.transactions import require_transaction

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


def begin_purchase(*, user_id: UUID, package_id: str, provider_name: str, external_id: str) -> Order:
    """Finds what is wanted and asks the provider, unless this purchase was made before.

    Raises InvalidPackage, ProviderNotOffered, PaymentUnavailable, ExternalIdTaken.
    """
    package, provider = find_package(package_id), find_provider(provider_name)
    intent = Intent(new_id(), user_id, package)
    if external_id and find_earlier(user_id, provider.name, external_id):
        return Order(intent, provider, external_id, None)
    return Order(intent, provider, external_id, provider.start(intent))


def buy(order: Order, *, now: datetime) -> Bought:
    """Writes the purchase, and grants its credits where it is paid; or finds the one that was made before.

    Runs inside the caller's transaction. Two of one external id at once meet at the unique constraint: the second waits
    for the first, and finds it. Raises ExternalIdTaken.
    """
    require_transaction("Buying")
    user_id = order.intent.user_id
    if order.payment is None or not insert(order, order.payment, now=now):
        earlier = find_earlier(user_id, order.provider.name, order.external_id)
        if earlier is None:
            raise RuntimeError("A purchase that was there is gone.")
        return Bought(earlier, is_new=False, balance=balance_of(user_id))
    purchase = CreditPurchase.objects.get(pk=order.intent.purchase_id)
    note_event(purchase, Kind.STARTED, now=now)
    if not order.payment.is_paid:
        return Bought(purchase, is_new=True, balance=balance_of(user_id))
    return Bought(purchase, is_new=True, balance=complete(purchase, now=now))


def find_earlier(user_id: UUID, provider: str, external_id: str) -> CreditPurchase | None:
    """Raises ExternalIdTaken where it is another user's."""
    earlier = CreditPurchase.objects.filter(provider=provider, external_id=external_id).first()
    if earlier and earlier.user_id != user_id:
        raise ExternalIdTaken
    return earlier


INSERT = """
INSERT INTO credit_purchases (
    id, user_id, package_id, credits, usd_amount, status, provider, external_id, checkout_id, checkout_url, created_at
) VALUES (
    %(id)s, %(user_id)s, %(package_id)s, %(credits)s, %(usd)s, 'pending', %(provider)s, %(external_id)s,
    %(checkout_id)s, %(checkout_url)s, %(now)s
) ON CONFLICT (provider, external_id) DO NOTHING
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
    where = {"checkout_id": payment.checkout_id, "checkout_url": payment.checkout_url}
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


def refund_purchase(*, purchase_id: UUID, staff_id: UUID, reason: str, now: datetime) -> CreditPurchase:
    """Staff takes back the credits of a purchase; the money is given back at the provider, by staff.

    Credits that are spent become a debt. Raises PurchaseNotFound, PurchaseNotRefundable.
    """
    with transaction.atomic(durable=True):
        purchase = lock_purchase(purchase_id)
        if purchase.status != Status.COMPLETED:
            raise PurchaseNotRefundable
        take_back(purchase, now=now)
        purchase.status, purchase.refunded_at = Status.REFUNDED, now
        purchase.save(update_fields=["status", "refunded_at"])
        note_event(purchase, Kind.REFUNDED, actor_id=staff_id, note=reason, now=now)
        return purchase


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
