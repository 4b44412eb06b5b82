"""Register a new user, whichever way they sign up."""

from datetime import datetime

import psycopg
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F
from django.dispatch import Signal

from accounts import rules, usernames
from accounts.errors import EmailTaken, InvalidReferralCode, UsernameTaken
from accounts.models import User
from core.api.errors import DomainError
from core.db.transactions import require_transaction
from core.events import log_event

# Sent with `user`, `referrer` (another user, or None) and `now`. Receivers run in the transaction that makes the user.
user_registered = Signal()
# Likewise, once for a user: in the transaction that first verifies an address of theirs. After `user_registered`.
user_verified = Signal()

REFERRAL_CODE_ATTEMPTS = 5


CONFLICTS: dict[str, type[DomainError]] = {"users_email_unique": EmailTaken, "users_username_unique": UsernameTaken}


def register(  # noqa: PLR0913 - what is known of a new user
    *,
    username: str,
    email: str,
    name: str,
    password: str | None,
    referral_code: str | None,
    avatar_url: str = "",
    x_username: str = "",
    name_chosen: bool = True,
    is_verified: bool = False,
    now: datetime,
) -> User:
    """Create a user from validated input and send `user_registered`, all in the caller's transaction.

    Without a password the user can't sign in with one. A referrer is recorded and counted, suspended or not.
    `name_chosen`: whether the person chose the name. A user who `is_verified` needs no mail to be one person among
    others: X says so, say. For them `user_verified` is sent as well. Raises UsernameReserved, EmailTaken, UsernameTaken
    and InvalidReferralCode; the transaction is usable after each of them.
    """
    require_transaction("register")
    usernames.require_unreserved(username)
    # Slow on purpose, so before anything is locked.
    encoded = make_password(password)
    with transaction.atomic():
        referrer = lock_referrer(referral_code)
        user = User(
            username=username,
            email=normalise_email(email),
            name=name,
            password=encoded,
            avatar_url=avatar_url,
            x_username=x_username,
            name_chosen=name_chosen,
            email_verified_at=now if is_verified else None,
            referred_by=referrer,
            created_at=now,
        )
        insert(user)
        usernames.require_not_held(user, now=now)
        if referrer:
            User.objects.filter(pk=referrer.pk).update(referral_count=F("referral_count") + 1)
        user_registered.send(sender=User, user=user, referrer=referrer, now=now)
        if is_verified:
            user_verified.send(sender=User, user=user, referrer=referrer, now=now)
        log_event("a user signed up", userId=user.pk, referrerId=referrer and referrer.pk)
    return user


def normalise_email(email: str) -> str:
    """Return the address trimmed, its domain in lower case; the part before it is its owner's affair."""
    return User.objects.normalize_email(email.strip())


def lock_referrer(code: str | None) -> User | None:
    """Return the user whose code it is, locked, or None without a code. Raises InvalidReferralCode.

    This happens before the new user exists: users are locked in the order of their ids, which follow time.
    """
    wanted = rules.normalise_referral_code(code or "")
    if not wanted:
        return None
    # PostgreSQL's text has no NUL, so no stored code has one.
    referrer = User.objects.select_for_update(no_key=True).filter(referral_code=wanted.replace("\x00", "?")).first()
    if referrer is None:
        raise InvalidReferralCode
    return referrer


def insert(user: User) -> None:
    """Insert the user. Raises EmailTaken or UsernameTaken, as the unique indexes decide, which no race gets round."""
    for _ in range(REFERRAL_CODE_ATTEMPTS):
        try:
            with transaction.atomic():
                user.save(force_insert=True)
        except IntegrityError as exc:
            if violated_constraint(exc) != "users_referral_code_unique":
                raise as_domain_error(exc) from exc
            user.referral_code = rules.new_referral_code()
        else:
            return
    raise RuntimeError("No unused referral code was found.")


def as_domain_error(exc: IntegrityError) -> Exception:
    """Return EmailTaken or UsernameTaken for their constraints; any other error as it is."""
    conflict = CONFLICTS.get(violated_constraint(exc))
    return conflict() if conflict else exc


def violated_constraint(exc: IntegrityError) -> str:
    cause = exc.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
