from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from economy.stocks import catalogue, liquidation


@shared_task(name="economy.close_worthless_holdings")
def close_worthless_holdings() -> None:
    run_job(
        "economy.close_worthless_holdings",
        lambda: {"closed": liquidation.close_worthless_holdings(now=timezone.now())},
    )


@shared_task(name="economy.seed_stocks")
def seed_stocks() -> None:
    run_job("economy.seed_stocks", lambda: {"added": catalogue.seed_stocks(now=timezone.now())})
