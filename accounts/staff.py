"""Who of the staff acts, whether they may, and the record of it that stays.

Services that staff call take `by: StaffMember`, ask `by.require(...)`, and write `record_action(...)` in the
transaction that has the effect: nothing happens without its record, and nothing is recorded that didn't happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model

from accounts.models import Permission, StaffAction, User
from core.api.errors import DomainError
from core.db.transactions import require_transaction

MAX_REASON_LETTERS = 500


class NotAllowed(DomainError):
    code = "staff_permission_required"
    status = 403
    message = "You may not do this."


class ReasonMissing(DomainError):
    code = "reason_required"
    message = "Say why: it is kept."


class ReasonTooLong(DomainError):
    code = "reason_too_long"
    message = f"Say why in {MAX_REASON_LETTERS} letters."


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Who acts, and from which address. Without a user it is whoever has the command line, who may do everything."""

    user: User | None
    ip: str | None = None

    def may(self, permission: Permission) -> bool:
        """A suspended user may nothing, whatever the session says."""
        return self.user is None or (self.user.is_staff and self.user.has_perm(f"accounts.{permission.value}"))

    def require(self, permission: Permission) -> None:
        """Raises NotAllowed."""
        if not self.may(permission):
            raise NotAllowed


COMMAND_LINE = StaffMember(user=None)


def checked_reason(reason: str) -> str:
    """Raises ReasonMissing, ReasonTooLong."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing
    if len(reason) > MAX_REASON_LETTERS:
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
    """`action`: a verb and what it is done to, as in "resolve_market". `before` and `after`: what it changed, as JSON.

    Runs inside the caller's transaction. Raises ReasonMissing, ReasonTooLong.
    """
    require_transaction("record_action")
    return StaffAction.objects.create(
        created_at=now,
        staff=by.user,
        ip=by.ip,
        action=action,
        target_type=target._meta.label_lower,  # noqa: SLF001 - Django's, for everybody
        target_id=str(target.pk),
        reason=checked_reason(reason),
        before=dict(before),
        after=dict(after),
    )
