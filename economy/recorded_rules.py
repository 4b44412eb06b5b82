"""Recorded rules: which numbers a rule had, kept from when they first had an effect.

Rules are changed by editing `rules.py` or the environment. What was given before was right then: the audit compares it
with the numbers that are recorded here, and not with those of today.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core.db.sql import execute

DAILY_REWARD, SIGNUP_BONUS, REFERRAL_BONUS = "daily_reward", "signup_bonus", "referral_bonus"
REFERRAL_CAP = "referral_daily_cap"
STOCK_PRICE_WALK = "stock_price_walk"
PACKAGE, STOCK = "package ", "stock "  # and its id, or symbol

# Hardly ever new: then nothing is written. Two that record the same at once: the second waits for the first.
RECORD = """
INSERT INTO recorded_rules (name, numbers, recorded_at)
SELECT %(rule)s::text, %(numbers)s::numeric[], %(now)s
WHERE NOT EXISTS (SELECT FROM recorded_rules WHERE name = %(rule)s::text AND numbers = %(numbers)s::numeric[])
ON CONFLICT DO NOTHING
"""


def record_rule(rule: str, *numbers: Decimal | int, now: datetime) -> None:
    """Record the numbers that the rule has, in the transaction in which they have an effect."""
    execute(RECORD, parameters_of(rule, numbers) | {"now": now})


def parameters_of(rule: str, numbers: Sequence[Decimal | int]) -> dict[str, object]:
    """Return the parameters of RECORD besides `now`, for who makes it part of a statement."""
    return {"rule": rule, "numbers": [Decimal(number) for number in numbers]}
