"""What people do with their accounts. What staff do with them: `accounts.suspension`."""

import secrets
from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts import passwords, tokens
from accounts.clients import Client
from accounts.models import RefreshToken, User
from accounts.registration import in_our_words, register
from accounts.tokens import TokenPair
from core.api.errors import DomainError

Reason = RefreshToken.Reason


class InvalidCredentials(DomainError):
    """One for an unknown e-mail and for a wrong password, so that it doesn't tell which."""

    code = "invalid_credentials"
    status = 401
    message = "Invalid email or password"


class WrongPassword(DomainError):
    code = "wrong_password"
    message = "The current password is wrong."


class SignedIn(NamedTuple):
    user: User
    tokens: TokenPair


class ProfileChanges(TypedDict, total=False):
    """Checked values, by column."""

    name: str
    username: str
    avatar_url: str
    bio: str


def sign_up(
    *,
    username: str,
    email: str,
    name: str,
    password: str,
    referral_code: str | None,
    client: Client,
    now: datetime,
) -> SignedIn:
    """Raises ValidationError for a weak password, EmailTaken, UsernameTaken and InvalidReferralCode."""
    passwords.check_strength(password, user=User(username=username, email=email, name=name))
    with transaction.atomic(durable=True):
        user = register(
            username=username, email=email, name=name, password=password, referral_code=referral_code, now=now
        )
        return sign_in(user, client=client, now=now)


def sign_in(user: User, *, client: Client, now: datetime) -> SignedIn:
    """Runs inside the caller's transaction. Raises AccountSuspended."""
    pair = tokens.issue_token_pair(user=user, user_agent=client.user_agent, ip=client.ip, now=now)
    user.refresh_from_db()
    return SignedIn(user, pair)


def log_in(*, email: str, password: str, client: Client, now: datetime) -> SignedIn:
    """Raises InvalidCredentials, and AccountSuspended to who knows the password."""
    user = User.objects.with_email(email.strip()).first()
    # Slow on purpose, so outside the transaction.
    if not passwords.fits(password, user) or user is None:
        raise InvalidCredentials
    with transaction.atomic(durable=True):
        held = tokens.lock_user(user.pk)
        # Deleted, or the password changed, while this one was being checked.
        if held is None or held.password != user.password:
            raise InvalidCredentials
        return sign_in(held, client=client, now=now)


def refresh(*, refresh_token: str, client: Client, now: datetime) -> TokenPair:
    """Raises InvalidRefreshToken, TokenReused and AccountSuspended."""
    with transaction.atomic(durable=True):
        outcome = tokens.rotate(refresh=refresh_token, user_agent=client.user_agent, ip=client.ip, now=now)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def log_out(*, refresh_token: str, now: datetime) -> None:
    """Ends the sign-in that the token came from; an unknown token ends nothing."""
    with transaction.atomic(durable=True):
        tokens.end_session(refresh=refresh_token, now=now)


def update_profile(*, user_id: UUID, changes: ProfileChanges) -> User:
    """The user as changed. Raises UsernameTaken."""
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        for field, value in changes.items():
            setattr(user, field, value)
        try:
            user.save(update_fields=[*changes])
        except IntegrityError as exc:
            raise in_our_words(exc) from exc
        return user


def change_own_password(
    *, user_id: UUID, current_password: str, new_password: str, client: Client, now: datetime
) -> SignedIn:
    """Signs the user out everywhere, and in again here.

    Raises WrongPassword, ValidationError for a weak new one, and AccountSuspended.
    """
    user = User.objects.get(pk=user_id)
    if not passwords.fits(current_password, user):
        raise WrongPassword
    passwords.check_strength(new_password, user=user, field="newPassword")
    encoded = make_password(new_password)
    with transaction.atomic(durable=True):
        held = tokens.lock_user(user_id)
        # Changed by another request while this one was checked.
        if held is None or held.password != user.password:
            raise WrongPassword
        store_password(held, encoded, now=now)
        return sign_in(held, client=client, now=now)


def store_password(user: User, encoded: str, *, now: datetime) -> None:
    """Runs inside the caller's transaction, which holds the user's lock."""
    User.objects.filter(pk=user.pk).update(password=encoded)
    tokens.revoke_all(user=user, reason=Reason.PASSWORD_CHANGED, now=now)


def create_demo_user(*, now: datetime) -> SignedIn:
    """A user without password for developers of a frontend, signed in."""
    username = f"demo_{secrets.token_hex(5)}"
    with transaction.atomic(durable=True):
        user = register(
            username=username,
            email=f"{username}@demo.example",
            name=f"Demo {username[-4:]}",
            password=None,
            referral_code=None,
            now=now,
        )
        return sign_in(user, client=Client("create_demo_users", None), now=now)
