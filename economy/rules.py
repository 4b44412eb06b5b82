"""The numbers of the economy, in one place; those an operator may want to turn are settings."""

from decimal import Decimal

from django.conf import settings

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
OFFSET_MAX = 1_000_000  # deeper pages are for cursors, which cost the same at any depth
# Credits of the first, second … consecutive day; from the last of them on it stays.
DAILY_REWARDS = [*(Decimal(1_000 + 500 * day) for day in range(17)), Decimal(10_000)]
NEWEST_REFERRED = 25


def starting_credits() -> Decimal:
    return Decimal(settings.STARTING_CREDITS)


def referral_bonus_credits() -> Decimal:
    return Decimal(settings.REFERRAL_BONUS_CREDITS)


def referral_daily_cap() -> int:
    """How many new users a referrer is paid for in a UTC day."""
    daily_cap: int = settings.REFERRAL_DAILY_CAP
    return daily_cap


def daily_credits_active_days() -> int:
    """Within how many UTC days before today somebody must have been active to be rewarded at night; 0: everybody is."""
    days: int = settings.DAILY_CREDITS_ACTIVE_DAYS
    return days
