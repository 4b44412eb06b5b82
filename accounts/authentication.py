"""Authenticate requests by `Authorization: Bearer <accessToken>`, a JWT with `userId`, `sid` and `sessionsEnded`.

Whether the user still exists and is active, and the session goes on, is looked up for every request, with one query.
"""

from ipaddress import ip_address
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.activity import record_activity
from accounts.errors import AccountSuspended
from accounts.models import User
from accounts.tokens import Client
from core.api.requests import parse_uuid
from core.db.sql import fetch_one

FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 - Django's documented API
SELECT_USER = f"SELECT {', '.join(FIELDS)} FROM users WHERE id = %s"  # noqa: S608 - made of the model's columns


class JWTAuthentication(authentication.JWTAuthentication):
    """Respond with 401 to a token that is bad or expired, or whose user is gone, and with 403 to a suspended user."""

    # What it can raise, for the OpenAPI description.
    errors: ClassVar[tuple[type[Exception], ...]] = (AuthenticationFailed, AccountSuspended)

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            token = AccessToken(raw_token)  # type: ignore[arg-type]
            is_expired = token["exp"] <= timezone.now().timestamp()
        # The library raises the others for a time that is none, in a token that is signed by our key.
        except (TokenError, ValueError, TypeError, OverflowError, OSError) as exc:
            raise AuthenticationFailed("Invalid or expired access token") from exc
        # LEEWAY is for tokens that another machine issued, whose clock is ahead: none lives longer for it.
        if is_expired:
            raise AuthenticationFailed("Invalid or expired access token")
        return token

    def get_user(self, validated_token: Token) -> Any:
        claim = validated_token.get("userId")
        user_id = parse_uuid(claim) if isinstance(claim, str) else None
        user = find_user(user_id) if user_id else None
        if user is None or user.is_leaving:
            raise AuthenticationFailed("Invalid or expired access token")
        if not user.is_active:
            raise AccountSuspended
        if has_ended(validated_token, user):
            raise AuthenticationFailed("Invalid or expired access token")
        record_activity(user, now=timezone.now())
        return user


class PublicJWTAuthentication(JWTAuthentication):
    """Authenticate on public endpoints, where a bad token, or a suspended user's, counts as none."""

    errors = ()

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except (AuthenticationFailed, AccountSuspended):
            return None


class JWTScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the access token in the OpenAPI schema."""

    target_class = "accounts.authentication.JWTAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class PublicJWTScheme(JWTScheme):  # type: ignore[no-untyped-call]
    """Describe the optional token under another name: drf-spectacular takes one name for one way to authenticate."""

    target_class = "accounts.authentication.PublicJWTAuthentication"
    name = "optionalAccessToken"


def has_ended(token: Token, user: User) -> bool:
    """Return whether the token's session was ended, alone or with all others; a token from before a claim has none."""
    if token.get("sessionsEnded", 0) != user.sessions_ended:
        return True
    return bool(user.ended_sessions) and token.get("sid") in map(str, user.ended_sessions)


def current_session(request: Request) -> UUID | None:
    """Return the session of the request's access token; None for a token from before sessions were named."""
    claim = request.auth.get("sid") if isinstance(request.auth, Token) else None
    return parse_uuid(claim) if isinstance(claim, str) else None


def current_user(request: Request) -> User:
    """Return the user who makes the request, in views whose permissions require a signed-in user."""
    return cast("User", request.user)


def find_user(user_id: UUID) -> User | None:
    """Return the user, or None.

    Every authenticated request does this: a statement written once is faster than one that the ORM builds each time.
    """
    row = fetch_one(SELECT_USER, [user_id])
    return User.from_db(connection.alias, FIELDS, row) if row else None


def client_of(request: Request | HttpRequest) -> Client:
    """Return the user agent and the address of a request, as they are stored with the token that it is given."""
    return Client(user_agent=request.META.get("HTTP_USER_AGENT", ""), ip=address_of(request))


def address_of(request: Request | HttpRequest) -> str | None:
    """Return the client's IP address, or None where what a proxy wrote isn't one."""
    # Looks at META alone, so Django's request is as good as DRF's.
    named = BaseThrottle().get_ident(request)  # type: ignore[arg-type]
    try:
        return str(ip_address(named or ""))
    except ValueError:
        return None
