"""Who is asking: `Authorization: Bearer <accessToken>`, a JWT with the claim `userId`.

Whether the user still exists and is active is looked up each time: one query.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.models import User
from accounts.tokens import AccountSuspended

ACTIVITY_NOTED_EVERY = timedelta(minutes=5)


class JWTAuthentication(authentication.JWTAuthentication):
    """Answers 401 for a token that is bad or expired, or whose user is gone, and 403 for a suspended user."""

    errors: ClassVar[tuple[type[Exception], ...]] = (AuthenticationFailed, AccountSuspended)

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return AccessToken(raw_token)  # type: ignore[arg-type]
        except TokenError as exc:
            raise AuthenticationFailed("Invalid or expired access token") from exc

    def get_user(self, validated_token: Token) -> Any:
        user_id = as_user_id(validated_token.get("userId"))
        user = find_user(user_id) if user_id else None
        if user is None:
            raise AuthenticationFailed("Invalid or expired access token")
        if not user.is_active:
            raise AccountSuspended
        # A token from before there was a count was told none.
        if validated_token.get("sessionsEnded", 0) != user.sessions_ended:
            raise AuthenticationFailed("Invalid or expired access token")
        note_activity(user, now=timezone.now())
        return user


class PublicJWTAuthentication(JWTAuthentication):
    """For public endpoints: a bad token is as good as none, and so is a suspended user's."""

    errors = ()

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except (AuthenticationFailed, AccountSuspended):
            return None


FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 - Django's documented API
FIND = f"SELECT {', '.join(FIELDS)} FROM users WHERE id = %s"  # noqa: S608 - made of the model's columns
# Whoever holds the row, a settlement say, isn't waited for: the next request will do.
NOTE_ACTIVITY = """
UPDATE users SET last_active_at = %(now)s WHERE id = (
    SELECT id FROM users
    WHERE id = %(id)s AND (last_active_at IS NULL OR last_active_at <= %(before)s)
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


def find_user(user_id: UUID) -> User | None:
    """By a statement written once: for the ORM, making it takes longer than asking it."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [user_id])
        row = cursor.fetchone()
    return User.from_db(connection.alias, FIELDS, row) if row else None


def as_user_id(claim: Any) -> UUID | None:
    try:
        return UUID(claim) if isinstance(claim, str) else None
    except ValueError:
        return None


def note_activity(user: User, *, now: datetime) -> None:
    """Written at most every five minutes, by one of however many requests come at once."""
    before = now - ACTIVITY_NOTED_EVERY
    if user.last_active_at is None or user.last_active_at <= before:
        with connection.cursor() as cursor:
            cursor.execute(NOTE_ACTIVITY, {"now": now, "id": user.pk, "before": before})
        user.last_active_at = now
