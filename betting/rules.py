"""The numbers of betting, in one place; those an operator may want to turn are settings."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
OFFSET_MAX = 1_000_000
# Markets with open bets are watched for so long at a time; the sweep comes round well before.
WATCHED_FOR = timedelta(minutes=15)
# A market that was bet on is noted as watched once in so many seconds, however many bets come.
WATCH_NOTED_SECONDS = 300


def min_bet_amount() -> Decimal:
    return Decimal(settings.MIN_BET_AMOUNT)


def max_bet_amount() -> Decimal:
    return Decimal(settings.MAX_BET_AMOUNT)


def quote_max_age() -> timedelta:
    """How old odds may be at which credits move."""
    return timedelta(seconds=settings.MARKET_QUOTE_MAX_AGE)
