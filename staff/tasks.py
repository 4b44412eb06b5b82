from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from staff.services import refresh_dashboard_counts

COUNT_DAYS = "staff.count_days"


@shared_task(name=COUNT_DAYS)
def count_days() -> None:
    """Count what the dashboard shows of the ledger and of open bets."""
    run_job(COUNT_DAYS, lambda: refresh_dashboard_counts(now=timezone.now()))
