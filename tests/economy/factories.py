"""Users with credits, and what is known of them afterwards."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import StaffAction, User
from accounts.staff import COMMAND_LINE, record_action
from economy.ledger import PostedEntry, Transfer, post
from economy.models import CreditAdjustment, CreditTransaction, TransactionType

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
BOOKED = (
    *("credit_balance", "available_credits", "locked_credits", "expended_credits", "total_volume", "overall_pnl"),
    *("referral_credits_earned", "journal_length"),
)


def make_user(username: str = "ann", *, balance: int | str = 0, **fields: Any) -> User:
    user = create_user(username, **fields)
    if balance:
        give(user, balance)
        user.refresh_from_db()
    return user


def create_user(username: str, *, is_superuser: bool = False, **fields: Any) -> User:
    who = {"email": f"{username}@example.com", "username": username}
    if is_superuser:
        return User.objects.create_superuser(**who)
    return User.objects.create_user(**who, **fields)


def staff_actions() -> "QuerySet[StaffAction]":
    """What staff did, besides what tests need before they begin."""
    return StaffAction.objects.exclude(reason__in=["A test needs it.", "Made from the command line."])


def adjustment(user: User | UUID, amount: int | str | Decimal, **fields: Any) -> Transfer:
    """Staff give or take."""
    return Transfer(
        user_id=user if isinstance(user, UUID) else user.pk,
        amount=Decimal(amount),
        **{"transaction_type": TransactionType.ADMIN_ADJUSTMENT, "reference_id": uuid4(), **fields},
    )


def give(user: User | UUID, amount: int | str | Decimal, *, now: datetime | None = None, **fields: Any) -> PostedEntry:
    transfer = adjustment(user, amount, **fields)
    with transaction.atomic():
        if transfer.transaction_type == TransactionType.ADMIN_ADJUSTMENT:
            record_adjustment(transfer)
        return post(transfer, now=now or not_before_the_last(transfer.user_id))


def not_before_the_last(user_id: UUID) -> datetime:
    """NOW, or the time of the user's last entry where that is later."""
    entries = CreditTransaction.objects.filter(user=user_id).order_by("-sequence")
    return max(NOW, *entries.values_list("created_at", flat=True)[:1], NOW)


def record_adjustment(transfer: Transfer) -> None:
    """What staff leave besides the ledger entry."""
    user = User(pk=transfer.user_id)
    given = CreditAdjustment.objects.create(
        id=transfer.reference_id,
        request_id=uuid4(),
        user=user,
        amount=transfer.amount,
        limit_in_force=10**15,
        reason="A test needs it.",
        status=CreditAdjustment.Status.APPLIED,
        created_at=NOW,
    )
    terms = {"adjustment": given.pk, "amount": given.amount, "status": given.status}
    record_action("adjust_credits", by=COMMAND_LINE, target=user, reason=given.reason, before={}, after=terms, now=NOW)


RECORD_ADJUSTMENTS = """
WITH added AS (
    INSERT INTO credit_adjustments (id, request_id, user_id, amount, limit_in_force, reason, status, created_at,
        decision_reason)
    SELECT reference_id, reference_id, user_id, amount, 1e15, 'A test needs it.', 'applied', created_at, ''
    FROM credit_transactions
    WHERE transaction_type = 'admin_adjustment' AND reference_id NOT IN (SELECT id FROM credit_adjustments)
    RETURNING *
)
INSERT INTO staff_actions (created_at, action, target_type, target_id, reason, before, after)
SELECT created_at, 'adjust_credits', 'accounts.user', user_id, reason, '{}', jsonb_build_object('adjustment', id)
FROM added
"""


def record_adjustments() -> None:
    """The same for all that were posted straight to the ledger."""
    execute(RECORD_ADJUSTMENTS)


def booked(user: User) -> dict[str, Any]:
    """What the user's row says of credits now."""
    return User.objects.filter(pk=user.pk).values(*BOOKED).get()


def ledger_entries(user: User, *columns: str) -> list[tuple[Any, ...]]:
    return list(CreditTransaction.objects.filter(user=user).order_by("sequence").values_list(*columns))


HASH = """
SELECT ledger_hash(
    (SELECT hash FROM credit_transactions WHERE user_id = %(user_id)s AND sequence = %(sequence)s - 1), %(user_id)s,
    ledger_content(%(sequence)s, %(id)s, %(amount)s::numeric, %(balance_after)s::numeric, %(transaction_type)s,
        %(counterparty)s, %(reference_id)s, %(occurrence)s, %(created_at)s, %(description)s)
)
"""


def hash_of(**row: Any) -> bytes | None:
    """The hash of an entry with these columns, as the ledger would make it, whatever else is wrong with the entry."""
    with connection.cursor() as cursor:
        cursor.execute(HASH, row)
        return cursor.fetchone()[0]


def execute(statement: str, *parameters: Any) -> int:
    """Raw SQL, as the application's own role can send it; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount
