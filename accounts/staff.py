"""Staff members: their permissions and roles, the accounts that they may change, and the record of what they did.

Services for staff take `by: StaffMember`, call `by.require(...)`, and write `record_action(...)` in the transaction
that has the effect: nothing happens without its record, and nothing is recorded that didn't happen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Model

from accounts import rules, tokens
from accounts.errors import (
    AccountSuspended,
    NotAllowed,
    NotYourself,
    ReasonMissing,
    ReasonTooLong,
    RolesAreForStaff,
    StaffProtected,
    UnknownRole,
)
from accounts.models import Permission, RefreshToken, StaffAction, User
from core.db.transactions import require_transaction, run_transaction


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A staff member, and the address that they act from. Without a user: the command line, with all permissions."""

    user: User | None
    ip: str | None = None

    def may(self, permission: Permission) -> bool:
        """Return whether they have the permission; a suspended user has none, whatever the session says."""
        return self.user is None or (self.user.is_staff and self.user.has_perm(f"accounts.{permission.value}"))

    def require(self, permission: Permission) -> None:
        """Raise NotAllowed without the permission."""
        if not self.may(permission):
            raise NotAllowed


COMMAND_LINE = StaffMember(user=None)


def validate_reason(reason: str) -> str:
    """Return the reason of any staff action, trimmed. Raises ReasonMissing, ReasonTooLong."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing
    if len(reason) > rules.MAX_REASON_LENGTH:
        raise ReasonTooLong
    return reason


def record_action(
    action: str,
    *,
    by: StaffMember,
    target: Model,
    reason: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
) -> StaffAction:
    """Record an action in the caller's transaction.

    `action`: a verb and what it is done to, as in "resolve_market". `before` and `after`: what it changed, as JSON.
    Raises ReasonMissing, ReasonTooLong.
    """
    require_transaction("record_action")
    return StaffAction.objects.create(
        created_at=now,
        staff=by.user,
        ip=by.ip,
        action=action,
        target_type=target._meta.label_lower,  # noqa: SLF001 - Django's, for everybody
        target_id=str(target.pk),
        reason=validate_reason(reason),
        before=dict(before),
        after=dict(after),
    )


def lock_for_staff(user_id: UUID, *, by: StaffMember) -> User:
    """Return the user, locked until the transaction ends, if `by` may change that account.

    The staff member is locked too, and judged as of now: of two superusers who suspend each other one comes too late.
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
    """Raise NotAllowed, NotYourself, or StaffProtected: else support could lock out those above."""
    if not (by.is_active and by.is_staff):
        raise NotAllowed
    if by.pk == user.pk:
        raise NotYourself
    if (user.is_staff or user.is_superuser) and not by.is_superuser:
        raise StaffProtected


# Roles. Only a superuser makes users staff and sets their roles, and there is always a superuser left


def set_roles(
    *, user_id: UUID, is_staff: bool, roles: Collection[str], by: StaffMember, reason: str, now: datetime
) -> User:
    """Let a user into the admin or out of it, with these roles and no others.

    Nobody changes their own roles, so the last superuser stays one. A user who is let out is signed out everywhere,
    and is no superuser any more. Raises NotAllowed unless `by` is a superuser, NotYourself, UnknownRole,
    RolesAreForStaff, ReasonMissing, ReasonTooLong, User.DoesNotExist.
    """
    if by.user and not by.user.is_superuser:
        raise NotAllowed
    reason = validate_reason(reason)
    if roles and not is_staff:
        raise RolesAreForStaff

    def do() -> User:
        user = lock_for_staff(user_id, by=by)
        before = roles_of(user)
        change_roles(user, is_staff=is_staff, groups=groups_named(roles), now=now)
        record_action("set_roles", by=by, target=user, reason=reason, before=before, after=roles_of(user), now=now)
        return user

    return run_transaction(do)


def groups_named(roles: Collection[str]) -> list[Group]:
    """Return the groups of these names. Raises UnknownRole."""
    groups = list(Group.objects.filter(name__in=roles))
    if len(groups) != len(set(roles)):
        raise UnknownRole
    return groups


def change_roles(user: User, *, is_staff: bool, groups: list[Group], now: datetime) -> None:
    if user.is_staff and not is_staff:
        tokens.end_all_sessions(user=user, reason=RefreshToken.Reason.ENDED_BY_STAFF, now=now)
    user.is_staff, user.is_superuser = is_staff, user.is_superuser and is_staff
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.set(groups)


def roles_of(user: User) -> dict[str, object]:
    roles = sorted(user.groups.values_list("name", flat=True))
    return {"staff": user.is_staff, "superuser": user.is_superuser, "roles": roles}


def ensure_superuser(*, email: str, username: str, password: str, now: datetime) -> tuple[User, bool]:
    """Make the user of that e-mail a superuser with that password; return them, and whether they are new.

    For the command line: `createsuperuser` and `changepassword` in one. Raises AccountSuspended, IntegrityError for a
    username that is taken.
    """
    by = COMMAND_LINE

    def do() -> tuple[User, bool]:
        user = User.objects.with_email(email).select_for_update(no_key=True).first()
        if user is None:
            return User.objects.create_superuser(email, username, password), True
        if not user.is_active:
            raise AccountSuspended
        before, reason = roles_of(user), "Made a superuser from the command line."
        if not user.is_superuser:
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])
            record_action("set_roles", by=by, target=user, reason=reason, before=before, after=roles_of(user), now=now)
        user.set_password(password)
        user.save(update_fields=["password"])
        reason = "Set from the command line."
        record_action("reset_password", by=by, target=user, reason=reason, before={}, after={}, now=now)
        return user, False

    return run_transaction(do)
