"""Adjustments and holds: staff give and take credits, or keep a user from spending them, each time for a reason.

Beyond a limit only two of the staff together adjust. The limit is for what one of them moves to or from one user in a
UTC day without a second: parts add up. Nobody touches their own credits. Nothing is taken that isn't available: a debt
is for what was undone, not for this. Credits on hold are still the user's, but can't be spent until staff release
them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Abs

from accounts.errors import NotAllowed
from accounts.models import Permission, User
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from core.db.transactions import run_transaction
from economy import ledger, rules
from economy.errors import (
    AdjustmentNotFound,
    AlreadyDecided,
    InsufficientCredits,
    RequestReused,
    SecondPersonNeeded,
)
from economy.ledger import Transfer
from economy.models import CreditAdjustment, TransactionType
from notifications.models import NotificationType
from notifications.services import Cause, notify

Status = CreditAdjustment.Status
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentRequest:
    """What one of the staff asks for. `amount`, in credits: positive to give, negative to take.

    `request_id` is the form's: what is sent twice is done once.
    """

    user_id: UUID
    amount: Decimal
    reason: str
    request_id: UUID


def adjust_credits(request: AdjustmentRequest, *, by: StaffMember, now: datetime) -> CreditAdjustment:
    """Give or take credits, or beyond the limit have it wait for a second member of the staff (status pending).

    Raises NotAllowed, NotYourself, StaffProtected, InsufficientCredits, RequestReused, ReasonMissing, ReasonTooLong,
    User.DoesNotExist, and ValueError for what isn't an amount of whole cents.
    """
    by.require(Permission.ADJUST_CREDITS)
    reason = validate_reason(request.reason)
    ledger.validate_amount(request.amount)
    if not request.amount:
        raise ValueError("An adjustment of nothing.")

    def do() -> CreditAdjustment:
        user = lock_for_staff(request.user_id, by=by)
        return find_earlier(request, by=by) or begin_adjustment(user, request, reason, by=by, now=now)

    return run_transaction(do)


def find_earlier(request: AdjustmentRequest, *, by: StaffMember) -> CreditAdjustment | None:
    """Return what the same form did before, if it was sent before. Raises RequestReused.

    The user is locked, so a form that is sent again waits and finds it.
    """
    earlier = CreditAdjustment.objects.filter(request_id=request.request_id).first()
    if earlier is None:
        return None
    if (earlier.user_id, earlier.amount, earlier.requested_by) != (request.user_id, request.amount, by.user):
        raise RequestReused
    return earlier


def begin_adjustment(
    user: User, request: AdjustmentRequest, reason: str, *, by: StaffMember, now: datetime
) -> CreditAdjustment:
    """Record the adjustment, applied where it is within the limit. The user is locked."""
    check_available(user, request.amount)
    limit = rules.ADMIN_ADJUSTMENT_LIMIT
    within = get_adjusted_today(user.pk, by=by, now=now) + abs(request.amount) <= limit
    adjustment = CreditAdjustment.objects.create(
        request_id=request.request_id,
        user=user,
        amount=request.amount,
        limit_in_force=limit,
        reason=reason,
        status=Status.APPLIED if within else Status.PENDING,
        requested_by=by.user,
        created_at=now,
    )
    action = "adjust_credits" if within else "ask_for_adjustment"
    finish_adjustment(adjustment, action, user=user, moves=within, by=by, reason=reason, now=now)
    return adjustment


def decide_adjustment(
    *, adjustment_id: UUID, approve: bool, by: StaffMember, reason: str, now: datetime
) -> CreditAdjustment:
    """Approve, as a second member of the staff, which moves the credits, or decline.

    Raises NotAllowed, NotYourself, StaffProtected, SecondPersonNeeded, AlreadyDecided, AdjustmentNotFound,
    InsufficientCredits, ReasonMissing, ReasonTooLong.
    """
    by.require(Permission.ADJUST_CREDITS)
    pending = find_adjustment(adjustment_id)
    if by.user is None or by.user.pk == pending.requested_by_id:
        raise SecondPersonNeeded
    action = "approve_adjustment" if approve else "decline_adjustment"
    return conclude(pending, action, approve=approve, by=by, reason=reason, now=now)


def withdraw_adjustment(*, adjustment_id: UUID, by: StaffMember, reason: str, now: datetime) -> CreditAdjustment:
    """Take back what the same member of the staff asked for, before another decided: nothing moves.

    Raises NotAllowed, StaffProtected, AlreadyDecided, AdjustmentNotFound, ReasonMissing, ReasonTooLong.
    """
    by.require(Permission.ADJUST_CREDITS)
    pending = find_adjustment(adjustment_id)
    if by.user is None or by.user.pk != pending.requested_by_id:
        raise NotAllowed
    return conclude(pending, "withdraw_adjustment", approve=False, by=by, reason=reason, now=now)


def find_adjustment(adjustment_id: UUID) -> CreditAdjustment:
    found = CreditAdjustment.objects.filter(pk=adjustment_id).first()
    if found is None:
        raise AdjustmentNotFound
    return found


def conclude(
    pending: CreditAdjustment, action: str, *, approve: bool, by: StaffMember, reason: str, now: datetime
) -> CreditAdjustment:
    """Decide an adjustment that waits, in a transaction of its own."""
    reason = validate_reason(reason)

    def do() -> CreditAdjustment:
        user = lock_for_staff(pending.user_id, by=by)
        adjustment = CreditAdjustment.objects.select_for_update().get(pk=pending.pk)
        if adjustment.status != Status.PENDING:
            raise AlreadyDecided
        store_decision(adjustment, approve=approve, by=by, reason=reason, now=now)
        finish_adjustment(adjustment, action, user=user, moves=approve, by=by, reason=reason, now=now)
        return adjustment

    return run_transaction(do)


def store_decision(adjustment: CreditAdjustment, *, approve: bool, by: StaffMember, reason: str, now: datetime) -> None:
    adjustment.status = Status.APPROVED if approve else Status.DECLINED
    adjustment.decided_by, adjustment.decided_at, adjustment.decision_reason = by.user, now, reason
    adjustment.save(update_fields=["status", "decided_by", "decided_at", "decision_reason"])


def finish_adjustment(
    adjustment: CreditAdjustment,
    action: str,
    *,
    user: User,
    moves: bool,
    by: StaffMember,
    reason: str,
    now: datetime,
) -> None:
    """Move the credits where they are to be moved, and record the staff action. The user is locked."""
    before = credits_state(user)
    if moves:
        check_available(user, adjustment.amount)
        post_adjustment(adjustment, now=now)
        user.refresh_from_db()
    terms: dict[str, Any] = {"adjustment": adjustment.pk, "amount": adjustment.amount, "status": adjustment.status}
    record_action(action, by=by, target=user, reason=reason, before=before, after=credits_state(user) | terms, now=now)


def post_adjustment(adjustment: CreditAdjustment, *, now: datetime) -> None:
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
    cause = Cause(
        user_id=adjustment.user_id,
        type=NotificationType.CREDITS_ADJUSTED,
        reference_id=adjustment.pk,
        data={"adjustmentId": adjustment.pk, "amount": adjustment.amount},
    )
    notify([cause], now=now)


def check_available(user: User, amount: Decimal) -> None:
    """Raise InsufficientCredits, in words for staff, where that much can't be taken."""
    if -amount > user.available_credits:
        raise InsufficientCredits(f"Only {user.available_credits:,} credits are available.")


def get_adjusted_today(user_id: UUID, *, by: StaffMember, now: datetime) -> Decimal:
    """Return the credits that this member of the staff gave and took in the UTC day of `now` without a second."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    alone = CreditAdjustment.objects.filter(
        user_id=user_id,
        requested_by=by.user,
        status=Status.APPLIED,
        created_at__gte=midnight,
        created_at__lt=midnight + timedelta(days=1),
    )
    moved: Decimal | None = alone.aggregate(moved=Sum(Abs("amount")))["moved"]
    return moved or ZERO


def hold_credits(*, user_id: UUID, amount: Decimal, by: StaffMember, reason: str, now: datetime) -> User:
    """Put so many of the available credits on hold.

    Raises NotAllowed, NotYourself, StaffProtected, InsufficientCredits, ReasonMissing, ReasonTooLong,
    User.DoesNotExist, and ValueError for what isn't a positive amount of whole cents.
    """
    return move_hold("hold_credits", amount, user_id=user_id, by=by, reason=reason, now=now)


def release_hold(*, user_id: UUID, amount: Decimal, by: StaffMember, reason: str, now: datetime) -> User:
    """Release so many of the held credits: to the user, or to the house where the user has debts.

    Raises the same as `hold_credits`.
    """
    return move_hold("release_hold", -amount, user_id=user_id, by=by, reason=reason, now=now)


def move_hold(action: str, change: Decimal, *, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    by.require(Permission.HOLD_CREDITS)
    reason = validate_reason(reason)
    if (change > 0) != (action == "hold_credits") or not change:
        raise ValueError("An amount is positive.")

    def do() -> User:
        user = lock_for_staff(user_id, by=by)
        before = credits_state(user)
        check_hold(user, change)
        ledger.change_hold(user_id=user_id, change=change, now=now)
        user.refresh_from_db()
        record_action(action, by=by, target=user, reason=reason, before=before, after=credits_state(user), now=now)
        return user

    return run_transaction(do)


def check_hold(user: User, change: Decimal) -> None:
    """Raise InsufficientCredits, in words for staff, where that much can't be held or released."""
    check_available(user, -change)
    if -change > user.held_credits:
        raise InsufficientCredits(f"Only {user.held_credits:,} credits are on hold.")


def credits_state(user: User) -> dict[str, object]:
    """Return what the record of a staff action keeps of a user's credits."""
    return {"balance": user.credit_balance, "held": user.held_credits, "available": user.available_credits}
