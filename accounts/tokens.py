"""Issue and revoke tokens. Refresh tokens are random, stored as a SHA-256 and rotated; access tokens are JWTs.

Each refresh issues a successor. The predecessor stays good until its successor is first used, so that a client that
lost the response goes on with the old one, and the unused successor is replaced. Once a successor has been used, its
predecessor coming back means that two hold the tokens of one sign-in: the whole family is revoked.

Every change is made under a lock on the user's row, taken before any token is read: two refreshes at once, or a
refresh and a suspension, happen one after the other. These building blocks run inside the caller's transaction.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, QuerySet
from rest_framework_simplejwt.tokens import AccessToken

from accounts.activity import record_sign_in
from accounts.changes import publish_users
from accounts.errors import AccountSuspended, InvalidRefreshToken, TokenReused
from accounts.leaving import take_back
from accounts.models import RefreshToken, User
from core.api.errors import DomainError
from core.db.sql import new_id
from core.db.transactions import require_transaction

RANDOM_BYTES = 32
MAX_USER_AGENT_LENGTH = 200
PURGE_BATCH = 10_000
Reason = RefreshToken.Reason


class Client(NamedTuple):
    """Where a request came from, as it is stored with its tokens. `ip` is None where a proxy named no address."""

    user_agent: str
    ip: str | None


class TokenPair(NamedTuple):
    """New tokens; `restored`: the sign-in that they came from took back the deletion of the account."""

    access: str
    refresh: str
    restored: bool = False


def issue_token_pair(*, user: User, client: Client, now: datetime) -> TokenPair:
    """Sign the user in: a new family of tokens, `last_login_at` and activity. Raises AccountSuspended.

    All ways to sign in end here, so here a user who was leaving comes back.
    """
    require_transaction("issue_token_pair")
    held = lock_user(user.pk)
    restored = held is not None and take_back(held)
    if held is None or not held.is_active:
        raise AccountSuspended
    record_sign_in(held, now=now)
    pair = issue(user=held, family=new_id(), parent=None, client=client, now=now)
    return pair._replace(restored=restored)


def rotate(*, refresh: str, client: Client, now: datetime) -> TokenPair | DomainError:
    """Return the successor of a refresh token and a new access token, or the error.

    The error is returned rather than raised, so that the caller commits what was revoked, and then raises it.
    """
    require_transaction("rotate")
    token = lock_refresh_token(refresh)
    if token is None:
        return InvalidRefreshToken()
    if was_stolen(token):
        revoke_family(user_id=token.user_id, family=token.family, reason=Reason.REUSED, now=now)
        return TokenReused()
    if token.revoked_at or token.expires_at <= now:
        return InvalidRefreshToken()
    if not token.user.is_active:
        return AccountSuspended()
    mark_used(token, now=now)
    return issue(user=token.user, family=token.family, parent=token, client=client, now=now)


def renew(*, user: User, session_id: UUID, client: Client, now: datetime) -> TokenPair | None:
    """Return new tokens of a session, as a refresh does, or None where it doesn't go on. The caller holds the lock."""
    require_transaction("renew")
    going_on = RefreshToken.objects.filter(user=user, family=session_id, first_used_at=None, revoked_at=None)
    newest = going_on.filter(expires_at__gt=now).first()
    if newest is None or not user.is_active:
        return None
    mark_used(newest, now=now)
    return issue(user=user, family=session_id, parent=newest, client=client, now=now)


def end_session(*, refresh: str, now: datetime) -> None:
    """End the session of the token, at once; an unknown token has no effect."""
    require_transaction("end_session")
    token = lock_refresh_token(refresh)
    if token:
        revoke_family(user_id=token.user_id, family=token.family, reason=Reason.LOGGED_OUT, now=now)


def revoke_family(*, user_id: UUID, family: UUID, reason: RefreshToken.Reason, now: datetime) -> None:
    """Revoke all tokens of one session, access tokens too. The caller holds the user's lock."""
    revoke(RefreshToken.objects.filter(user_id=user_id, family=family), user_id=user_id, reason=reason, now=now)


def revoke_all_refresh_tokens(*, user: User, reason: RefreshToken.Reason, now: datetime) -> None:
    """Revoke all tokens of all sessions, access tokens too. The caller holds the user's lock."""
    revoke(RefreshToken.objects.filter(user=user), user_id=user.pk, reason=reason, now=now)


def revoke_other_sessions(*, user: User, session_id: UUID | None, reason: RefreshToken.Reason, now: datetime) -> None:
    """Revoke all tokens of all sessions but one, access tokens too. The caller holds the user's lock."""
    others = RefreshToken.objects.filter(user=user)
    if session_id:
        others = others.exclude(family=session_id)
    revoke(others, user_id=user.pk, reason=reason, now=now)


def revoke(tokens: QuerySet[RefreshToken], *, user_id: UUID, reason: RefreshToken.Reason, now: datetime) -> None:
    """Revoke refresh tokens of whole sessions, and have the access tokens of these refused until they have expired.

    Those sessions are listed in the user's row, which every request reads anyway. What ended longer ago than an access
    token lives leaves the list.
    """
    if not tokens.filter(revoked_at=None).update(revoked_at=now, revoked_reason=reason):
        return
    lifetime, leeway = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"], settings.SIMPLE_JWT["LEEWAY"]
    since = now - cast("timedelta", lifetime) - cast("timedelta", leeway)
    ended = RefreshToken.objects.filter(user_id=user_id, revoked_at__gt=since).exclude(revoked_reason=Reason.REPLACED)
    User.objects.filter(pk=user_id).update(ended_sessions=ArraySubquery(ended.values("family").distinct()))
    publish_users([user_id])


def end_all_sessions(*, user: User, reason: RefreshToken.Reason, now: datetime) -> None:
    """Sign the user out everywhere at once, access tokens and browsers too. The caller holds the user's lock."""
    revoke_all_refresh_tokens(user=user, reason=reason, now=now)
    User.objects.filter(pk=user.pk).update(sessions_ended=F("sessions_ended") + 1)
    publish_users([user.pk])


def purge_expired(*, now: datetime) -> int:
    """Delete expired tokens, a batch a transaction; return how many."""
    deleted, batch = 0, PURGE_BATCH
    while batch == PURGE_BATCH:
        expired = RefreshToken.objects.filter(expires_at__lte=now).values("pk")[:PURGE_BATCH]
        batch, _ = RefreshToken.objects.filter(pk__in=expired).delete()
        deleted += batch
    return deleted


def access_token(*, user_id: UUID, session_id: UUID, now: datetime, sessions_ended: int = 0) -> str:
    """Return a signed JWT with the claims `userId`, `sid` and `sessionsEnded`."""
    token = AccessToken()
    token.set_iat(at_time=now)
    token.set_exp(from_time=now)
    token["userId"] = str(user_id)
    token["sid"] = str(session_id)
    token["sessionsEnded"] = sessions_ended
    return str(token)


def lock_user(user_id: UUID) -> User | None:
    """Return the user, whose row nobody else changes until the transaction ends."""
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def lock_refresh_token(refresh: str) -> RefreshToken | None:
    """Return the token as it is once its user is locked: what was read before may have changed while waiting."""
    same_token = RefreshToken.objects.filter(token_hash=digest(refresh))
    of_token = User.objects.only("is_active", "sessions_ended").filter(pk=same_token.values("user_id")[:1])
    user = of_token.select_for_update(no_key=True).first()
    token = same_token.first() if user else None
    if token and user:
        token.user = user
    return token


def was_stolen(token: RefreshToken) -> bool:
    """Return whether somebody else goes on with the tokens of this sign-in.

    Either a successor of this token has been used, or this token was itself replaced, by one that has been used.
    """
    if token.first_used_at is None and token.revoked_at is None:
        return False
    if token.revoked_at is None:
        rivals = RefreshToken.objects.filter(parent_id=token.pk)
    elif token.revoked_reason == Reason.REPLACED:
        rivals = RefreshToken.objects.filter(parent_id=token.parent_id, revoked_at=None)
    else:
        return False
    return rivals.filter(first_used_at__isnull=False).exists()


def mark_used(token: RefreshToken, *, now: datetime) -> None:
    """Record the first use of a token; at a later one, revoke its earlier successor, which was never used."""
    if token.first_used_at is None:
        RefreshToken.objects.filter(pk=token.pk).update(first_used_at=now)
        return
    unused = RefreshToken.objects.filter(parent_id=token.pk, first_used_at=None, revoked_at=None)
    unused.update(revoked_at=now, revoked_reason=Reason.REPLACED)


def issue(*, user: User, family: UUID, parent: RefreshToken | None, client: Client, now: datetime) -> TokenPair:
    """Store a new refresh token and return it with a new access token. `parent`: the token that it succeeds."""
    refresh = secrets.token_urlsafe(RANDOM_BYTES)
    RefreshToken.objects.create(
        user_id=user.pk,
        token_hash=digest(refresh),
        family=family,
        parent_id=parent.pk if parent else None,
        signed_in_at=parent.signed_in_at if parent else now,
        created_at=now,
        expires_at=now + settings.REFRESH_TOKEN_LIFETIME,
        user_agent=client.user_agent[:MAX_USER_AGENT_LENGTH].replace("\x00", ""),
        ip=client.ip,
    )
    access = access_token(user_id=user.pk, session_id=family, now=now, sessions_ended=user.sessions_ended)
    return TokenPair(access=access, refresh=refresh)


def digest(refresh: str) -> bytes:
    """Return the hash of the text as it was sent: no other spelling of the same bytes is the same token."""
    return sha256(refresh.encode(errors="surrogatepass")).digest()
