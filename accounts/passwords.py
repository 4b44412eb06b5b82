"""Hash, check and judge passwords; end all sessions, and tell the user, when one changes.

What a new password must be is in `accounts.rules.PASSWORD_VALIDATORS`.
"""

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts import tokens
from accounts.mail.queue import queue_mail
from accounts.models import Mail, RefreshToken, User

# No password matches it, and checking one takes as long as with a real hash.
NO_USER = User(password=UNUSABLE_PASSWORD_PREFIX)


class Argon2Hasher(Argon2PasswordHasher):
    """Hash with 19 MiB and two passes: Django's 100 MiB for each thread is more than a small machine has.

    Source: OWASP, Password Storage Cheat Sheet.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1


def check_password(password: str, user: User | None) -> bool:
    """Return whether it is the user's password, in the same time whether or not there is such a user."""
    return (user or NO_USER).check_password(password)


def validate_strength(password: str, *, user: User, field: str = "password") -> None:
    """Raise ValidationError with every reason why the password is too weak for this user."""
    if errors := weaknesses(password, user=user, field=field):
        raise ValidationError(errors)


def weaknesses(password: str, *, user: User, field: str = "password") -> dict[str, list[ErrorDetail]]:
    """Return the field's error with every reason why the password is too weak for this user; empty for a good one."""
    try:
        validate_password(password, user)
    except DjangoValidationError as exc:
        return {field: [ErrorDetail(" ".join(exc.messages), exc.error_list[0].code or "invalid")]}
    return {}


class EndsSessions:
    """End all sessions when a password changes, and tell the user: Django tells its validators, whatever changed it.

    That is the admin, or a command. Use cases of the API store a hash (`accounts.services.store_password`) themselves.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Accept any password."""

    def get_help_text(self) -> str:
        return "All devices are signed out."

    def password_changed(self, password: str, user: User) -> None:
        now = timezone.now()
        with transaction.atomic():
            tokens.lock_user(user.pk)
            tokens.revoke_all_refresh_tokens(user=user, reason=RefreshToken.Reason.PASSWORD_CHANGED, now=now)
            if user.email_verified_at is not None:
                queue_mail(Mail.Kind.PASSWORD_CHANGED, address=user.email, user=user, now=now)
