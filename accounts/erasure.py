"""Taking the person out of an account. Its books stay, under a name that says nothing."""

import secrets
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import RefreshToken, User
from accounts.referral_codes import new_referral_code
from core.api.errors import DomainError
from core.db.transactions import require_transaction

# Reserved for names that lead nowhere: RFC 2606.
NOWHERE = "erased.invalid"
RANDOM_BYTES = 4
ATTEMPTS = 5
NOTHING: dict[str, Any] = {
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


class UserErased(DomainError):
    code = "user_erased"
    status = 409
    message = "This user was erased: nothing brings the person back."


def erase_person(*, user: User, now: datetime) -> User:
    """The user without the person: nobody can sign in, and e-mail and username are free for somebody new.

    Runs inside the caller's transaction, which holds the user's lock. Raises UserErased where it is done already.
    """
    require_transaction("erase_person")
    if user.erased_at:
        raise UserErased
    RefreshToken.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    nobody = {**NOTHING, "password": make_password(None), "erased_at": now, "sessions_ended": F("sessions_ended") + 1}
    User.objects.filter(pk=user.pk).update(**nobody)
    rename(user)
    user.refresh_from_db()
    return user


def rename(user: User) -> None:
    """The referral code goes, too: a bonus would go to nobody."""
    for _ in range(ATTEMPTS):
        name = f"erased_{secrets.token_hex(RANDOM_BYTES)}"
        names = {"username": name, "email": f"{name}@{NOWHERE}", "referral_code": new_referral_code()}
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk).update(**names)
        except IntegrityError:
            continue
        return
    raise RuntimeError("No unused name was found.")
