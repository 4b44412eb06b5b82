from celery import shared_task
from django.utils import timezone

from accounts import tokens
from core.jobs.runs import run_job


@shared_task(name="accounts.purge_refresh_tokens")
def purge_refresh_tokens() -> None:
    run_job("accounts.purge_refresh_tokens", lambda: {"deleted": tokens.purge_expired(now=timezone.now())})
