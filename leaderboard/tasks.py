from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from leaderboard import services

JOB = "leaderboard.update"


@shared_task(name=JOB)
def update() -> None:
    run_job(JOB, lambda: services.update_leaderboard(now=timezone.now()).as_dict())


@shared_task(name="leaderboard.purge_days")
def purge_days() -> None:
    run_job("leaderboard.purge_days", lambda: {"deleted": services.purge_days(now=timezone.now())})
