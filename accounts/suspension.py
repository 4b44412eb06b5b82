"""Suspend and restore users, cancel deletions, end sessions, unlink accounts, mail anew: by staff, on record."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from accounts import leaving, sessions, tokens
from accounts.changes import publish_users
from accounts.errors import AlreadySuspended, NotLeaving, NotSuspended, UserErased
from accounts.models import Permission, RefreshToken, User
from accounts.providers import connections
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from accounts.verification import queue_verification
from core.db.transactions import run_transaction

Reason = RefreshToken.Reason


def suspend_user(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Suspend a user: from this moment nothing that needs a sign-in works for them.

    A user who is leaving doesn't any more: nobody gets out of a suspension, or rid of what it is about, by a deletion.

    Raises NotAllowed, NotYourself, StaffProtected, AlreadySuspended, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def suspend(user: User) -> None:
        if not user.is_active and not user.is_leaving:
            raise AlreadySuspended
        set_active(user, active=False)
        tokens.end_all_sessions(user=user, reason=Reason.SUSPENDED, now=now)

    return act_on_user("suspend_user", suspend, user_id=user_id, by=by, reason=reason, now=now)


def restore_user(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Let a suspended user sign in again; what was signed in before stays signed out.

    Raises NotAllowed, NotYourself, StaffProtected, NotSuspended, UserErased, ReasonMissing, ReasonTooLong,
    User.DoesNotExist.
    """

    def restore(user: User) -> None:
        if user.erased_at:
            raise UserErased
        if user.is_active or user.is_leaving:
            raise NotSuspended
        set_active(user, active=True)

    return act_on_user("restore_user", restore, user_id=user_id, by=by, reason=reason, now=now)


def cancel_deletion(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Give a user back the account that they deleted: it isn't erased, and they may sign in.

    Raises NotAllowed, NotYourself, StaffProtected, NotLeaving, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def cancel(user: User) -> None:
        if not leaving.take_back(user):
            raise NotLeaving

    return act_on_user("cancel_deletion", cancel, user_id=user_id, by=by, reason=reason, now=now)


def end_sessions(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Sign the user out everywhere, from this moment; the user may sign in again.

    Raises NotAllowed, NotYourself, StaffProtected, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def end(user: User) -> None:
        tokens.end_all_sessions(user=user, reason=Reason.ENDED_BY_STAFF, now=now)

    return act_on_user("end_sessions", end, user_id=user_id, by=by, reason=reason, now=now)


def end_one_session(*, user_id: UUID, session_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """End one session of the user, from this moment.

    Raises NotAllowed, NotYourself, StaffProtected, SessionNotFound, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def end(user: User) -> None:
        sessions.end_session(user=user, session_id=session_id, reason=Reason.ENDED_BY_STAFF, now=now)

    return act_on_user("end_session", end, user_id=user_id, by=by, reason=reason, now=now)


def unlink_account(*, user_id: UUID, provider: str, by: StaffMember, reason: str, now: datetime) -> User:
    """Unlink an account that the user signs in with, even the last one. What is signed in stays so.

    Raises NotAllowed, NotYourself, StaffProtected, ConnectionNotFound, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def unlink(user: User) -> None:
        connections.remove(user, provider, now=now)

    return act_on_user("unlink_account", unlink, user_id=user_id, by=by, reason=reason, state=linked_accounts, now=now)


def linked_accounts(user: User) -> dict[str, object]:
    return {"linked": [account.provider for account in connections.list_connections(user.pk)]}


def resend_verification(*, user_id: UUID, by: StaffMember, reason: str, now: datetime) -> User:
    """Queue the mail again that verifies the user's address.

    Raises NotAllowed, NotYourself, StaffProtected, AlreadyVerified, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """

    def resend(user: User) -> None:
        queue_verification(user, now=now)

    return act_on_user("resend_verification", resend, user_id=user_id, by=by, reason=reason, now=now)


def act_on_user(
    action: str,
    act: Callable[[User], None],
    *,
    user_id: UUID,
    by: StaffMember,
    reason: str,
    state: Callable[[User], dict[str, object]] | None = None,
    now: datetime,
) -> User:
    """Run `act` on the locked user and record it, in one transaction; `state`: of what before and after are kept."""
    describe = state or account_state
    by.require(Permission.SUSPEND_USERS)
    reason = validate_reason(reason)

    def do() -> User:
        user = lock_for_staff(user_id, by=by)
        before = describe(user)
        act(user)
        after = describe(user)
        record_action(action, by=by, target=user, reason=reason, before=before, after=after, now=now)
        return user

    return run_transaction(do)


def set_active(user: User, *, active: bool) -> None:
    user.is_active, user.deletion_due_at = active, None
    user.save(update_fields=["is_active", "deletion_due_at"])
    publish_users([user.pk])


def account_state(user: User) -> dict[str, object]:
    live = RefreshToken.objects.filter(user=user, revoked_at=None).values("family").distinct().count()
    suspended = not user.is_active and not user.is_leaving
    return {"suspended": suspended, "leaving": user.is_leaving, "signed_in": live}
