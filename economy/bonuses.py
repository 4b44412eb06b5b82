"""Credits for signing up, and for bringing somebody who did."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import connection

from economy.ledger import Transfer, post_many
from economy.models import TransactionType
from economy.rules import referral_bonus_credits, referral_daily_cap, starting_credits

logger = logging.getLogger(__name__)

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


def grant_registration_bonuses(*, user_id: UUID, referrer_id: UUID | None, now: datetime) -> None:
    """The new user's starting credits, and the referrer's bonus where one is due; each once for a new user."""
    transfers = [
        Transfer(
            user_id=user_id,
            amount=starting_credits(),
            transaction_type=TransactionType.SIGNUP_BONUS,
            reference_id=user_id,
            description="Welcome bonus",
        )
    ]
    # The new user's row is locked already, and no other transaction can see it: the order of the two doesn't matter.
    if referrer_id and is_due(referrer_id, now):
        transfers.append(
            Transfer(
                user_id=referrer_id,
                amount=referral_bonus_credits(),
                transaction_type=TransactionType.REFERRAL_BONUS,
                reference_id=user_id,
                description="Referral bonus",
            )
        )
    post_many([transfer for transfer in transfers if transfer.amount], now=now)


def is_due(referrer_id: UUID, now: datetime) -> bool:
    """Whether this referrer is paid for another new user today. Locks the referrer until the transaction ends."""
    cap = referral_daily_cap()
    with connection.cursor() as cursor:
        cursor.execute(LOCK_REFERRER, {"referrer_id": referrer_id})
        if cursor.fetchone() is None:
            return False
        cursor.execute(PAID_TODAY, {"referrer_id": referrer_id, "now": now, "cap": cap})
        (paid,) = cursor.fetchone()
    if paid >= cap:
        logger.warning("referrer %s has reached the daily cap of %s: unpaid", referrer_id, cap)
        return False
    return True
