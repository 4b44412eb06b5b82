"""Tokens that are mailed: whoever brings one back reads the mail to an address.

A token is signed, names its user and the time until which it is good, and has a fingerprint of the state that using it
changes: once used, or once that state has changed otherwise, it fits no more. So nothing of it is stored. Two requests
with one token are told apart by the lock on the user's row, under which the fingerprint is compared.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts import rules
from accounts.errors import InvalidToken
from accounts.models import User
from core.api.requests import parse_uuid


class Purpose(StrEnum):
    """What a token is for: one of another purpose is no token."""

    PASSWORD_RESET = "accounts.password-reset"  # noqa: S105 - a salt
    EMAIL_VERIFICATION = "accounts.email-verification"


def state_of_password(user: User) -> tuple[str, ...]:
    return (user.password, str(user.sessions_ended), user.email.lower())


def state_of_email(user: User) -> tuple[str, ...]:
    """Return the addresses and whether one is verified; for a change also what ends when somebody else had it begun."""
    addresses = (user.email.lower(), user.pending_email.lower(), str(user.email_verified_at))
    return (*addresses, user.password, str(user.sessions_ended)) if user.pending_email else addresses


STATES: Mapping[Purpose, Callable[[User], tuple[str, ...]]] = {
    Purpose.PASSWORD_RESET: state_of_password,
    Purpose.EMAIL_VERIFICATION: state_of_email,
}


def lifetime_of(purpose: Purpose) -> timedelta:
    lifetime: timedelta = settings.EMAIL_VERIFICATION_LIFETIME
    return rules.PASSWORD_RESET_LIFETIME if purpose == Purpose.PASSWORD_RESET else lifetime


class EmailToken(NamedTuple):
    """A token whose signature and time are good; whether it still fits its user is asked under the user's lock."""

    purpose: Purpose
    user_id: UUID
    fingerprint: str

    def fits(self, user: User) -> bool:
        """Return whether nothing that the token would change has changed since it was made."""
        return user.pk == self.user_id and constant_time_compare(self.fingerprint, fingerprint(user, self.purpose))


def make_token(user: User, purpose: Purpose, *, now: datetime) -> str:
    """Return a new token for the user as they are now."""
    expires_at = int((now + lifetime_of(purpose)).timestamp())
    signer = signing.Signer(salt=purpose)
    return signer.sign_object([str(user.pk), expires_at, fingerprint(user, purpose)])


def read_token(token: str, purpose: Purpose, *, now: datetime) -> EmailToken:
    """Return what the token says. Raises InvalidToken for one that we didn't sign for this purpose, or that is over."""
    try:
        user_id, expires_at, print_ = signing.Signer(salt=purpose).unsign_object(token)
        found = parse_uuid(user_id)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidToken from None
    if found is None or expires_at <= now.timestamp():
        raise InvalidToken
    return EmailToken(purpose, found, print_)


def fingerprint(user: User, purpose: Purpose) -> str:
    return salted_hmac(purpose, "\0".join(STATES[purpose](user)), algorithm="sha256").hexdigest()
