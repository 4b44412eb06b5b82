"""Referrals: credits for signing up and for bringing a new user, and the list of whom a user brought."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from accounts.models import User
from accounts.registration import user_registered
from core.db.sql import fetch_value
from economy import rules
from economy.ledger import Transfer, post_many
from economy.models import TransactionType
from economy.recorded_rules import REFERRAL_BONUS, REFERRAL_CAP, SIGNUP_BONUS, record_rule
from economy.serializers import ReferredUserSerializer
from notifications.models import NotificationType
from notifications.services import Cause, notify

logger = logging.getLogger(__name__)
ZERO = Decimal(0)

# Locks the referrer, so that the bonuses of a day are counted one registration at a time. A suspended one has no row.
LOCK_REFERRER = "SELECT id FROM users WHERE id = %(referrer_id)s AND is_active FOR NO KEY UPDATE"
PAID_TODAY = """
SELECT count(*) FROM (
    SELECT 1 FROM credit_transactions
    WHERE user_id = %(referrer_id)s AND transaction_type = 'referral_bonus'
    AND created_at >= date_trunc('day', %(now)s::timestamptz, 'UTC')
    AND created_at < date_trunc('day', %(now)s::timestamptz, 'UTC') + interval '1 day'
    LIMIT %(cap)s
) AS paid
"""


@receiver(user_registered, dispatch_uid="economy.registration_bonuses")
def on_user_registered(*, user: User, referrer: User | None, now: datetime, **kwargs: Any) -> None:
    """Grant the bonuses inside the transaction that makes the user."""
    grant_registration_bonuses(user_id=user.pk, referrer_id=referrer.pk if referrer else None, now=now)


def grant_registration_bonuses(*, user_id: UUID, referrer_id: UUID | None, now: datetime) -> None:
    """Post the new user's starting credits, and the referrer's bonus where one is due; each once for a new user.

    The referrer is notified, paid or not.
    """
    record_rule(SIGNUP_BONUS, rules.STARTING_CREDITS, now=now)
    transfers = [
        Transfer(
            user_id=user_id,
            amount=rules.STARTING_CREDITS,
            transaction_type=TransactionType.SIGNUP_BONUS,
            reference_id=user_id,
            description="Welcome bonus",
        )
    ]
    # The new user's row is locked already, and no other transaction can see it: the order of the two doesn't matter.
    bonus = ZERO
    if referrer_id and is_bonus_due(referrer_id, now):
        bonus = rules.REFERRAL_BONUS_CREDITS
        record_rule(REFERRAL_BONUS, rules.REFERRAL_BONUS_CREDITS, now=now)
        record_rule(REFERRAL_CAP, rules.REFERRAL_DAILY_CAP, now=now)
        transfers.append(
            Transfer(
                user_id=referrer_id,
                amount=bonus,
                transaction_type=TransactionType.REFERRAL_BONUS,
                reference_id=user_id,
                description="Referral bonus",
            )
        )
    post_many([transfer for transfer in transfers if transfer.amount], now=now)
    if referrer_id:
        about = {"userId": user_id, "amount": bonus}
        joined = NotificationType.REFERRAL_JOINED
        notify([Cause(user_id=referrer_id, type=joined, reference_id=user_id, data=about)], now=now)


def is_bonus_due(referrer_id: UUID, now: datetime) -> bool:
    """Return whether this referrer is paid for another new user today, and lock the referrer."""
    cap = rules.REFERRAL_DAILY_CAP
    if fetch_value(LOCK_REFERRER, {"referrer_id": referrer_id}) is None:
        return False
    if fetch_value(PAID_TODAY, {"referrer_id": referrer_id, "now": now, "cap": cap}) >= cap:
        logger.warning("referrer %s has reached the daily cap of %s: unpaid", referrer_id, cap)
        return False
    return True


def list_referred_users(user_id: UUID) -> list[dict[str, Any]]:
    """Return the newest of those who signed up with the user's code, paid for or not, as the contract shows them."""
    referred = User.objects.filter(referred_by_id=user_id).order_by("-created_at", "-pk")
    shown = referred.only("pk", "username", "created_at")[: rules.NEWEST_REFERRED]
    return [ReferredUserSerializer.from_object(user) for user in shown]
