"""Jobs of the markets app: what runs them, one at a time each, and records them.

A command or a request may start a job, too, by the `run_…` functions, which take the same lock.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from core.events import log_event
from core.jobs.runs import last_finished_run, run_job
from core.models import JobRun
from markets import catalog, listings, prices, rules, skips
from markets.catalog import Progress, no_progress
from markets.errors import (
    IngestionFailed,
    IngestionRunning,
    PolymarketUnavailable,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRejected,
    UpstreamUnavailable,
)
from markets.history import recording
from markets.polymarket.client import PolymarketClient, job_client
from markets.resolution import job as resolution
from markets.resolution.review import review_results

logger = logging.getLogger(__name__)
INGEST = "markets.ingest"
REFRESH_ODDS = "markets.refresh_odds"
PUBLISH_EDITION = "markets.publish_edition"
PURGE_SKIPS = "markets.purge_skips"
RECORD_HISTORY = "markets.record_history"
THIN_HISTORY = "markets.thin_history"
RESOLVE = "markets.resolve"
CHECK_MARKETS = "markets.check_markets"
RUNNING_RETRY_SECONDS = 5
# How the error of a run begins that failed because of Polymarket; any other is ours.
UPSTREAM_FAILURES = tuple(f"{kind.__name__}:" for kind in (UpstreamUnavailable, UpstreamRejected, UpstreamGarbled))


@shared_task(name=INGEST)
def ingest() -> None:
    try:
        run_ingestion(
            client=job_client(), limit=rules.INGEST_LIMIT, recheck_limit=rules.RECHECK_LIMIT, now=timezone.now()
        )
    except UpstreamError as exc:
        logger.warning("ingestion failed, the next run will try again: %s", exc)


@shared_task(name=REFRESH_ODDS)
def refresh_odds() -> None:
    try:
        run_odds_refresh(client=job_client(), now=timezone.now())
    except UpstreamError as exc:
        logger.warning("odds not refreshed, the next run will try again: %s", exc)


@shared_task(name=PURGE_SKIPS)
def purge_skips() -> None:
    run_job(PURGE_SKIPS, lambda: {"deleted": skips.purge_skips(now=timezone.now())})


@shared_task(name=RECORD_HISTORY)
def record_history() -> None:
    run_job(RECORD_HISTORY, lambda: {"points": recording.record_points(now=timezone.now())})


@shared_task(name=THIN_HISTORY)
def thin_history() -> None:
    succeeded = JobRun.objects.filter(job=THIN_HISTORY, status=JobRun.Status.SUCCEEDED).order_by("-finished_at")
    # An hour again: what was recorded as of a time before, and committed after, is copied too.
    last = succeeded.values_list("result__rolledUpUntil", flat=True).first()
    until = datetime.fromisoformat(last) - timedelta(hours=1) if last else None
    run_job(THIN_HISTORY, lambda: recording.thin_history(rolled_up_until=until, now=timezone.now()))


@shared_task(name=PUBLISH_EDITION)
def publish_edition() -> None:
    run_job(PUBLISH_EDITION, lambda: {"published": listings.publish_edition_if_outdated(now=timezone.now())})


@shared_task(name=RESOLVE)
def resolve() -> None:
    try:
        run_resolution(client=job_client(), limit=rules.RESOLVE_LIMIT, now=timezone.now())
    except UpstreamError as exc:
        logger.warning("markets not resolved, the next run will try again: %s", exc)


@shared_task(name=CHECK_MARKETS)
def check_markets(condition_ids: list[str]) -> None:
    """Look whether these markets are over, as the feed heard; those that aren't yet are left to the periodic job."""
    try:
        resolution.check_named(job_client(), condition_ids, now=timezone.now())
    except UpstreamError as exc:
        logger.warning("markets not checked, the periodic job will: %s", exc)


def run_ingestion(
    *,
    client: PolymarketClient,
    limit: int,
    now: datetime,
    category: str | None = None,
    recheck_limit: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any] | None:
    """Return the counts of `catalog.ingest_markets`; None when a run is under way.

    Raises UpstreamError when Polymarket couldn't be read: the run is recorded as failed, and nothing has changed.
    """

    def work() -> dict[str, Any]:
        return catalog.ingest_markets(
            client=client, limit=limit, category=category, recheck_limit=recheck_limit, now=now, progress=progress
        )

    run = run_job(INGEST, work)
    if run and run.result:
        created, updated = run.result["created"], run.result["updated"]
        log_event("the catalogue was read: %s new markets, %s changed", created, updated, job=INGEST)
    return run.result if run else None


def run_ingestion_unless_recent(
    *,
    client: PolymarketClient,
    limit: int,
    category: str | None,
    recheck_limit: int,
    min_interval: timedelta,
    now: datetime,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Run an ingestion; within `min_interval` of the last run its result is returned instead, `coalesced`.

    Raises IngestionRunning, PolymarketUnavailable when the run, or the recent one, couldn't read Polymarket, and
    IngestionFailed when the recent one failed for another reason.
    """
    recent = last_finished_run(INGEST)
    if recent and recent.started_at > now - min_interval:
        return coalesced(recent, wait=(recent.started_at + min_interval - now).total_seconds())
    try:
        result = run_ingestion(
            client=client, limit=limit, category=category, recheck_limit=recheck_limit, now=now, progress=progress
        )
    except UpstreamError as exc:
        raise PolymarketUnavailable(retry_after=max(1.0, min_interval.total_seconds())) from exc
    if result is None:
        raise IngestionRunning(retry_after=RUNNING_RETRY_SECONDS)
    return {**result, "coalesced": False}


def coalesced(run: JobRun, *, wait: float) -> dict[str, Any]:
    if run.result is None:
        failure = PolymarketUnavailable if run.error.startswith(UPSTREAM_FAILURES) else IngestionFailed
        raise failure(retry_after=wait)
    return {**run.result, "coalesced": True}


def run_odds_refresh(*, client: PolymarketClient, now: datetime) -> dict[str, Any] | None:
    """Return the counts of `prices.refresh_odds`; None when a run is under way. Raises UpstreamError."""
    run = run_job(REFRESH_ODDS, lambda: prices.refresh_odds(client=client, now=now))
    return run.result if run else None


def run_resolution(
    *, client: PolymarketClient, now: datetime, limit: int, progress: Progress = no_progress
) -> dict[str, Any] | None:
    """Return the counts of `resolution.job.resolve_markets`, and how many results changed upstream since.

    None when a run is under way. Raises UpstreamError.
    """

    def work() -> dict[str, Any]:
        counts = resolution.resolve_markets(client=client, now=now, limit=limit, progress=progress)
        return {**counts, "changed": review_results(client, now=now)}

    run = run_job(RESOLVE, work)
    return run.result if run else None
