"""Staff give and take credits: through the ledger, for a reason, and beyond a limit only two of them together.

The limit is for what one member of the staff moves to or from one user in a UTC day without a second: parts add up.
Nobody touches their own credits. Nothing is taken that isn't available: a debt is for what was undone, not for this.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Abs

from accounts.models import Permission, User
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from core.api.errors import DomainError
from core.db.transactions import run_transaction
from economy import ledger
from economy.holds import state_of
from economy.ledger import InsufficientCredits, Transfer
from economy.models import CreditAdjustment, TransactionType

Status = CreditAdjustment.Status
NOTHING = Decimal(0)


class RequestReused(DomainError):
    code = "request_reused"
    status = 409
    message = "This form was sent before, with something else in it. Open it again."


class AdjustmentNotFound(DomainError):
    code = "adjustment_not_found"
    status = 404
    message = "There is no such adjustment."


class AlreadyDecided(DomainError):
    code = "already_decided"
    status = 409
    message = "This adjustment doesn't wait for anybody any more."


class SecondPersonNeeded(DomainError):
    code = "second_person_needed"
    status = 403
    message = "Somebody else of the staff must decide about what you asked for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """`amount`, in credits: positive to give, negative to take. `request_id`: of the form; sent twice, done once."""

    user_id: UUID
    amount: Decimal
    reason: str
    request_id: UUID


def limit() -> Decimal:
    """Credits that one of the staff may give a user, or take, in a UTC day without a second."""
    return Decimal(settings.ADMIN_ADJUSTMENT_LIMIT)


def adjust_credits(asked: Adjustment, *, by: StaffMember, now: datetime) -> CreditAdjustment:
    """Gives or takes credits, or beyond the limit has it wait for a second member of the staff (status pending).

    Raises NotAllowed, NotYourself, StaffProtected, InsufficientCredits, RequestReused, ReasonMissing, ReasonTooLong,
    User.DoesNotExist, and ValueError for what isn't an amount of whole cents.
    """
    by.require(Permission.ADJUST_CREDITS)
    reason = validate_reason(asked.reason)
    ledger.check_amount(asked.amount)
    if not asked.amount:
        raise ValueError("An adjustment of nothing.")

    def do() -> CreditAdjustment:
        user = lock_for_staff(asked.user_id, by=by)
        return find_earlier(asked, by=by) or begin(user, asked.amount, asked.request_id, reason, by=by, now=now)

    return run_transaction(do)


def find_earlier(asked: Adjustment, *, by: StaffMember) -> CreditAdjustment | None:
    """What the same form did before. The user is locked, so a second of it waits and finds it. Raises RequestReused."""
    earlier = CreditAdjustment.objects.filter(request_id=asked.request_id).first()
    if earlier is None:
        return None
    if (earlier.user_id, earlier.amount, earlier.requested_by) != (asked.user_id, asked.amount, by.user):
        raise RequestReused
    return earlier


def begin(
    user: User, amount: Decimal, request_id: UUID, reason: str, *, by: StaffMember, now: datetime
) -> CreditAdjustment:
    check_available(user, amount)
    within = moved_today(user.pk, by=by, now=now) + abs(amount) <= limit()
    adjustment = CreditAdjustment.objects.create(
        request_id=request_id,
        user=user,
        amount=amount,
        reason=reason,
        status=Status.APPLIED if within else Status.PENDING,
        requested_by=by.user,
        created_at=now,
    )
    action = "adjust_credits" if within else "ask_for_adjustment"
    finish(adjustment, action, user=user, moves=within, by=by, reason=reason, now=now)
    return adjustment


def decide_adjustment(
    *, adjustment_id: UUID, approve: bool, by: StaffMember, reason: str, now: datetime
) -> CreditAdjustment:
    """A second member of the staff approves, which moves the credits, or declines.

    Raises NotAllowed, NotYourself, StaffProtected, SecondPersonNeeded, AlreadyDecided, AdjustmentNotFound,
    InsufficientCredits, ReasonMissing, ReasonTooLong.
    """
    by.require(Permission.ADJUST_CREDITS)
    reason = validate_reason(reason)
    asked = CreditAdjustment.objects.filter(pk=adjustment_id).first()
    if asked is None:
        raise AdjustmentNotFound
    if by.user is None or by.user.pk == asked.requested_by_id:
        raise SecondPersonNeeded

    def do() -> CreditAdjustment:
        user = lock_for_staff(asked.user_id, by=by)
        adjustment = CreditAdjustment.objects.select_for_update().get(pk=adjustment_id)
        if adjustment.status != Status.PENDING:
            raise AlreadyDecided
        close(adjustment, approve=approve, by=by, reason=reason, now=now)
        action = "approve_adjustment" if approve else "decline_adjustment"
        finish(adjustment, action, user=user, moves=approve, by=by, reason=reason, now=now)
        return adjustment

    return run_transaction(do)


def close(adjustment: CreditAdjustment, *, approve: bool, by: StaffMember, reason: str, now: datetime) -> None:
    adjustment.status = Status.APPROVED if approve else Status.DECLINED
    adjustment.decided_by, adjustment.decided_at, adjustment.decision_reason = by.user, now, reason
    adjustment.save(update_fields=["status", "decided_by", "decided_at", "decision_reason"])


def finish(
    adjustment: CreditAdjustment,
    action: str,
    *,
    user: User,
    moves: bool,
    by: StaffMember,
    reason: str,
    now: datetime,
) -> None:
    """Moves the credits where they are to be moved, and records it. The user is locked."""
    before = state_of(user)
    if moves:
        check_available(user, adjustment.amount)
        post(adjustment, now=now)
        user.refresh_from_db()
    terms: dict[str, Any] = {"adjustment": adjustment.pk, "amount": adjustment.amount, "status": adjustment.status}
    record_action(action, by=by, target=user, reason=reason, before=before, after=state_of(user) | terms, now=now)


def post(adjustment: CreditAdjustment, *, now: datetime) -> None:
    ledger.post(
        Transfer(
            user_id=adjustment.user_id,
            amount=adjustment.amount,
            transaction_type=TransactionType.ADMIN_ADJUSTMENT,
            reference_id=adjustment.pk,
            description="Given by staff" if adjustment.amount > 0 else "Taken by staff",
        ),
        now=now,
    )


def check_available(user: User, amount: Decimal) -> None:
    """Raises InsufficientCredits, in words for staff."""
    if -amount > user.available_credits:
        raise InsufficientCredits(f"Only {user.available_credits:,} credits are available.")


def moved_today(user_id: UUID, *, by: StaffMember, now: datetime) -> Decimal:
    """Credits that this member of the staff gave the user, and took, in the UTC day of `now` without a second."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    alone = CreditAdjustment.objects.filter(
        user_id=user_id,
        requested_by=by.user,
        status=Status.APPLIED,
        created_at__gte=midnight,
        created_at__lt=midnight + timedelta(days=1),
    )
    moved: Decimal | None = alone.aggregate(moved=Sum(Abs("amount")))["moved"]
    return moved or NOTHING
