"""What a registration is worth. Runs inside the transaction that makes the user."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_registered
from economy.bonuses import grant_registration_bonuses


@receiver(user_registered, dispatch_uid="economy.registration_bonuses")
def on_user_registered(*, user: User, referrer: User | None, now: datetime, **kwargs: Any) -> None:
    grant_registration_bonuses(user_id=user.pk, referrer_id=referrer.pk if referrer else None, now=now)
