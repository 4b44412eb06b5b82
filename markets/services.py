"""What can be done with markets."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import connection, transaction

from core.api.errors import DomainError
from core.jobs.runs import last_finished_run, run_job
from core.models import JobRun
from markets import catalog as ingestion
from markets import editions
from markets.odds import odds_from_midpoints
from markets.polymarket.client import PolymarketClient, UpstreamError
from markets.polymarket.parsing import Odds
from markets.rules import REFRESH_LIMIT, watch_for

logger = logging.getLogger(__name__)
INGEST = "markets.ingest"
REFRESH_ODDS = "markets.refresh_odds"
RUNNING_RETRY_SECONDS = 5
WATCH_NOTED_SECONDS = 60


def silently(staged: int, total: int) -> None:
    """No progress is shown."""


class UpstreamAway(DomainError):
    code = "upstream_unavailable"
    status = 503
    message = "Polymarket can't be reached at the moment. Nothing has changed; try again."


class IngestionRunning(DomainError):
    code = "ingestion_running"
    status = 503
    message = "An ingestion is running already. Try again in a few seconds."


def ingest_markets(
    *,
    client: PolymarketClient,
    limit: int,
    now: datetime,
    category: str | None = None,
    recheck_limit: int = 0,
    progress: ingestion.Progress = silently,
) -> dict[str, Any] | None:
    """Copies Polymarket's open markets into ours and returns the counts; None when a run is under way.

    `limit` counts good markets, `recheck_limit` those that left the list and are asked about by their id. Raises
    UpstreamError when Polymarket couldn't be read: the run is recorded as failed, and nothing has changed.
    """

    def work() -> dict[str, Any]:
        return ingestion.read_and_apply(
            client=client, limit=limit, category=category, recheck_limit=recheck_limit, now=now, progress=progress
        )

    run = run_job(INGEST, work)
    return run.result if run else None


def ingest_unless_recent(
    *,
    client: PolymarketClient,
    limit: int,
    category: str | None,
    recheck_limit: int,
    min_interval: timedelta,
    now: datetime,
    progress: ingestion.Progress = silently,
) -> dict[str, Any]:
    """As `ingest_markets`, but within `min_interval` of the last run its result is returned, `coalesced`.

    Raises IngestionRunning, or UpstreamAway when the run, or the recent one, couldn't read Polymarket.
    """
    recent = last_finished_run(INGEST)
    if recent and recent.started_at > now - min_interval:
        return coalesced(recent, wait=(recent.started_at + min_interval - now).total_seconds())
    try:
        result = ingest_markets(
            client=client, limit=limit, category=category, recheck_limit=recheck_limit, now=now, progress=progress
        )
    except UpstreamError as exc:
        raise UpstreamAway(retry_after=max(1.0, min_interval.total_seconds())) from exc
    if result is None:
        raise IngestionRunning(retry_after=RUNNING_RETRY_SECONDS)
    return {**result, "coalesced": False}


def coalesced(run: JobRun, *, wait: float) -> dict[str, Any]:
    if run.result is None:
        raise UpstreamAway(retry_after=wait)
    return {**run.result, "coalesced": True}


def publish_edition_if_outdated(*, now: datetime) -> bool:
    """Markets opened or closed other than by ingestion get their place in the lists; returns whether any had."""
    with transaction.atomic(durable=True):
        if editions.is_current():
            return False
        editions.publish(now=now)
        return True


# In one order, so that two that watch the same markets never wait for each other in a circle.
WATCH = """
INSERT INTO market_watches AS watch (market_id, watched_until)
SELECT DISTINCT market_id, %(until)s::timestamptz FROM unnest(%(market_ids)s::uuid[]) AS market_id ORDER BY market_id
ON CONFLICT (market_id) DO UPDATE SET watched_until = excluded.watched_until
WHERE watch.watched_until < excluded.watched_until
"""


def watch_markets(market_ids: Iterable[UUID], *, until: datetime) -> None:
    """Has the odds of these markets kept seconds old, at least until then."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH, {"market_ids": list(market_ids), "until": until})


def watch_while_looked_at(market_id: UUID, *, now: datetime) -> None:
    """Somebody looks at this market. Written at most once a minute a market, however many look."""
    if cache.add(f"watched:{market_id}", 1, timeout=WATCH_NOTED_SECONDS):
        watch_markets([market_id], until=now + watch_for())


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
    FROM unnest(%(ids)s::uuid[], %(this)s::numeric[], %(that)s::numeric[]) AS asked (id, this_odds, that_odds)
    JOIN LATERAL (
        SELECT id FROM markets WHERE markets.id = asked.id AND status = 'open' AND odds_updated_at <= %(now)s
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS locked ON true
) AS fresh
WHERE market.id = fresh.id
"""


def refresh_odds(*, client: PolymarketClient, now: datetime) -> dict[str, Any] | None:
    """Asks the order book for the odds of the watched markets; returns `{watched, refreshed}`, None when under way.

    Raises UpstreamError; the stored odds then keep their age.
    """

    def work() -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute(WATCHED, {"now": now, "limit": REFRESH_LIMIT})
            watched = cursor.fetchall()
        prices = client.midpoints([token for _, *tokens in watched for token in tokens]) if watched else {}
        found = {market_id: odds_from_midpoints(prices, this, that) for market_id, this, that in watched}
        refreshed = store_odds({market_id: odds for market_id, odds in found.items() if odds}, now=now)
        return {"watched": len(watched), "refreshed": refreshed}

    run = run_job(REFRESH_ODDS, work)
    return run.result if run else None


def store_odds(odds: dict[UUID, Odds], *, now: datetime) -> int:
    """Odds of open markets as they were `now`; returns how many rows took them."""
    if not odds:
        return 0
    this: list[Decimal] = [pair.this for pair in odds.values()]
    that: list[Decimal] = [pair.that for pair in odds.values()]
    with connection.cursor() as cursor:
        cursor.execute(SET_ODDS, {"ids": list(odds), "this": this, "that": that, "now": now})
        return int(cursor.rowcount)
