"""Odds from the order book: on demand for whoever looks or bets, and in batches for markets that are watched.

Live odds are cached for seconds, and requested once however many want them. A semaphore bounds how many threads wait
for the upstream, so that lists are served whatever it does.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from operator import attrgetter
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from core.db.sql import Row, execute, fetch_all
from core.jobs.runs import SkippedObjects
from core.resilience import OBJECT_ERRORS, UpstreamSemaphore, act_by_halves
from markets import rules
from markets.errors import PriceUnavailable, UpstreamError, UpstreamRejected
from markets.polymarket.client import FAILURES_IN_A_ROW, MIDPOINTS_BATCH, PolymarketClient
from markets.polymarket.parsing import Odds

STEP = Decimal("0.0001")
# Longer than a client's total timeout, which holds the lock; the lock of a process that died runs out.
LOCK_SECONDS = 4
POLL_SECONDS = 0.02
# How long to wait for a slot: in less time an upstream that is well has responded to somebody.
ACQUIRE_TIMEOUT = 0.25
RETRY_SECONDS = 2
WATCH_NOTED_SECONDS = 60

# Of the process's threads so many may wait for the upstream, for fills and for live odds together.
upstream_semaphore = UpstreamSemaphore(settings.WEB_THREADS * 3 // 4)


class PricedMarket(Protocol):
    """A market with what pricing needs."""

    id: UUID
    this_token_id: str
    that_token_id: str
    this_odds: Decimal
    that_odds: Decimal
    odds_updated_at: datetime


@dataclass(frozen=True, slots=True)
class LiveOdds:
    """Odds of the order book. `as_of`: when they were requested. `stale`: requesting them again failed since."""

    this: Decimal
    that: Decimal
    as_of: datetime
    stale: bool = False


def odds_from_midpoints(midpoints: Mapping[str, Decimal], this_token: str, that_token: str) -> Odds | None:
    """Return odds from midpoints by token; None without any. Both books show the same orders, so one is enough."""
    this = midpoints.get(this_token)
    if this is None:
        that = midpoints.get(that_token)
        if that is None:
            return None
        this = 1 - that
    this = this.quantize(STEP, rounding=ROUND_HALF_EVEN)
    return Odds(this=this, that=1 - this)


def cached_odds(market_id: UUID, *, now: datetime, max_age: float) -> LiveOdds | None:
    """Return the odds that were last requested, if they are at most `max_age` seconds old."""
    odds: LiveOdds | None = cache.get(cache_key(market_id))
    return odds if odds and odds.as_of >= now - timedelta(seconds=max_age) else None


def live_odds(market: PricedMarket, *, client: PolymarketClient, now: datetime) -> LiveOdds:
    """Return odds at most LIVE_SECONDS old, or stale ones, marked so, at most LIVE_STALE_SECONDS old.

    Raises PriceUnavailable when there are none.
    """
    if odds := cached_odds(market.id, now=now, max_age=rules.LIVE_SECONDS):
        return odds
    # Where there are stale odds to show, no thread waits for a slot.
    timeout = 0 if stale_odds(market, now=now) else ACQUIRE_TIMEOUT
    with upstream_semaphore.acquire(timeout=timeout) as acquired:
        odds = request_once(market, client=client, now=now) if acquired else None
    if odds := odds or stale_odds(market, now=now):
        return odds
    raise PriceUnavailable(retry_after=RETRY_SECONDS)


def request_once(market: PricedMarket, *, client: PolymarketClient, now: datetime) -> LiveOdds | None:
    """Request the odds unless another thread, in any process that shares the cache, does: then wait for its result."""
    lock = f"{cache_key(market.id)}:lock"
    if not cache.add(lock, 1, timeout=LOCK_SECONDS):
        return wait_for_result(market.id, lock, now=now)
    try:
        # Another may have requested them, and released the lock, since this one looked.
        odds = cached_odds(market.id, now=now, max_age=rules.LIVE_SECONDS)
        return odds or request_odds(market, client=client, now=now)
    finally:
        cache.delete(lock)


def request_odds(market: PricedMarket, *, client: PolymarketClient, now: datetime) -> LiveOdds | None:
    tokens = (market.this_token_id, market.that_token_id)
    try:
        found = odds_from_midpoints(client.midpoints(tokens), *tokens)
    except UpstreamError:
        return None
    if found is None:
        return None
    odds = LiveOdds(this=found.this, that=found.that, as_of=now)
    cache.set(cache_key(market.id), odds, timeout=rules.LIVE_STALE_SECONDS)
    return odds


def wait_for_result(market_id: UUID, lock: str, *, now: datetime) -> LiveOdds | None:
    """Poll the cache while another thread holds the lock."""
    give_up = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < give_up:
        is_locked = cache.get(lock)
        if odds := cached_odds(market_id, now=now, max_age=rules.LIVE_SECONDS):
            return odds
        if not is_locked:
            return None
        time.sleep(POLL_SECONDS)
    return None


def stale_odds(market: PricedMarket, *, now: datetime) -> LiveOdds | None:
    """Return the youngest odds known, marked as stale, if they are at most LIVE_STALE_SECONDS old."""
    bound = rules.LIVE_STALE_SECONDS
    stored = LiveOdds(this=market.this_odds, that=market.that_odds, as_of=market.odds_updated_at)
    known = [stored] if stored.as_of >= now - timedelta(seconds=bound) else []
    if cached := cached_odds(market.id, now=now, max_age=bound):
        known.append(cached)
    return replace(max(known, key=attrgetter("as_of")), stale=True) if known else None


def cache_key(market_id: UUID) -> str:
    return f"live:{market_id}"


def clear_cached_odds(market_ids: Iterable[UUID]) -> None:
    """Drop cached live odds of markets whose sides are other tokens now."""
    cache.delete_many([cache_key(market_id) for market_id in market_ids])


# In one order, so that no two transactions that watch the same markets wait for each other.
WATCH = """
INSERT INTO market_watches AS watch (market_id, watched_until)
SELECT DISTINCT market_id, %(until)s::timestamptz FROM unnest(%(market_ids)s::uuid[]) AS market_id ORDER BY market_id
ON CONFLICT (market_id) DO UPDATE SET watched_until = excluded.watched_until
WHERE watch.watched_until < excluded.watched_until
"""


def watch_markets(market_ids: Iterable[UUID], *, until: datetime) -> None:
    """Have the odds of these markets refreshed, at least until then."""
    execute(WATCH, {"market_ids": list(market_ids), "until": until})


def watch_while_looked_at(market_id: UUID, *, now: datetime) -> None:
    """Watch a market that somebody looks at. Written at most once a minute for each market, however many look."""
    if cache.add(f"watched:{market_id}", 1, timeout=WATCH_NOTED_SECONDS):
        watch_markets([market_id], until=now + timedelta(seconds=rules.WATCH_SECONDS))


WATCHED = """
SELECT market.id, market.this_token_id, market.that_token_id
FROM market_watches AS watch JOIN markets AS market ON market.id = watch.market_id
WHERE watch.watched_until > %(now)s AND market.status = 'open' AND market.market_type = 'polymarket'
ORDER BY watch.watched_until DESC LIMIT %(limit)s
"""

# Rows that an ingestion or another refresh holds are left to it, and odds never give way to older ones.
SET_ODDS = """
UPDATE markets AS market SET
    this_odds = fresh.this_odds, that_odds = fresh.that_odds, odds_live = true, odds_updated_at = %(now)s,
    updated_at = CASE WHEN market.this_odds IS DISTINCT FROM fresh.this_odds THEN %(now)s ELSE market.updated_at END
FROM (
    SELECT locked.id, this_odds, that_odds
    FROM unnest(%(ids)s::uuid[], %(this)s::numeric[], %(that)s::numeric[]) AS given (id, this_odds, that_odds)
    JOIN LATERAL (
        SELECT id FROM markets WHERE markets.id = given.id AND status = 'open' AND odds_updated_at <= %(now)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS locked ON true
) AS fresh
WHERE market.id = fresh.id
"""


def refresh_odds(*, client: PolymarketClient, now: datetime) -> dict[str, Any]:
    """Request and store the odds of the watched markets; return `{watched, refreshed}`, and what had to be skipped.

    Raises UpstreamError; the stored odds then keep their age.
    """
    watched = fetch_all(WATCHED, {"now": now, "limit": rules.REFRESH_LIMIT})
    skipped = SkippedObjects()
    found = request_watched(client, watched, skipped)
    stored = act_by_halves(
        found,
        lambda part: store_odds(dict(part), now=now),
        failures=OBJECT_ERRORS,
        on_failed=lambda odds, exc: skipped.add(str(odds[0]), exc),
    )
    return {"watched": len(watched), "refreshed": sum(stored), **skipped.as_result()}


def request_watched(client: PolymarketClient, watched: list[Row], skipped: SkippedObjects) -> list[tuple[UUID, Odds]]:
    """Return the odds of those that have some. Raises UpstreamError, also when all of them were refused."""
    refused: list[Exception] = []

    def request(part: list[Row]) -> list[tuple[UUID, Odds]]:
        midpoints = client.midpoints([token for _, *tokens in part for token in tokens])
        odds = ((market_id, odds_from_midpoints(midpoints, this, that)) for market_id, this, that in part)
        return [(market_id, found) for market_id, found in odds if found]

    def skip(row: Row, exc: Exception) -> None:
        refused.append(exc)
        skipped.add(str(row[0]), exc)

    found = act_by_halves(
        watched,
        request,
        failures=(UpstreamRejected, *OBJECT_ERRORS),
        on_failed=skip,
        size=MIDPOINTS_BATCH // 2,
        failures_in_a_row=FAILURES_IN_A_ROW,
    )
    if refused and not found:
        raise refused[-1]
    return [odds for part in found for odds in part]


def store_odds(odds: dict[UUID, Odds], *, now: datetime) -> int:
    """Store odds of open markets as of `now`; return how many rows took them."""
    if not odds:
        return 0
    this, that = [pair.this for pair in odds.values()], [pair.that for pair in odds.values()]
    with transaction.atomic():
        return execute(SET_ODDS, {"ids": list(odds), "this": this, "that": that, "now": now})
