"""Erase a user's personal data. The ledger entries stay, under a username that says nothing."""

import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import rules
from accounts.errors import UserErased
from accounts.models import RefreshToken, User
from core.db.transactions import require_transaction

# A top-level domain that never exists: RFC 2606.
ERASED_EMAIL_DOMAIN = "erased.invalid"
RANDOM_BYTES = 4
ATTEMPTS = 5
ERASED_VALUES: dict[str, Any] = {
    "name": "Erased",
    "avatar_url": "",
    "bio": "",
    "x_username": "",
    "last_login_at": None,
    "last_active_at": None,
    "is_active": False,
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
    user.groups.clear()
    user.user_permissions.clear()
    values = {
        **ERASED_VALUES,
        "password": make_password(None),
        "erased_at": now,
        "sessions_ended": F("sessions_ended") + 1,
    }
    User.objects.filter(pk=user.pk).update(**values)
    assign_unused_names(user)
    user.refresh_from_db()
    return user


def assign_unused_names(user: User) -> None:
    """Replace username, e-mail and referral code, with which a bonus would go to nobody."""
    for _ in range(ATTEMPTS):
        name = f"erased_{secrets.token_hex(RANDOM_BYTES)}"
        names = {"username": name, "email": f"{name}@{ERASED_EMAIL_DOMAIN}", "referral_code": rules.new_referral_code()}
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk).update(**names)
        except IntegrityError:
            continue
        return
    raise RuntimeError("No unused name was found.")
