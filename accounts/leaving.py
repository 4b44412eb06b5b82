"""Leave: mark an account that its user deleted, and take that back; it is erased once the time to come back is over.

While the user is leaving the account is as a suspended one: not ranked, rewarded, paid for referrals or looked at.
Bets and holdings stay, and are settled as any other. A sign-in, in whichever way, takes the deletion back
(`accounts.tokens`); the erasure is `ops.personal_data`, above all apps that know something of the user. Both act under
the lock on the user's row, and look at `deletion_due_at` there: of the two, one wins.

These building blocks run inside the caller's transaction. The user's own request is `accounts.services.leave`.
"""

from datetime import datetime

from django.db.models import QuerySet

from accounts import rules
from accounts.changes import publish_users
from accounts.models import User
from core.db.transactions import require_transaction
from core.events import log_event


def mark_leaving(user: User, *, now: datetime) -> datetime:
    """Deactivate the locked user, and return when the account is to be erased."""
    require_transaction("mark_leaving")
    due_at = now + rules.ACCOUNT_DELETION_PERIOD
    user.is_active, user.deletion_due_at = False, due_at
    user.save(update_fields=["is_active", "deletion_due_at"])
    publish_users([user.pk])
    log_event("a user deleted their account", userId=user.pk)
    return due_at


def take_back(user: User) -> bool:
    """Make the locked user active again if they are leaving; return whether they were."""
    require_transaction("take_back")
    if not user.is_leaving:
        return False
    user.is_active, user.deletion_due_at = True, None
    user.save(update_fields=["is_active", "deletion_due_at"])
    publish_users([user.pk])
    log_event("a deleted account was restored", userId=user.pk)
    return True


def list_due(*, now: datetime) -> "QuerySet[User]":
    """Return the users whose time to come back is over, in the order of their ids."""
    return User.objects.filter(deletion_due_at__lte=now).order_by("pk")
