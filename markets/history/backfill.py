"""What a mirrored market's odds were while nobody recorded them here, requested from Polymarket when somebody looks.

Stored marked as backfilled, and only where nothing was recorded: what was seen here wins.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from core.db.sql import execute
from core.db.transactions import require_no_transaction, run_transaction
from core.resilience import Deadline, SharedRateLimit, UpstreamSemaphore
from markets import rules
from markets.errors import UpstreamError
from markets.history.models import UNIT, MarketBackfill
from markets.history.recording import add_partitions
from markets.history.selectors import HOURS, MINUTES, floor
from markets.models import Market
from markets.polymarket.client import PolymarketClient
from markets.polymarket.parsing import parse_price_history
from markets.prices import ACQUIRE_TIMEOUT, POLL_SECONDS, upstream_semaphore

# Of a process's threads that may wait for the upstream a third at most wait for histories: never all that fills need.
history_semaphore = UpstreamSemaphore(settings.WEB_THREADS // 4)
# Longer than all requests of a backfill; the lock of a process that died runs out.
LOCK_SECONDS = 4
rate_limit = SharedRateLimit("histories", per_second=rules.HISTORY_REQUESTS_PER_SECOND)


class Request(NamedTuple):
    """What is requested: `fidelity` in minutes; and where it goes, no finer than a point in each `step`."""

    interval: str
    fidelity: int
    span: timedelta
    table: str
    step: timedelta


AN_HOUR = timedelta(hours=1)
OPEN = (
    Request("1w", 5, timedelta(weeks=1), MINUTES, timedelta(minutes=5)),
    Request("max", 60, rules.HISTORY_BACKFILLED_FOR, HOURS, AN_HOUR),
)
# Of a market that is closed upstream nothing finer is known.
OVER = (Request("max", 720, rules.HISTORY_BACKFILLED_FOR, HOURS, AN_HOUR),)

STORE = """
INSERT INTO {table} (market_id, recorded_at, this_odds, is_backfilled)
SELECT %(market_id)s, past.at, past.odds, true
FROM unnest(%(times)s::timestamptz[], %(odds)s::smallint[]) AS past (at, odds)
WHERE NOT EXISTS (
    SELECT FROM {table} AS own WHERE own.market_id = %(market_id)s AND NOT own.is_backfilled
    AND own.recorded_at <= past.at AND own.recorded_at > past.at - %(gap)s
)
ON CONFLICT DO NOTHING
"""


def is_due(market: Market, *, has_gaps: bool, now: datetime) -> bool:
    """Return whether what is missing of the market's history is to be requested now.

    Once; after a failure, and of an open market whose history has gaps, again after a while; and once more at its end.
    """
    if not market.polymarket_id:
        return False
    last = MarketBackfill.objects.filter(pk=market.pk).first()
    if last is None or not last.is_done:
        return last is None or last.tried_at <= now - rules.HISTORY_RETRY_AFTER
    if market.resolved_at:
        return last.tried_at < market.resolved_at
    return has_gaps and market.status == Market.Status.OPEN and last.tried_at <= now - rules.HISTORY_AGAIN_AFTER


def backfill_history(market: Market, *, client: PolymarketClient, now: datetime) -> None:
    """Request and store what is missing, unless another thread, in any process that shares the cache, does: then wait.

    Takes HISTORY_BACKFILL_SECONDS at most, and what can't be had in that time is noted for a later try. Does nothing
    where many others do it already.
    """
    require_no_transaction("backfill_history")
    lock = f"history:{market.pk}:lock"
    with (
        history_semaphore.acquire(timeout=0) as is_free,
        upstream_semaphore.acquire(timeout=ACQUIRE_TIMEOUT if is_free else 0) as acquired,
    ):
        if not (is_free and acquired):
            return
        if not cache.add(lock, 1, timeout=LOCK_SECONDS):
            wait_until_released(lock)
            return
        try:
            # Another may have done it, and released the lock, since this one looked.
            if is_due(market, has_gaps=True, now=now):
                request_history(market, client=client, now=now)
        finally:
            cache.delete(lock)


def wait_until_released(lock: str) -> None:
    give_up = time.monotonic() + LOCK_SECONDS
    while cache.get(lock) and time.monotonic() < give_up:
        time.sleep(POLL_SECONDS)


def request_history(market: Market, *, client: PolymarketClient, now: datetime) -> None:
    deadline = Deadline(rules.HISTORY_BACKFILL_SECONDS)
    until = min(now, market.resolved_at or now)
    is_done = True
    for request in OPEN if market.status == Market.Status.OPEN else OVER:
        if not rate_limit.acquire(Deadline(deadline.bounded(ACQUIRE_TIMEOUT))):
            return
        try:
            sent = client.price_history(
                market.this_token_id,
                interval=request.interval,
                fidelity=request.fidelity,
                within=deadline.bounded(rules.HISTORY_BACKFILL_SECONDS),
            )
        except UpstreamError:
            is_done = False
            break
        past = parse_price_history(sent, after=now - request.span, until=until)
        store(market.pk, request.table, spaced(past, step=request.step, until=until))
    note(market.pk, is_done=is_done, now=now)


def spaced(past: Mapping[datetime, Decimal], *, step: timedelta, until: datetime) -> dict[datetime, Decimal]:
    """Return prices as of whole steps, of each the last before: requested again they are of the same times."""
    return {
        moment: price
        for moment, price in ((floor(at - timedelta(seconds=1), step) + step, price) for at, price in past.items())
        if moment <= until
    }


def store(market_id: UUID, table: str, past: Mapping[datetime, Decimal]) -> None:
    if not past:
        return
    parameters = {
        "market_id": market_id,
        "times": list(past),
        "odds": stored_odds(past.values()),
        "gap": rules.HISTORY_GAP,
    }

    def add() -> None:
        add_partitions(table, min(past), max(past))
        execute(STORE.format(table=table), parameters)

    run_transaction(add)


def stored_odds(prices: Iterable[Decimal]) -> list[int]:
    return [int(price * UNIT) for price in prices]


def note(market_id: UUID, *, is_done: bool, now: datetime) -> None:
    MarketBackfill.objects.bulk_create(
        [MarketBackfill(market_id=market_id, tried_at=now, is_done=is_done)],
        update_conflicts=True,
        unique_fields=["market"],
        update_fields=["tried_at", "is_done"],
    )
