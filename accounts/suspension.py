"""What staff do with people's accounts: each with a reason, and recorded in the transaction that does it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from accounts import tokens
from accounts.erasure import UserErased
from accounts.models import Permission, RefreshToken, User
from accounts.staff import NotAllowed, StaffMember, checked_reason, record_action
from core.api.errors import DomainError
from core.db.transactions import require_transaction, run_transaction

Reason = RefreshToken.Reason


class NotYourself(DomainError):
    code = "not_yourself"
    status = 403
    message = "Nobody does this to their own account."


class StaffProtected(DomainError):
    code = "staff_protected"
    status = 403
    message = "Only a superuser does this to somebody of the staff."


class AlreadySuspended(DomainError):
    code = "already_suspended"
    status = 409
    message = "This user is suspended already."


class NotSuspended(DomainError):
    code = "not_suspended"
    status = 409
    message = "This user isn't suspended."


def suspend_user(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Nothing that needs a sign-in works for this user any more, from this moment.

    Raises NotAllowed, NotYourself, StaffProtected, AlreadySuspended, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def suspend(user: User) -> None:
        if not user.is_active:
            raise AlreadySuspended
        set_active(user, active=False)
        tokens.end_everything(user=user, reason=Reason.SUSPENDED, now=now)

    return supervise("suspend_user", suspend, user_id=user_id, by=by, reason=reason, now=now)


def restore_user(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Lets a suspended user sign in again; what was signed in before stays signed out.

    Raises NotAllowed, NotYourself, StaffProtected, NotSuspended, UserErased, ReasonMissing, ReasonTooLong,
    User.DoesNotExist.
    """

    def restore(user: User) -> None:
        if user.erased_at:
            raise UserErased
        if user.is_active:
            raise NotSuspended
        set_active(user, active=True)

    return supervise("restore_user", restore, user_id=user_id, by=by, reason=reason, now=now)


def end_sessions(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Signs the user out everywhere, from this moment; the user may sign in again.

    Raises NotAllowed, NotYourself, StaffProtected, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def end(user: User) -> None:
        tokens.end_everything(user=user, reason=Reason.ENDED_BY_STAFF, now=now)

    return supervise("end_sessions", end, user_id=user_id, by=by, reason=reason, now=now)


def supervise(
    action: str, act: Callable[[User], None], *, user_id: UUID, by: StaffMember, reason: str, now: datetime
) -> User:
    by.require(Permission.SUSPEND_USERS)
    reason = checked_reason(reason)

    def do() -> User:
        user = lock_for_staff(user_id, by=by)
        before = state_of(user)
        act(user)
        after = state_of(user)
        record_action(action, by=by, target=user, reason=reason, before=before, after=after, now=now)
        return user

    return run_transaction(do)


def lock_for_staff(user_id: UUID, *, by: StaffMember) -> User:
    """The user, whose row nobody else changes until the transaction ends, where `by` may touch that account.

    Who acts is locked too, and judged as of now: of two superusers who suspend each other one comes too late.
    Raises NotAllowed, NotYourself, StaffProtected, User.DoesNotExist.
    """
    require_transaction("lock_for_staff")
    ids = {user_id, by.user.pk} if by.user else {user_id}
    locked = {user.pk: user for user in User.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)}
    if user_id not in locked:
        raise User.DoesNotExist
    if by.user:
        check_may_touch(locked[user_id], by=locked[by.user.pk])
    return locked[user_id]


def check_may_touch(user: User, *, by: User) -> None:
    """Raises NotAllowed, NotYourself, and StaffProtected: else support could lock out those above."""
    if not (by.is_active and by.is_staff):
        raise NotAllowed
    if by.pk == user.pk:
        raise NotYourself
    if (user.is_staff or user.is_superuser) and not by.is_superuser:
        raise StaffProtected


def set_active(user: User, *, active: bool) -> None:
    user.is_active = active
    user.save(update_fields=["is_active"])


def state_of(user: User) -> dict[str, object]:
    live = RefreshToken.objects.filter(user=user, revoked_at=None).values("family").distinct().count()
    return {"suspended": not user.is_active, "signed_in": live}
