from celery import shared_task
from django.utils import timezone

from leaderboard import services
from thisthat.common.jobs import run_job

JOB = "leaderboard.update"


@shared_task(name=JOB)
def update() -> None:
    run_job(JOB, lambda: services.recount(now=timezone.now()).as_dict())
