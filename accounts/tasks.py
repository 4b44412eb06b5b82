from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts import tokens, usernames
from core.jobs.runs import run_job


@shared_task(name="accounts.purge_refresh_tokens")
def purge_refresh_tokens() -> None:
    run_job("accounts.purge_refresh_tokens", purge)


def purge() -> dict[str, Any]:
    """Delete refresh tokens that have expired, and usernames that aren't held any more."""
    now = timezone.now()
    return {"deleted": tokens.purge_expired(now=now), "usernames": usernames.purge(now=now)}
