"""Game rules of markets, in one place. Those that read the environment can be changed by whoever runs the service."""

from datetime import timedelta
from decimal import Decimal

from django.db import models

from core.environment import env

HOUR = timedelta(hours=1)
# Lists and samples
LIST_LIMIT, LIST_LIMIT_MAX = 50, 200
SKIP_MAX = 10_000  # deeper pages are for cursors, which cost the same at any depth
RANDOM_COUNT, RANDOM_COUNT_MAX = 10, 50
CATEGORY_LIMIT, CATEGORY_LIMIT_MAX = 20, 100
EXCLUDE_MAX = 500
EVENT_LIMIT, EVENT_LIMIT_MAX = 20, 100
EVENT_MARKETS_LISTED = 3  # of each event of a list
EVENT_MARKETS_MAX = 1_000  # of one event alone; Polymarket's largest have some hundred
SEARCH_TOTAL_MAX = 2_000  # a search counts its matches no further, and sorts no more of them by how well they match
# What ends within so long ends soon: it is marked, and found by `filter=ending_soon`.
ENDING_SOON = timedelta(hours=24)
# A market that a user skipped isn't drawn again for the user for so long.
SKIPPED_FOR = timedelta(days=1)
# After so long what ended or turned illiquid since leaves the first places of what is trending.
EDITION_IN_ORDER_FOR = timedelta(minutes=2)
# A cursor stays on the edition that its list began with, and is good for as long.
EDITIONS_KEPT_FOR = timedelta(minutes=30)

# The markets of an event of which one alone ends with THIS: how far from 1 their odds may add up until staff are told.
EVENT_SUM_TOLERANCE = Decimal("0.10")

# Ingestion. It runs at these times: minute, hour, day, month and weekday, in UTC.
INGEST_CRON = env.str("MARKET_INGEST_CRON", default="*/5 * * * *")
# A run reads at most INGEST_LIMIT markets that can be listed. Of the open markets here that Polymarket no longer lists
# it requests RECHECK_LIMIT by their id.
INGEST_LIMIT, INGEST_LIMIT_MAX = env.int("MARKET_INGEST_LIMIT", default=500), 50_000
RECHECK_LIMIT = env.int("MARKET_RECHECK_LIMIT", default=1_000)
# A request to ingest within so many seconds of the last run gets that run's result.
INGEST_MIN_INTERVAL = env.int("MARKET_INGEST_MIN_INTERVAL", default=60)

# Odds. Live odds are cached for LIVE_SECONDS; while the order book can't be requested they are shown, marked as
# stale, until they are LIVE_STALE_SECONDS old.
LIVE_SECONDS = env.float("MARKET_LIVE_SECONDS", default=3.0)
LIVE_STALE_SECONDS = env.float("MARKET_LIVE_STALE_SECONDS", default=60.0)
# The odds of watched markets are refreshed once in so many seconds.
ODDS_REFRESH_SECONDS = env.int("MARKET_ODDS_REFRESH_SECONDS", default=30)
# For so long after somebody looked at a market its odds are kept fresh.
WATCH_SECONDS = env.int("MARKET_WATCH_SECONDS", default=600)
# One refresh requests at most this many markets, those looked at last first.
REFRESH_LIMIT = 1_000

# The price feed: over websocket connections for so many tokens, two a market. Off, odds are refreshed as above alone.
FEED_ENABLED = env.bool("FEED_ENABLED", default=True)
FEED_MAX_TOKENS = env.int("FEED_MAX_TOKENS", default=2_000)
# After so long without a word about one of its connections it isn't healthy, and all watched markets are refreshed.
FEED_SILENT_AFTER = timedelta(seconds=10)

# Fills. An order is priced by an order book that was requested after the order arrived, within FILL_SECONDS. Orders of
# one process that arrive within FILL_COLLECT_SECONDS share a request.
FILL_SECONDS = env.float("MARKET_FILL_SECONDS", default=2.0)
FILL_COLLECT_SECONDS = env.float("MARKET_FILL_COLLECT_SECONDS", default=0.02)
# How long an order waits before its book is requested: against bettors who know of a move before the order book does.
BET_DELAY = env.int("MARKET_BET_DELAY_MS", default=0) / 1000
# A price is the volume-weighted price of the first so many shares, so that a single small order moves nothing.
PRICE_DEPTH = env.int("MARKET_PRICE_DEPTH", default=100)
# Of a market with a wider spread nobody knows the price: it can't be bet on.
MAX_SPREAD = env.spread("MARKET_MAX_SPREAD", default="0.10")
# Between the ask and the bid of a house market, whose odds are in the middle: what a round trip costs, never nothing.
HOUSE_SPREAD = env.spread("HOUSE_MARKET_SPREAD", default="0.02")
# Requests for order books a second, of all processes together. Polymarket allows 500 in 10 seconds from one address.
BOOK_REQUESTS_PER_SECOND = env.int("POLYMARKET_BOOK_REQUESTS_PER_SECOND", default=50)

# History. A point a minute, but none while nothing changes, for at most HISTORY_GAP: so long a point holds for what
# comes after it. Minutes are kept for HISTORY_MINUTES_KEPT_FOR (whole weeks of them, so up to three), hours for ever.
HISTORY_GAP = timedelta(hours=1)
HISTORY_MINUTES_KEPT_FOR = timedelta(weeks=2)
HISTORY_POINTS_MAX = 500
# Odds of the order book that were confirmed so long ago are no odds of now. Of a watched market the refresh confirms
# them; where it can't, they hold for a while longer.
HISTORY_CONFIRMED_WITHIN, HISTORY_WATCHED_WITHIN = timedelta(minutes=5), timedelta(hours=1)
# What was before is requested from Polymarket within so many seconds, as far back as so long; a failed request is
# repeated after the first of these, and one for a market that nobody recorded meanwhile after the second.
HISTORY_BACKFILL_SECONDS = 2.5
HISTORY_BACKFILLED_FOR = timedelta(days=2 * 365)
HISTORY_RETRY_AFTER, HISTORY_AGAIN_AFTER = timedelta(minutes=5), timedelta(hours=1)
# Requests for histories a second, of all processes together.
HISTORY_REQUESTS_PER_SECOND = env.int("POLYMARKET_HISTORY_REQUESTS_PER_SECOND", default=20)

# Resolution. One run checks at most this many markets, those checked longest ago first.
RESOLVE_LIMIT, RESOLVE_LIMIT_MAX = 1_000, 10_000
# A watched market whose order book is silent for this long may have closed.
SILENT_AFTER = timedelta(minutes=2)
# Seconds between two runs, and between two looks whether the lists' order is still that of what is open.
RESOLVE_SECONDS = env.int("MARKET_RESOLVE_SECONDS", default=60)
EDITION_SECONDS = env.int("MARKET_EDITION_SECONDS", default=60)
# What is undecided for longer needs staff: an oracle's vote takes days, the second source minutes.
WAITING_MAX = timedelta(days=7)
UNCONFIRMED_MAX = timedelta(hours=1)
# A result is looked at again so often, for so long after the market was resolved.
REVIEWED_EVERY, REVIEWED_FOR = timedelta(hours=6), timedelta(days=3)
# A result that Polymarket changed is shown to staff for so long.
CHANGED_SHOWN_FOR = timedelta(days=30)


class Interval(models.TextChoices):
    """Of a history of odds: how far back from now, or from the end of a market that is over."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "1d"
    WEEK = "1w"
    MONTH = "1m"
    MAX = "max"
