from celery import shared_task
from django.utils import timezone

from betting import services
from thisthat.common.jobs import run_job


@shared_task(name="betting.watch_open_bets")
def watch_open_bets() -> None:
    run_job("betting.watch_open_bets", lambda: {"markets": services.watch_open_bets(now=timezone.now())})
