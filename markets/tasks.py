import logging

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from core.jobs.runs import run_job
from markets import services
from markets.polymarket.client import UpstreamError
from markets.resolution import job as resolving
from markets.rules import RESOLVE_LIMIT
from markets.upstream import patient_client

logger = logging.getLogger(__name__)


@shared_task(name="markets.ingest")
def ingest() -> None:
    try:
        services.ingest_markets(
            client=patient_client(),
            limit=settings.MARKET_INGEST_LIMIT,
            recheck_limit=settings.MARKET_RECHECK_LIMIT,
            now=timezone.now(),
        )
    except UpstreamError as exc:
        logger.warning("ingestion failed, the next run will try again: %s", exc)


@shared_task(name="markets.refresh_odds")
def refresh_odds() -> None:
    try:
        services.refresh_odds(client=patient_client(), now=timezone.now())
    except UpstreamError as exc:
        logger.warning("odds not refreshed, the next run will try again: %s", exc)


@shared_task(name="markets.publish_edition")
def publish_edition() -> None:
    run_job("markets.publish_edition", lambda: {"published": services.publish_edition_if_outdated(now=timezone.now())})


@shared_task(name="markets.resolve")
def resolve() -> None:
    try:
        resolving.resolve_markets(client=patient_client(), limit=RESOLVE_LIMIT, now=timezone.now())
    except UpstreamError as exc:
        logger.warning("markets not resolved, the next run will try again: %s", exc)
