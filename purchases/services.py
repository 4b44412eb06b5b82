"""Buy credits, and take them back. What the payment provider says of a purchase is processed by `purchases.events`.

Locks are taken in one order: user, purchase. Providers are called while no transaction is open.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from accounts.models import Permission, User
from accounts.staff import StaffMember, record_action, validate_reason
from core.db.sql import execute, new_id
from core.db.transactions import require_transaction, run_transaction
from core.events import log_event
from economy import ledger
from economy.ledger import Transfer
from economy.models import Counterparty, TransactionType
from economy.recorded_rules import PACKAGE, record_rule
from notifications.models import NotificationType
from notifications.services import Cause, notify
from purchases.errors import ExternalIdTaken, PurchaseNotFound, PurchaseNotRefundable
from purchases.models import CreditPurchase, PurchaseEvent
from purchases.providers import Order, Payment, Provider, find_provider
from purchases.rules import LIST_LIMIT, Package, find_package

Status, Kind = CreditPurchase.Status, PurchaseEvent.Kind

# Inserts a purchase unless a unique constraint, of which there are three, says that it exists; how many rows were
# inserted says whether it is new. The ORM ignores conflicts only in bulk, and doesn't tell which rows were inserted.
INSERT = """
INSERT INTO credit_purchases (
    id, user_id, package_id, credits, usd_amount, status, provider, external_id, reference, checkout_id, checkout_url,
    created_at
) VALUES (
    %(id)s, %(user_id)s, %(package_id)s, %(credits)s, %(usd)s, 'pending', %(provider)s, %(external_id)s, %(reference)s,
    %(checkout_id)s, %(checkout_url)s, %(now)s
) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class PreparedPurchase:
    """An order, and the payment that was begun for it."""

    order: Order
    provider: Provider
    external_id: str  # the client's own; empty without one
    payment: Payment | None  # None where the purchase was made before


@dataclass(frozen=True, slots=True)
class Bought:
    """`is_new` is false for a purchase that was made before. `balance`: the user's, now."""

    purchase: CreditPurchase
    is_new: bool
    balance: Decimal


def list_purchases(user_id: UUID) -> list[CreditPurchase]:
    """Return the newest of the user's purchases, newest first, in one statement."""
    return list(CreditPurchase.objects.filter(user_id=user_id).order_by("-created_at", "-pk")[:LIST_LIMIT])


def prepare_purchase(
    *, user_id: UUID, package_id: str, provider_name: str, external_id: str, request_key: str = ""
) -> PreparedPurchase:
    """Validate the order and begin its payment with the provider, unless this purchase was made before.

    `request_key`: what the client calls its request, so that a repetition is recognized without an `external_id`, too.
    Raises InvalidPackage, ProviderNotOffered, PaymentUnavailable, ExternalIdTaken.
    """
    package, provider = find_package(package_id), find_provider(provider_name)
    order = Order(new_id(), user_id, package, reference_of(user_id, package, external_id, request_key))
    if external_id and find_earlier(user_id, provider.name, external_id):
        return PreparedPurchase(order, provider, external_id, None)
    return PreparedPurchase(order, provider, external_id, provider.start_payment(order))


def reference_of(user_id: UUID, package: Package, external_id: str, request_key: str) -> str:
    """Return a hash that is the same for the same order; a new one each time where the client gives it no name."""
    if not (external_id or request_key):
        return new_id().hex
    name = ("external_id", external_id) if external_id else ("request_key", request_key)
    order = [user_id, package.id, package.credits, package.usd, *name]
    return sha256("\n".join(map(str, order)).encode()).hexdigest()


def buy(prepared: PreparedPurchase, *, now: datetime) -> Bought:
    """Store the purchase, and grant its credits if it is paid; or find the one that was made before.

    Runs inside the caller's transaction. Two of one external id or payment at once meet at a unique constraint: the
    second waits for the first, and finds it. Raises ExternalIdTaken.
    """
    require_transaction("buy")
    user_id, payment = prepared.order.user_id, prepared.payment
    if payment is None or not insert_purchase(prepared, payment, now=now):
        checkout_id = payment.checkout_id if payment else ""
        earlier = find_earlier(user_id, prepared.provider.name, prepared.external_id, checkout_id)
        if earlier is None:
            raise RuntimeError("A purchase that was there is gone.")
        return Bought(earlier, is_new=False, balance=balance_of(user_id))
    package = prepared.order.package
    record_rule(PACKAGE + package.id, package.credits, package.usd, now=now)
    purchase = CreditPurchase.objects.get(pk=prepared.order.purchase_id)
    record_event(purchase, Kind.STARTED, now=now)
    if not payment.is_paid:
        return Bought(purchase, is_new=True, balance=balance_of(user_id))
    return Bought(purchase, is_new=True, balance=complete_purchase(purchase, now=now))


def find_earlier(user_id: UUID, provider: str, external_id: str, checkout_id: str = "") -> CreditPurchase | None:
    """Return the purchase of this external id or checkout, or None. Raises ExternalIdTaken if it is another user's."""
    purchases = CreditPurchase.objects.filter(provider=provider)
    earlier = purchases.filter(external_id=external_id).first()
    if earlier is None and checkout_id:
        earlier = purchases.filter(checkout_id=checkout_id).first()
    if earlier and earlier.user_id != user_id:
        raise ExternalIdTaken
    return earlier


def insert_purchase(prepared: PreparedPurchase, payment: Payment, *, now: datetime) -> bool:
    """Insert the purchase and return whether it is new.

    Without an external id of the client's the payment's own names the purchase, so it always has one.
    """
    order = prepared.order
    parameters = {
        "id": order.purchase_id,
        "user_id": order.user_id,
        "package_id": order.package.id,
        "credits": order.package.credits,
        "usd": order.package.usd,
        "provider": prepared.provider.name,
        "external_id": prepared.external_id or payment.checkout_id or str(order.purchase_id),
        "reference": order.reference if payment.checkout_id else "",
        "checkout_id": payment.checkout_id,
        "checkout_url": payment.checkout_url,
        "now": now,
    }
    return execute(INSERT, parameters) == 1


def complete_purchase(purchase: CreditPurchase, *, event_id: str = "", now: datetime) -> Decimal:
    """Grant the credits of a pending purchase that this transaction has locked or made; return the new balance."""
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
    record_event(purchase, Kind.COMPLETED, event_id=event_id, now=now)
    notify_of(purchase, NotificationType.PURCHASE_COMPLETED, now=now)
    log_event("a user bought %s credits", purchase.credits, userId=purchase.user_id, purchaseId=purchase.pk)
    return posted.balance_after


# Refunds


def refund_purchase(*, purchase_id: UUID, by: StaffMember, reason: str, now: datetime) -> CreditPurchase:
    """Take back the credits of a purchase, by staff, who give back the money at the provider.

    Credits that are spent become a debt.
    Raises NotAllowed, ReasonMissing, ReasonTooLong, PurchaseNotFound, PurchaseNotRefundable.
    """
    by.require(Permission.REFUND_PURCHASES)
    reason = validate_reason(reason)

    def act() -> CreditPurchase:
        purchase = lock_purchase(purchase_id)
        if purchase.status != Status.COMPLETED:
            raise PurchaseNotRefundable
        before = purchase_state(purchase)
        mark_refunded(purchase, actor_id=by.user.pk if by.user else None, note=reason, now=now)
        after = purchase_state(purchase)
        record_action("refund_purchase", by=by, target=purchase, reason=reason, before=before, after=after, now=now)
        return purchase

    return run_transaction(act)


def purchase_state(purchase: CreditPurchase) -> dict[str, str | None]:
    balance = balance_of(purchase.user_id)
    refunded_at = purchase.refunded_at.isoformat() if purchase.refunded_at else None
    return {"status": str(purchase.status), "refunded_at": refunded_at, "balance": str(balance)}


def mark_refunded(
    purchase: CreditPurchase, *, actor_id: UUID | None = None, event_id: str = "", note: str, now: datetime
) -> None:
    """Take back what was granted, if it was. The purchase is locked; staff refund it, or the provider did."""
    if purchase.completed_at:
        take_back_credits(purchase, now=now)
    purchase.status, purchase.refunded_at = Status.REFUNDED, now
    purchase.save(update_fields=["status", "refunded_at"])
    record_event(purchase, Kind.REFUNDED, actor_id=actor_id, event_id=event_id, note=note, now=now)
    if purchase.completed_at:
        notify_of(purchase, NotificationType.PURCHASE_REFUNDED, now=now)


def take_back_credits(purchase: CreditPurchase, *, now: datetime) -> None:
    """Take back the credits. The house lends what isn't available any more: the user repays it from later credits.

    The user is locked.
    """
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
    """Return the purchase, locked after its user. Raises PurchaseNotFound."""
    user_id = CreditPurchase.objects.filter(pk=purchase_id).values_list("user_id", flat=True).first()
    if user_id is None:
        raise PurchaseNotFound
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)
    return CreditPurchase.objects.select_for_update().get(pk=purchase_id)


def notify_of(purchase: CreditPurchase, notification_type: NotificationType, *, now: datetime) -> None:
    about = {"purchaseId": purchase.pk, "packageId": purchase.package_id, "amount": purchase.credits}
    cause = Cause(user_id=purchase.user_id, type=notification_type, reference_id=purchase.pk, data=about)
    notify([cause], now=now)


def record_event(
    purchase: CreditPurchase,
    kind: PurchaseEvent.Kind,
    *,
    actor_id: UUID | None = None,
    event_id: str = "",
    note: str = "",
    now: datetime,
) -> None:
    """Add to the trail of the purchase."""
    PurchaseEvent.objects.create(
        purchase=purchase, kind=kind, actor_id=actor_id, provider_event_id=event_id, note=note, created_at=now
    )


def balance_of(user_id: UUID) -> Decimal:
    balance: Decimal = User.objects.values_list("credit_balance", flat=True).get(pk=user_id)
    return balance
