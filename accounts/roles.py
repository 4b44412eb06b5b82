"""Make users staff and set their roles. Only a superuser does this, and there is always one left."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group

from accounts import tokens
from accounts.errors import NotAllowed, RolesAreForStaff, UnknownRole
from accounts.models import RefreshToken, User
from accounts.staff import StaffMember, lock_for_staff, record_action, validate_reason
from core.db.transactions import run_transaction


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
        before = state_of(user)
        change(user, is_staff=is_staff, groups=groups_named(roles), now=now)
        record_action("set_roles", by=by, target=user, reason=reason, before=before, after=state_of(user), now=now)
        return user

    return run_transaction(do)


def groups_named(roles: Collection[str]) -> list[Group]:
    """Return the groups of these names. Raises UnknownRole."""
    groups = list(Group.objects.filter(name__in=roles))
    if len(groups) != len(set(roles)):
        raise UnknownRole
    return groups


def change(user: User, *, is_staff: bool, groups: list[Group], now: datetime) -> None:
    if user.is_staff and not is_staff:
        tokens.end_all_sessions(user=user, reason=RefreshToken.Reason.ENDED_BY_STAFF, now=now)
    user.is_staff, user.is_superuser = is_staff, user.is_superuser and is_staff
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.set(groups)


def state_of(user: User) -> dict[str, object]:
    roles = sorted(user.groups.values_list("name", flat=True))
    return {"staff": user.is_staff, "superuser": user.is_superuser, "roles": roles}
