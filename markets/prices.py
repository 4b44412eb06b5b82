"""Odds on demand, straight from the order book: remembered a few seconds, asked for once however many want them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from core.api.errors import DomainError
from markets.odds import odds_from_midpoints
from markets.polymarket.client import PolymarketClient, UpstreamError
from markets.polymarket.parsing import Odds

# The one that asks holds the lock no longer than its client's patience; a lock of a process that died runs out.
ASKING_SECONDS = 4
POLL_SECONDS = 0.02
# In less than this an upstream that is well has answered somebody, and let the next one in.
DOOR_SECONDS = 0.25
RETRY_SECONDS = 2


class PriceUnavailable(DomainError):
    code = "price_unavailable"
    status = 503
    message = "Polymarket can't be asked for this market's price at the moment. Try again in a few seconds."


class Priced(Protocol):
    """A market with what pricing needs."""

    id: UUID
    this_token_id: str
    that_token_id: str
    this_odds: Decimal
    that_odds: Decimal
    odds_updated_at: datetime


@dataclass(frozen=True, slots=True)
class LiveOdds:
    """`as_of`: when the order book said so. `stale`: it couldn't be asked again since."""

    this: Decimal
    that: Decimal
    as_of: datetime
    stale: bool = False


# Those waiting for the upstream may hold half of the process's threads, so that lists are served whatever it does.
_waiting_room = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


def remembered(market_id: UUID, *, now: datetime, max_age: float) -> LiveOdds | None:
    """The odds last heard, if they are at most `max_age` seconds old."""
    odds: LiveOdds | None = cache.get(key(market_id))
    return odds if odds and odds.as_of >= now - timedelta(seconds=max_age) else None


def live_odds(market: Priced, *, client: PolymarketClient, now: datetime) -> LiveOdds:
    """The market's odds, at most MARKET_LIVE_SECONDS old; stale ones within MARKET_LIVE_STALE_SECONDS, marked so.

    Raises PriceUnavailable when nothing young enough is known.
    """
    if odds := remembered(market.id, now=now, max_age=settings.MARKET_LIVE_SECONDS):
        return odds
    # Whoever has something to show instead doesn't wait at the door.
    with waiting(0 if stale_odds(market, now=now) else DOOR_SECONDS) as admitted:
        odds = ask_once(market, client=client, now=now) if admitted else None
    if odds := odds or stale_odds(market, now=now):
        return odds
    raise PriceUnavailable(retry_after=RETRY_SECONDS)


def fresh_odds(market: Priced, *, client: PolymarketClient, now: datetime, max_age: float) -> LiveOdds:
    """For what moves credits: odds from the order book that are at most `max_age` seconds old, never the catalogue's.

    Raises PriceUnavailable.
    """
    if odds := remembered(market.id, now=now, max_age=max_age):
        return odds
    with waiting(DOOR_SECONDS) as admitted:
        odds = ask_once(market, client=client, now=now) if admitted else None
    if odds is None:
        raise PriceUnavailable(retry_after=RETRY_SECONDS)
    return odds


@contextmanager
def waiting(seconds: float) -> Iterator[bool]:
    """Holds a place in the waiting room; False when none gets free within so many seconds."""
    admitted = _waiting_room.acquire(timeout=seconds)
    try:
        yield admitted
    finally:
        if admitted:
            _waiting_room.release()


def ask_once(market: Priced, *, client: PolymarketClient, now: datetime) -> LiveOdds | None:
    """Of all that ask at once, in all processes that share the cache, one asks the upstream; the others wait for it."""
    lock = f"{key(market.id)}:asking"
    if not cache.add(lock, 1, timeout=ASKING_SECONDS):
        return wait_for_answer(market.id, lock, now=now)
    try:
        # Another may have asked, and let go of the lock, since this one looked.
        heard = remembered(market.id, now=now, max_age=settings.MARKET_LIVE_SECONDS)
        return heard or ask(market, client=client, now=now)
    finally:
        cache.delete(lock)


def ask(market: Priced, *, client: PolymarketClient, now: datetime) -> LiveOdds | None:
    tokens = (market.this_token_id, market.that_token_id)
    try:
        found: Odds | None = odds_from_midpoints(client.midpoints(tokens), *tokens)
    except UpstreamError:
        return None
    if found is None:
        return None
    odds = LiveOdds(this=found.this, that=found.that, as_of=now)
    cache.set(key(market.id), odds, timeout=settings.MARKET_LIVE_STALE_SECONDS)
    return odds


def wait_for_answer(market_id: UUID, lock: str, *, now: datetime) -> LiveOdds | None:
    give_up = time.monotonic() + ASKING_SECONDS
    while time.monotonic() < give_up:
        asking = cache.get(lock)
        if odds := remembered(market_id, now=now, max_age=settings.MARKET_LIVE_SECONDS):
            return odds
        if not asking:
            return None
        time.sleep(POLL_SECONDS)
    return None


def stale_odds(market: Priced, *, now: datetime) -> LiveOdds | None:
    """The youngest odds known, if they are within MARKET_LIVE_STALE_SECONDS."""
    bound = settings.MARKET_LIVE_STALE_SECONDS
    stored = LiveOdds(this=market.this_odds, that=market.that_odds, as_of=market.odds_updated_at)
    known = [stored] if stored.as_of >= now - timedelta(seconds=bound) else []
    if heard := remembered(market.id, now=now, max_age=bound):
        known.append(heard)
    return replace(max(known, key=attrgetter("as_of")), stale=True) if known else None


def key(market_id: UUID) -> str:
    return f"live:{market_id}"
