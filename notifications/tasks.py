"""Jobs of notifications."""

from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from notifications import services


@shared_task(name="notifications.purge")
def purge() -> None:
    run_job("notifications.purge", lambda: {"deleted": services.purge_notifications(now=timezone.now())})
