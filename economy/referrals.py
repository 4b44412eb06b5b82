"""Referrals: credits for signing up and for bringing a verified user, and the list of whom a user brought."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.dispatch import receiver

from accounts.models import User
from accounts.registration import user_registered, user_verified
from core.db.sql import fetch_value
from economy import rules
from economy.ledger import Transfer, post_many
from economy.models import CreditTransaction, TransactionType
from economy.recorded_rules import REFERRAL_BONUS, REFERRAL_CAP, SIGNUP_BONUS, record_rule
from economy.serializers import ReferredUserSerializer
from notifications.models import NotificationType
from notifications.services import Cause, notify

logger = logging.getLogger(__name__)
ZERO = Decimal(0)

# Locks the referrer, so that the bonuses of a day are counted one at a time. A suspended one has no row.
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


@receiver(user_registered, dispatch_uid="economy.starting_credits")
def on_user_registered(*, user: User, now: datetime, **kwargs: Any) -> None:
    """Grant the starting credits inside the transaction that makes the user."""
    record_rule(SIGNUP_BONUS, rules.STARTING_CREDITS, now=now)
    transfer = Transfer(
        user_id=user.pk,
        amount=rules.STARTING_CREDITS,
        transaction_type=TransactionType.SIGNUP_BONUS,
        reference_id=user.pk,
        description="Welcome bonus",
    )
    post_many([transfer] if transfer.amount else [], now=now)


@receiver(user_verified, dispatch_uid="economy.referral_bonus")
def on_user_verified(*, user: User, referrer: User | None, now: datetime, **kwargs: Any) -> None:
    """Grant the referrer's bonus inside the transaction that verifies the user, whose lock it has and the referrer's.

    Nobody earns by bringing addresses that no person reads. Who signed up before addresses were verified may have been
    paid for then. The referrer is notified, paid or not.
    """
    if referrer is None or was_paid_for(user.pk):
        return
    bonus = grant_referral_bonus(user_id=user.pk, referrer_id=referrer.pk, now=now)
    about = {"userId": user.pk, "amount": bonus}
    joined = NotificationType.REFERRAL_JOINED
    notify([Cause(user_id=referrer.pk, type=joined, reference_id=user.pk, data=about)], now=now)


def was_paid_for(user_id: UUID) -> bool:
    bonus = CreditTransaction.objects.filter(reference_id=user_id, transaction_type=TransactionType.REFERRAL_BONUS)
    return bonus.exists()


def grant_referral_bonus(*, user_id: UUID, referrer_id: UUID, now: datetime) -> Decimal:
    """Post the referrer's bonus for a user where one is due, and return it, or 0.

    Raises AlreadyPosted for the same user again.
    """
    if not is_bonus_due(referrer_id, now):
        return ZERO
    record_rule(REFERRAL_BONUS, rules.REFERRAL_BONUS_CREDITS, now=now)
    record_rule(REFERRAL_CAP, rules.REFERRAL_DAILY_CAP, now=now)
    transfer = Transfer(
        user_id=referrer_id,
        amount=rules.REFERRAL_BONUS_CREDITS,
        transaction_type=TransactionType.REFERRAL_BONUS,
        reference_id=user_id,
        description="Referral bonus",
    )
    post_many([transfer] if transfer.amount else [], now=now)
    return transfer.amount


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
