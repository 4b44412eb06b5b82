"""Staff put a user's credits on hold: still the user's, but not to be spent until staff let them go."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.models import Permission, User
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from core.db.transactions import run_transaction
from economy.ledger import InsufficientCredits, change_hold


def hold_credits(*, user_id: UUID, amount: Decimal, by: StaffMember, reason: str, now: datetime) -> User:
    """Puts so many of the available credits on hold.

    Raises NotAllowed, NotYourself, StaffProtected, InsufficientCredits, ReasonMissing, ReasonTooLong,
    User.DoesNotExist, and ValueError for what isn't a positive amount of whole cents.
    """
    return move("hold_credits", amount, user_id=user_id, by=by, reason=reason, now=now)


def release_hold(*, user_id: UUID, amount: Decimal, by: StaffMember, reason: str, now: datetime) -> User:
    """Lets so many of the held credits go: to the user, or to the house where the user has debts.

    Raises the same as `hold_credits`.
    """
    return move("release_hold", -amount, user_id=user_id, by=by, reason=reason, now=now)


def move(action: str, change: Decimal, *, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    by.require(Permission.HOLD_CREDITS)
    reason = validate_reason(reason)
    if (change > 0) != (action == "hold_credits") or not change:
        raise ValueError("An amount is positive.")

    def do() -> User:
        user = lock_for_staff(user_id, by=by)
        before = state_of(user)
        check_enough(user, change)
        change_hold(user_id=user_id, change=change, now=now)
        user.refresh_from_db()
        record_action(action, by=by, target=user, reason=reason, before=before, after=state_of(user), now=now)
        return user

    return run_transaction(do)


def check_enough(user: User, change: Decimal) -> None:
    """Raises InsufficientCredits, in words for staff."""
    if change > user.available_credits:
        raise InsufficientCredits(f"Only {user.available_credits:,} credits are available.")
    if -change > user.held_credits:
        raise InsufficientCredits(f"Only {user.held_credits:,} credits are on hold.")


def state_of(user: User) -> dict[str, object]:
    return {"balance": user.credit_balance, "held": user.held_credits, "available": user.available_credits}
