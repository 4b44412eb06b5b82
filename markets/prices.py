"""Prices from the order book: on demand for whoever looks, and in batches for markets that are watched.

What a book said is kept for seconds, and requested once however many want it. A semaphore bounds how many threads wait
for the upstream, so that lists are served whatever it does.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from core.db.sql import Row, execute, fetch_all
from core.jobs.runs import SkippedObjects
from core.resilience import OBJECT_ERRORS, Deadline, SharedRateLimit, UpstreamSemaphore, act_by_halves
from markets import rules
from markets.changes import publish_odds
from markets.errors import PriceUnavailable, UpstreamError, UpstreamRejected
from markets.polymarket.books import SentBooks, ShownPrices, Tokens, is_narrow, shown_prices, spread_of
from markets.polymarket.client import BOOKS_BATCH, FAILURES_IN_A_ROW, PolymarketClient

# Longer than a client's total timeout, which holds the lock; the lock of a process that died runs out.
LOCK_SECONDS = 4
POLL_SECONDS = 0.02
# How long to wait for a slot. While the upstream responds in its usual time, slots get free sooner.
ACQUIRE_TIMEOUT = 0.25
WATCH_NOTED_SECONDS = 60

# Of the process's threads so many may wait for the upstream, for fills and for live odds together.
upstream_semaphore = UpstreamSemaphore(settings.WEB_THREADS * 3 // 4)
# Of all processes, for fills and for live odds together: Polymarket counts them by address.
book_rate_limit = SharedRateLimit("books", per_second=rules.BOOK_REQUESTS_PER_SECOND)


class PricedMarket(Protocol):
    """A mirrored market with what pricing needs."""

    this_token_id: str
    that_token_id: str
    this_odds: Decimal
    that_odds: Decimal
    bid: Decimal | None
    ask: Decimal | None
    odds_updated_at: datetime


@dataclass(frozen=True, slots=True)
class BookState:
    """What was heard of a market's book. `prices`: None where it has no book. `as_of`: when it was requested."""

    prices: ShownPrices | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class LiveOdds:
    """Odds of this moment, and the bid and ask of THIS, None where unknown.

    `as_of`: when they were requested. `stale`: requesting them again failed since.
    """

    this: Decimal
    that: Decimal
    bid: Decimal | None
    ask: Decimal | None
    as_of: datetime
    stale: bool = False

    @property
    def spread(self) -> Decimal | None:
        return spread_of(self.bid, self.ask)

    @property
    def illiquid(self) -> bool:
        return not is_narrow(self.bid, self.ask, max_spread=rules.MAX_SPREAD)


def tokens_of(market: PricedMarket) -> Tokens:
    return market.this_token_id, market.that_token_id


def cache_key(tokens: Tokens) -> str:
    """Return the key by the tokens, in their order: of a market with other tokens nothing is remembered.

    Hashed, because two ids may be longer than a key; they hold no NUL.
    """
    return f"live:{sha256(chr(0).join(tokens).encode()).hexdigest()}"


def read_shown(sent: SentBooks, tokens: Tokens) -> ShownPrices | None:
    return shown_prices(sent, tokens, depth=rules.PRICE_DEPTH, max_spread=rules.MAX_SPREAD)


def cached_odds(market: PricedMarket, *, now: datetime, max_age: float) -> LiveOdds | None:
    """Return what was heard last, if that was at most `max_age` seconds ago."""
    state = cached_state(tokens_of(market), now=now, max_age=max_age)
    return odds_of(market, state) if state else None


def cached_state(tokens: Tokens, *, now: datetime, max_age: float) -> BookState | None:
    state: BookState | None = cache.get(cache_key(tokens))
    return state if state and state.as_of >= now - timedelta(seconds=max_age) else None


def odds_of(market: PricedMarket, state: BookState) -> LiveOdds:
    """Return the odds that the book tells; where it tells none, the stored ones.

    Without a book these keep their age: nothing was heard that they could be as old as.
    """
    if state.prices is None:
        return replace(stored_odds(market), bid=None, ask=None)
    this, bid, ask = state.prices.odds, state.prices.bid, state.prices.ask
    if this is None:
        return replace(stored_odds(market), bid=bid, ask=ask, as_of=state.as_of)
    return LiveOdds(this=this, that=1 - this, bid=bid, ask=ask, as_of=state.as_of)


def stored_odds(market: PricedMarket) -> LiveOdds:
    return LiveOdds(
        this=market.this_odds, that=market.that_odds, bid=market.bid, ask=market.ask, as_of=market.odds_updated_at
    )


def live_odds(market: PricedMarket, *, client: PolymarketClient, now: datetime) -> LiveOdds:
    """Return odds heard at most LIVE_SECONDS ago, or stale ones, marked so, at most LIVE_STALE_SECONDS old.

    Raises PriceUnavailable when there are none.
    """
    if odds := cached_odds(market, now=now, max_age=rules.LIVE_SECONDS):
        return odds
    # Where there are stale odds to show, no thread waits for a slot.
    timeout = 0 if stale_odds(market, now=now) else ACQUIRE_TIMEOUT
    with upstream_semaphore.acquire(timeout=timeout) as acquired:
        state = request_once(tokens_of(market), client=client, now=now) if acquired else None
    if odds := odds_of(market, state) if state else stale_odds(market, now=now):
        return odds
    raise PriceUnavailable


def request_once(tokens: Tokens, *, client: PolymarketClient, now: datetime) -> BookState | None:
    """Request the book unless another thread, in any process that shares the cache, does: then wait for its result."""
    lock = f"{cache_key(tokens)}:lock"
    if not cache.add(lock, 1, timeout=LOCK_SECONDS):
        return wait_for_result(tokens, lock, now=now)
    try:
        # Another may have requested it, and released the lock, since this one looked.
        state = cached_state(tokens, now=now, max_age=rules.LIVE_SECONDS)
        return state or request_state(tokens, client=client, now=now)
    finally:
        cache.delete(lock)


def request_state(tokens: Tokens, *, client: PolymarketClient, now: datetime) -> BookState | None:
    if not book_rate_limit.acquire(Deadline(ACQUIRE_TIMEOUT)):
        return None
    try:
        sent = client.books(tokens)
    except UpstreamError:
        return None
    state = BookState(read_shown(sent, tokens), as_of=now)
    cache.set(cache_key(tokens), state, timeout=rules.LIVE_STALE_SECONDS)
    return state


def wait_for_result(tokens: Tokens, lock: str, *, now: datetime) -> BookState | None:
    """Poll the cache while another thread holds the lock."""
    give_up = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < give_up:
        is_locked = cache.get(lock)
        if state := cached_state(tokens, now=now, max_age=rules.LIVE_SECONDS):
            return state
        if not is_locked:
            return None
        time.sleep(POLL_SECONDS)
    return None


def stale_odds(market: PricedMarket, *, now: datetime) -> LiveOdds | None:
    """Return what was heard last, here or by the refresh, marked as stale; None after LIVE_STALE_SECONDS."""
    bound = rules.LIVE_STALE_SECONDS
    state = cached_state(tokens_of(market), now=now, max_age=bound)
    if state and state.as_of >= market.odds_updated_at:
        return replace(odds_of(market, state), stale=True)
    if market.odds_updated_at >= now - timedelta(seconds=bound):
        return replace(stored_odds(market), stale=True)
    return None


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


# What a healthy feed keeps fresh is left out. One that died or fell silent shows within seconds (`markets/feed`).
WATCHED = """
SELECT market.id, market.this_token_id, market.that_token_id
FROM market_watches AS watch JOIN markets AS market ON market.id = watch.market_id
WHERE watch.watched_until > %(now)s AND market.status = 'open' AND market.market_type = 'polymarket'
AND NOT (
    market.odds_updated_at > %(fed_since)s AND market.odds_updated_at <= %(now)s + interval '1 minute'
    AND EXISTS (SELECT FROM market_feed WHERE expires_at > %(now)s AND heard_at > %(silent_since)s)
)
ORDER BY watch.watched_until DESC LIMIT %(limit)s
"""

# Rows that an ingestion or another refresh holds are left to it, and prices never give way to older ones, unless those
# are of a time that hasn't come: then it was wrong. Tokens that were reordered since the book was requested would
# make the price of THIS that of THAT.
LOCKED = """
JOIN LATERAL (
    SELECT id, this_odds, that_odds, bid, ask FROM markets
    WHERE markets.id = given.id AND status = 'open'
    AND this_token_id = given.this_token AND that_token_id = given.that_token
    AND (odds_updated_at <= given.as_of OR odds_updated_at > %(now)s + interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED
) AS locked ON true
"""
# Odds that the book doesn't tell stay, but nothing is younger than they are.
SET_PRICES = f"""
UPDATE markets AS market SET
    this_odds = fresh.this_odds, that_odds = fresh.that_odds, bid = fresh.bid, ask = fresh.ask,
    odds_live = true, odds_updated_at = fresh.as_of,
    updated_at = CASE WHEN fresh.is_changed THEN %(now)s ELSE market.updated_at END
FROM (
    SELECT locked.id, given.bid, given.ask, given.as_of,
        coalesce(given.this_odds, locked.this_odds) AS this_odds,
        coalesce(1 - given.this_odds, locked.that_odds) AS that_odds,
        (locked.this_odds, locked.bid, locked.ask) IS DISTINCT FROM
            (coalesce(given.this_odds, locked.this_odds), given.bid, given.ask) AS is_changed
    FROM unnest(
        %(ids)s::uuid[], %(this_tokens)s::text[], %(that_tokens)s::text[],
        %(this)s::numeric[], %(bids)s::numeric[], %(asks)s::numeric[], %(as_of)s::timestamptz[]
    ) AS given (id, this_token, that_token, this_odds, bid, ask, as_of)
    {LOCKED}
) AS fresh
WHERE market.id = fresh.id
RETURNING market.id, fresh.is_changed
"""  # noqa: S608 - made of the constant above
# Their odds keep their age, by which the resolution sees that a book is silent.
SET_WITHOUT_BOOK = f"""
UPDATE markets AS market SET bid = NULL, ask = NULL, updated_at = %(now)s
FROM (
    SELECT locked.id FROM (
        SELECT id, this_token, that_token, %(now)s::timestamptz AS as_of
        FROM unnest(%(ids)s::uuid[], %(this_tokens)s::text[], %(that_tokens)s::text[])
            AS sent (id, this_token, that_token)
    ) AS given
    {LOCKED}
) AS silent
WHERE market.id = silent.id AND (market.bid IS NOT NULL OR market.ask IS NOT NULL)
RETURNING market.id
"""  # noqa: S608


class Heard(NamedTuple):
    """What a market's order book said, requested by these tokens; no prices where there is none."""

    market_id: UUID
    tokens: Tokens
    prices: ShownPrices | None


class PricesAsOf(NamedTuple):
    """What a market's order book, of these tokens, said at a moment."""

    market_id: UUID
    tokens: Tokens
    prices: ShownPrices
    as_of: datetime


def refresh_odds(*, client: PolymarketClient, now: datetime) -> dict[str, Any]:
    """Request and store the prices of the watched markets; return `{watched, refreshed}`, and what had to be skipped.

    Raises UpstreamError; what is stored then keeps its age.
    """
    parameters = {
        "now": now,
        "fed_since": now - timedelta(seconds=rules.ODDS_REFRESH_SECONDS),
        "silent_since": now - rules.FEED_SILENT_AFTER,
        "limit": rules.REFRESH_LIMIT,
    }
    watched = fetch_all(WATCHED, parameters)
    skipped = SkippedObjects()
    stored = act_by_halves(
        request_watched(client, watched, skipped),
        lambda part: store_prices(part, now=now),
        failures=OBJECT_ERRORS,
        on_failed=lambda heard, exc: skipped.add(str(heard.market_id), exc),
    )
    return {"watched": len(watched), "refreshed": sum(stored), **skipped.as_result()}


def request_watched(client: PolymarketClient, watched: list[Row], skipped: SkippedObjects) -> list[Heard]:
    """Return the prices of each market, None without a book. Raises UpstreamError, also when all were refused."""
    refused: list[Exception] = []

    def request(part: list[Row]) -> list[Heard]:
        sent = client.books([token for _, *tokens in part for token in tokens])
        return [Heard(market_id, (this, that), read_shown(sent, (this, that))) for market_id, this, that in part]

    def skip(row: Row, exc: Exception) -> None:
        refused.append(exc)
        skipped.add(str(row[0]), exc)

    found = act_by_halves(
        watched,
        request,
        failures=(UpstreamRejected, *OBJECT_ERRORS),
        on_failed=skip,
        size=BOOKS_BATCH // 2,
        failures_in_a_row=FAILURES_IN_A_ROW,
    )
    if refused and not found:
        raise refused[-1]
    return [heard for part in found for heard in part]


def store_prices(heard: list[Heard], *, now: datetime) -> int:
    """Store what the books of open markets said as of `now`; return how many rows took prices of a book."""
    read = [PricesAsOf(market_id, tokens, prices, now) for market_id, tokens, prices in heard if prices]
    silent = [each for each in heard if not each.prices]
    with transaction.atomic():
        if silent:
            emptied = fetch_all(SET_WITHOUT_BOOK, {**identity_columns(silent), "now": now})
            publish_odds(market_id for (market_id,) in emptied)
        return len(set_prices(read, now=now))


def identity_columns(heard: Sequence[Heard | PricesAsOf]) -> dict[str, Any]:
    """Return whose books these are, as columns."""
    return {
        "ids": [each.market_id for each in heard],
        "this_tokens": [each.tokens[0] for each in heard],
        "that_tokens": [each.tokens[1] for each in heard],
    }


def set_prices(read: Sequence[PricesAsOf], *, now: datetime) -> dict[UUID, bool]:
    """Set prices of open markets, in one statement; return which rows took them, and whether they are others now.

    A row that somebody else has locked, whose prices are younger or that has other tokens by now is left alone. Those
    that changed are published.
    """
    if not read:
        return {}
    columns = {
        **identity_columns(read),
        "this": [heard.prices.odds for heard in read],
        "bids": [heard.prices.bid for heard in read],
        "asks": [heard.prices.ask for heard in read],
        "as_of": [heard.as_of for heard in read],
    }
    written: dict[UUID, bool] = dict(fetch_all(SET_PRICES, {**columns, "now": now}))
    publish_odds(market_id for market_id, is_changed in written.items() if is_changed)
    return written
