"""Jobs of betting, and what starts them. A task that is lost costs a minute, until the next sweep."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.dispatch import receiver
from django.utils import timezone

from betting import services, settlement
from core.jobs.queues import enqueue_best_effort
from core.jobs.runs import run_job
from markets.resolution.records import market_ended


@shared_task(name="betting.watch_open_bets")
def watch_open_bets() -> None:
    run_job("betting.watch_open_bets", lambda: {"markets": services.watch_open_bets(now=timezone.now())})


@shared_task(name="betting.notify_of_closing_markets")
def notify_of_closing_markets() -> None:
    run_job(
        "betting.notify_of_closing_markets",
        lambda: {"users": services.notify_of_closing_markets(now=timezone.now())},
    )


@shared_task(name="betting.settle_market")
def settle_market(market_id: str) -> None:
    """Settle the market; one that isn't over any more, or is busy, is left to the sweep."""
    settlement.settle_if_over(market_id=UUID(market_id), now=timezone.now())


@shared_task(name="betting.settle_markets")
def settle_markets() -> None:
    run_job("betting.settle_markets", lambda: settlement.settle_ended_markets(now=timezone.now()))


@receiver(market_ended, dispatch_uid="betting.settle_market")
def enqueue_settlement(*, market_id: UUID, **kwargs: Any) -> None:
    enqueue_best_effort(settle_market, str(market_id))
