"""How passwords are stored, which are good enough, and what a new one ends."""

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts import tokens
from accounts.models import RefreshToken, User

MAX_PASSWORD_LETTERS = 128
# No password fits it, and checking one takes as long as with a real hash.
NOBODY = User(password=UNUSABLE_PASSWORD_PREFIX)


class Argon2Hasher(Argon2PasswordHasher):
    """19 MiB and two passes: Django's 100 MiB, times every thread that checks one, is more than a small machine has.

    Source: OWASP, Password Storage Cheat Sheet.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1


def fits(password: str, user: User | None) -> bool:
    """In the same time whether or not there is such a user."""
    return (user or NOBODY).check_password(password)


def check_strength(password: str, *, user: User, field: str = "password") -> None:
    """Raises ValidationError with every reason why the password is too weak for this user."""
    try:
        validate_password(password, user)
    except DjangoValidationError as exc:
        reasons = ErrorDetail(" ".join(exc.messages), exc.error_list[0].code or "invalid")
        raise ValidationError({field: [reasons]}) from exc


class EndsSessions:
    """A password validator that Django tells of every changed password, whatever changed it: all tokens are revoked."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Any password will do."""

    def get_help_text(self) -> str:
        return "All devices are signed out."

    def password_changed(self, password: str, user: User) -> None:
        with transaction.atomic():
            tokens.lock_user(user.pk)
            tokens.revoke_all(user=user, reason=RefreshToken.Reason.PASSWORD_CHANGED, now=timezone.now())
