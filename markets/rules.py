"""The numbers of the markets app, in one place; those an operator may want to turn are settings."""

from datetime import timedelta

from django.conf import settings

LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
SKIP_MAX = 10_000  # deeper pages are for cursors, which cost the same at any depth
RANDOM_COUNT, RANDOM_COUNT_MAX = 10, 50
CATEGORY_LIMIT, CATEGORY_LIMIT_MAX = 20, 100
EXCLUDE_MAX = 500
SEARCH_TOTAL_MAX = 10_000  # a search counts its matches no further
INGEST_LIMIT_MAX = 50_000
# One refresh asks for at most this many markets, those looked at last first.
REFRESH_LIMIT = 1_000


def watch_for() -> timedelta:
    """How long a market's odds are kept fresh after somebody looked at it."""
    return timedelta(seconds=settings.MARKET_WATCH_SECONDS)


def ingest_interval() -> timedelta:
    """A request to ingest within this time of the last run gets that run's result."""
    return timedelta(seconds=settings.MARKET_INGEST_MIN_INTERVAL)


# One run of resolution asks about at most this many markets, those asked about longest ago first.
RESOLVE_LIMIT, RESOLVE_LIMIT_MAX = 1_000, 10_000
# A watched market whose order book is silent for this long may have closed.
SILENT_AFTER = timedelta(minutes=2)
# What is still not decided after this time, staff look at: an oracle's vote takes days, the second source minutes.
WAITING_PATIENCE = timedelta(days=7)
UNCONFIRMED_PATIENCE = timedelta(hours=1)
