"""How a person becomes a user, whichever way the person came."""

from datetime import datetime

import psycopg
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import User
from accounts.referral_codes import new_referral_code, normalised
from accounts.signals import user_registered
from core.api.errors import DomainError
from core.db.transactions import require_transaction

REFERRAL_CODE_ATTEMPTS = 5


class EmailTaken(DomainError):
    code = "email_taken"
    status = 409
    message = "Email already registered"


class UsernameTaken(DomainError):
    code = "username_taken"
    status = 409
    message = "Username already taken"


class InvalidReferralCode(DomainError):
    code = "invalid_referral_code"
    message = "Invalid referral code"


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
    now: datetime,
) -> User:
    """Makes a user from checked input and says `user_registered`, all in the caller's transaction.

    Without a password none will ever fit. A referrer is recorded and counted, suspended or not. Raises EmailTaken,
    UsernameTaken and InvalidReferralCode; the transaction is usable after each of them.
    """
    require_transaction("register")
    # Slow on purpose, so before anything is locked.
    encoded = make_password(password)
    with transaction.atomic():
        referrer = lock_referrer(referral_code)
        user = User(
            username=username,
            email=normalised_email(email),
            name=name,
            password=encoded,
            avatar_url=avatar_url,
            x_username=x_username,
            referred_by=referrer,
            created_at=now,
        )
        insert(user)
        if referrer:
            User.objects.filter(pk=referrer.pk).update(referral_count=F("referral_count") + 1)
        user_registered.send(sender=User, user=user, referrer=referrer, now=now)
    return user


def normalised_email(email: str) -> str:
    """Trimmed, the domain in lower case; the part before it is its owner's affair."""
    return User.objects.normalize_email(email.strip())


def lock_referrer(code: str | None) -> User | None:
    """Locked before the new user exists: users are locked in the order of their ids, which follow time."""
    wanted = normalised(code or "")
    if not wanted:
        return None
    # A code that PostgreSQL can't even be asked about is no code of ours.
    referrer = User.objects.select_for_update(no_key=True).filter(referral_code=wanted.replace("\x00", "?")).first()
    if referrer is None:
        raise InvalidReferralCode
    return referrer


def insert(user: User) -> None:
    """Raises EmailTaken or UsernameTaken, as the unique indexes say, which no race gets round."""
    for _ in range(REFERRAL_CODE_ATTEMPTS):
        try:
            with transaction.atomic():
                user.save(force_insert=True)
        except IntegrityError as exc:
            if violated_constraint(exc) != "users_referral_code_unique":
                raise in_our_words(exc) from exc
            user.referral_code = new_referral_code()
        else:
            return
    raise RuntimeError("No unused referral code was found.")


def in_our_words(exc: IntegrityError) -> Exception:
    """A taken e-mail or username as such; anything else as it is."""
    conflict = CONFLICTS.get(violated_constraint(exc))
    return conflict() if conflict else exc


def violated_constraint(exc: IntegrityError) -> str:
    cause = exc.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
