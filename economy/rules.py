"""The numbers of the economy, in one place; those an operator may want to turn are settings."""

from decimal import Decimal

from django.conf import settings

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
OFFSET_MAX = 1_000_000  # deeper pages are for cursors, which cost the same at any depth


def starting_credits() -> Decimal:
    return Decimal(settings.STARTING_CREDITS)


def referral_bonus_credits() -> Decimal:
    return Decimal(settings.REFERRAL_BONUS_CREDITS)


def referral_daily_cap() -> int:
    """How many new users a referrer is paid for in a UTC day."""
    daily_cap: int = settings.REFERRAL_DAILY_CAP
    return daily_cap
