"""Sign up, log in and out, refresh tokens, change passwords and profiles, leave, erase.

What staff do is in `suspension` and `staff`.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.db.models import F
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts import leaving, passwords, rules, tokens, usernames, verification
from accounts.changes import publish_users
from accounts.errors import (
    AccountLeaving,
    AccountSuspended,
    InvalidCredentials,
    StaffCannotLeave,
    UserErased,
    WrongPassword,
)
from accounts.mail.queue import queue_mail
from accounts.models import FormerUsername, Mail, RefreshToken, User
from accounts.registration import as_domain_error, register
from accounts.tokens import Client, TokenPair
from core.api.errors import DomainError
from core.db.transactions import require_transaction

logger = logging.getLogger(__name__)
Reason = RefreshToken.Reason


class SignedIn(NamedTuple):
    """Who signed in, with new tokens, and what became of the user's bets so far."""

    user: User
    tokens: TokenPair
    record: "BettingRecord"


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
    """Register a user, queue the mail that verifies the address, and sign them in.

    Raises ValidationError for a weak password, UsernameReserved, EmailTaken, UsernameTaken and InvalidReferralCode.
    """
    passwords.validate_strength(password, user=User(username=username, email=email, name=name))
    with transaction.atomic(durable=True):
        user = register(
            username=username, email=email, name=name, password=password, referral_code=referral_code, now=now
        )
        verification.queue_verification(user, now=now)
        return sign_in(user, client=client, now=now)


def sign_in(user: User, *, client: Client, now: datetime) -> SignedIn:
    """Issue the tokens of a new sign-in, inside the caller's transaction. Raises AccountSuspended.

    All that the response shows is read here, but the ranks: once the sign-in is committed, nothing may fail.
    """
    return show_tokens(user, tokens.issue_token_pair(user=user, client=client, now=now))


def show_tokens(user: User, pair: TokenPair) -> SignedIn:
    """Return new tokens with all that is shown of their user, as it is now."""
    user.refresh_from_db()
    return SignedIn(user, pair, record_of(user.pk))


def log_in(*, email: str, password: str, client: Client, now: datetime) -> SignedIn:
    """Sign in with e-mail and password, which takes back a deletion.

    Raises InvalidCredentials, and AccountSuspended if the password is right.
    """
    user = User.objects.with_email(email.strip()).first()
    # Slow on purpose, so outside the transaction.
    if not passwords.check_password(password, user) or user is None:
        raise InvalidCredentials
    with transaction.atomic(durable=True):
        held = tokens.lock_user(user.pk)
        # Deleted, or the password changed, while this one was being checked.
        if held is None or held.password != user.password:
            raise InvalidCredentials
        return sign_in(held, client=client, now=now)


def refresh(*, refresh_token: str, client: Client, now: datetime) -> TokenPair:
    """Exchange a refresh token for new tokens. Raises InvalidRefreshToken, TokenReused and AccountSuspended."""
    with transaction.atomic(durable=True):
        outcome = tokens.rotate(refresh=refresh_token, client=client, now=now)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def log_out(*, refresh_token: str, now: datetime) -> None:
    """End the sign-in that the token came from; an unknown token has no effect."""
    with transaction.atomic(durable=True):
        tokens.end_session(refresh=refresh_token, now=now)


def change_own_password(
    *,
    user_id: UUID,
    session_id: UUID | None,
    current_password: str,
    new_password: str,
    client: Client,
    now: datetime,
) -> SignedIn:
    """Change the password, which ends all sessions but this one, and issue new tokens of it.

    Without a session, as of an access token from before they were named, a new one begins and all others end. Raises
    WrongPassword, ValidationError for a weak new one, AccountLeaving and AccountSuspended.
    """
    user = User.objects.get(pk=user_id)
    if not passwords.check_password(current_password, user):
        raise WrongPassword
    passwords.validate_strength(new_password, user=user, field="newPassword")
    encoded = make_password(new_password)
    with transaction.atomic(durable=True):
        held = tokens.lock_user(user_id)
        # Changed by another request while this one was checked.
        if held is None or held.password != user.password:
            raise WrongPassword
        # Deleted meanwhile: this isn't a sign-in, which alone takes that back.
        if held.is_leaving:
            raise AccountLeaving
        store_password(held, encoded, now=now)
        tokens.revoke_other_sessions(user=held, session_id=session_id, reason=Reason.PASSWORD_CHANGED, now=now)
        pair = tokens.renew(user=held, session_id=session_id, client=client, now=now) if session_id else None
        return show_tokens(held, pair) if pair else sign_in(held, client=client, now=now)


def store_password(user: User, encoded: str, *, now: datetime) -> None:
    """Store a hashed password, and tell the user; the caller's transaction holds the user's lock, and ends sessions.

    A change of address that was begun is taken back: somebody else may have begun it.
    """
    User.objects.filter(pk=user.pk).update(password=encoded, pending_email="")
    if user.email_verified_at is not None:
        queue_mail(Mail.Kind.PASSWORD_CHANGED, address=user.email, user=user, now=now)


def create_demo_user(*, now: datetime) -> SignedIn:
    """Create a user without a password, for developers of a frontend, and sign them in."""
    username = f"demo_{secrets.token_hex(5)}"
    with transaction.atomic(durable=True):
        user = register(
            username=username,
            email=f"{username}@demo.example",
            name=f"Demo {username[-4:]}",
            password=None,
            referral_code=None,
            is_verified=True,
            now=now,
        )
        return sign_in(user, client=Client("create_demo_users", None), now=now)


# Profiles, with the ranks and the betting record that a higher app supplies


class ProfileChanges(TypedDict, total=False):
    """Validated values, by column."""

    name: str
    username: str
    avatar_url: str
    bio: str


# What a sign-in with a provider fills in, until the person has chosen it: `accounts.providers`.
CHOSEN = {"name": "name_chosen", "avatar_url": "avatar_chosen"}


def update_profile(*, user_id: UUID, changes: ProfileChanges, email: str | None = None, now: datetime) -> User:
    """Change a user's profile and return the user. A new `email` counts once it is verified.

    Raises UsernameReserved, UsernameTaken.
    """
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        former = user.username
        changed = [field for field, value in changes.items() if getattr(user, field) != value]
        for field in changed:
            setattr(user, field, changes[field])  # type: ignore[literal-required]
        chosen = [CHOSEN[field] for field in changed if field in CHOSEN]
        for flag in chosen:
            setattr(user, flag, True)
        is_renamed = user.username.lower() != former.lower()
        if is_renamed:
            usernames.require_unreserved(user.username)
        try:
            user.save(update_fields=[*changed, *chosen])
        except IntegrityError as exc:
            raise as_domain_error(exc) from exc
        if is_renamed:
            usernames.require_not_held(user, now=now)
            usernames.hold(former, user=user, now=now)
        if email is not None:
            verification.request_email_change(user, email, now=now)
        return user


@dataclass(frozen=True, slots=True)
class Ranks:
    """A user's ranks, from 1 on; None where a user isn't ranked."""

    by_pnl: int | None = None
    by_volume: int | None = None


RankSource = Callable[[UUID], Ranks]


def unranked(user_id: UUID) -> Ranks:
    """Return no ranks: the source as long as no app has registered its own."""
    return Ranks()


RANK_SOURCES: list[RankSource] = [unranked]


def register_rank_source(source: RankSource) -> None:
    """Take users' ranks from `source` from now on."""
    RANK_SOURCES[:] = [source]


def ranks_of(user_id: UUID) -> Ranks:
    """Return the ranks of a user as the registered source knows them."""
    (source,) = RANK_SOURCES
    return source(user_id)


def ranks_if_readable(user_id: UUID) -> Ranks:
    """Return the ranks of a user, or none where the database doesn't tell them now, as while their table is replaced.

    For responses about what is committed already: an error would say that it didn't happen.
    """
    try:
        return ranks_of(user_id)
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("the ranks of user %s can't be read", user_id, exc_info=exc)
        return Ranks()


@dataclass(frozen=True, slots=True)
class BettingRecord:
    """What became of a user's bets. `win_rate`: percent of those won or lost; `biggest_win`: the most profit of one."""

    total_bets: int = 0
    win_rate: Decimal = Decimal("0.00")
    biggest_win: Decimal = Decimal("0.00")


RecordSource = Callable[[UUID], BettingRecord]


def no_record(user_id: UUID) -> BettingRecord:
    """Return a record without bets: the source as long as no app has registered its own."""
    return BettingRecord()


RECORD_SOURCES: list[RecordSource] = [no_record]


def register_record_source(source: RecordSource) -> None:
    """Take users' records from `source` from now on."""
    RECORD_SOURCES[:] = [source]


def record_of(user_id: UUID) -> BettingRecord:
    """Return the record of a user as the registered source knows it."""
    (source,) = RECORD_SOURCES
    return source(user_id)


# -- Leaving, and erasure: the ledger entries stay, under a username that says nothing


def leave(*, user_id: UUID, password: str | None, now: datetime) -> datetime:
    """Delete the user's account: deactivate it at once, end all sessions, and return when it is erased.

    Whoever has a password has to give it. A user who is leaving already keeps the date. Raises WrongPassword,
    ValidationError without a password that is needed, AccountSuspended and StaffCannotLeave.
    """
    user = User.objects.get(pk=user_id)
    require_own_password(user, password)
    with transaction.atomic(durable=True):
        held = tokens.lock_user(user_id)
        # Changed by another request while this one was checked.
        if held is None or held.password != user.password:
            raise WrongPassword
        if held.deletion_due_at:
            return held.deletion_due_at
        if not held.is_active:
            raise AccountSuspended
        # Else there might be no superuser left, and an action of theirs might be nobody's.
        if held.is_staff or held.is_superuser:
            raise StaffCannotLeave
        due_at = leaving.mark_leaving(held, now=now)
        tokens.end_all_sessions(user=held, reason=Reason.LEFT, now=now)
        if held.email_verified_at is not None:
            queue_mail(Mail.Kind.DELETION_REQUESTED, address=held.email, user=held, now=now)
        return due_at


def require_own_password(user: User, password: str | None) -> None:
    """Raise ValidationError without the password, and WrongPassword for a wrong one; of users who have one."""
    if not user.has_usable_password():
        return
    if password is None:
        raise ValidationError({"password": [ErrorDetail("Your password is needed for this.", "required")]})
    if not passwords.check_password(password, user):
        raise WrongPassword


RANDOM_BYTES = 4
ATTEMPTS = 5
ERASED_VALUES: dict[str, Any] = {
    "name": "Erased",
    "avatar_url": "",
    "bio": "",
    "x_username": "",
    "ended_sessions": [],
    "pending_email": "",
    "last_login_at": None,
    "last_active_at": None,
    "earlier_active_days": 0,
    "is_active": False,
    "deletion_due_at": None,
    "is_staff": False,
    "is_superuser": False,
}


def erase_personal_data(*, user: User, now: datetime) -> User:
    """Erase the personal data of a user: nobody can sign in any more, and e-mail and username are free again.

    Returns the user as erased. Runs inside the caller's transaction, which holds the user's lock. Raises UserErased.
    """
    require_transaction("erase_personal_data")
    if user.erased_at:
        raise UserErased
    RefreshToken.objects.filter(user=user).delete()
    FormerUsername.objects.filter(user=user).delete()
    Mail.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    values = {
        **ERASED_VALUES,
        "password": make_password(None),
        "erased_at": now,
        "sessions_ended": F("sessions_ended") + 1,
    }
    User.objects.filter(pk=user.pk).update(**values)
    publish_users([user.pk])
    assign_unused_names(user)
    user.refresh_from_db()
    return user


def assign_unused_names(user: User) -> None:
    """Replace username, e-mail and referral code, with which a bonus would go to nobody."""
    for _ in range(ATTEMPTS):
        name = f"erased_{secrets.token_hex(RANDOM_BYTES)}"
        email = f"{name}@{rules.ERASED_EMAIL_DOMAIN}"
        names = {"username": name, "email": email, "referral_code": rules.new_referral_code()}
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk).update(**names)
        except IntegrityError:
            continue
        return
    raise RuntimeError("No unused name was found.")
