"""Sessions: each is a family of refresh tokens, from one sign-in on. List a user's own, end one, end all.

A session ends at once: its refresh tokens are revoked, and its access tokens refused (`accounts.tokens`). A browser
that is signed in to the admin isn't one of them, and stays so.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import tokens
from accounts.errors import SessionNotFound
from accounts.models import RefreshToken, User

SHOWN = 100  # the newest
Reason = RefreshToken.Reason


def list_sessions(user_id: UUID, *, now: datetime) -> QuerySet[RefreshToken]:
    """Return the newest token of each session that goes on, which stands for it, the last refreshed first."""
    newest = RefreshToken.objects.filter(user_id=user_id, first_used_at=None, revoked_at=None)
    return newest.filter(expires_at__gt=now).order_by("-created_at")


def end_own_session(*, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End a session of the user. Raises SessionNotFound, for another user's too."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        end_session(user=user, session_id=session_id, reason=Reason.ENDED_BY_USER, now=now)


def end_session(*, user: User, session_id: UUID, reason: RefreshToken.Reason, now: datetime) -> None:
    """End one session of a user, whose lock the caller's transaction holds. Raises SessionNotFound."""
    if not list_sessions(user.pk, now=now).filter(family=session_id).exists():
        raise SessionNotFound
    tokens.revoke_family(user_id=user.pk, family=session_id, reason=reason, now=now)


def end_own_sessions(*, user_id: UUID, now: datetime) -> None:
    """End all sessions of the user, the one that asks too."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        tokens.revoke_all_refresh_tokens(user=user, reason=Reason.ENDED_BY_USER, now=now)
