"""Jobs of accounts, and what starts them. A mail whose task is lost waits for the next sweep."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.dispatch import receiver
from django.utils import timezone

from accounts import tokens, usernames
from accounts.mail import queue
from accounts.mail.queue import mail_queued
from core.jobs.queues import enqueue_best_effort
from core.jobs.runs import run_job


@shared_task(name="accounts.purge_refresh_tokens")
def purge_refresh_tokens() -> None:
    run_job("accounts.purge_refresh_tokens", purge)


def purge() -> dict[str, Any]:
    """Delete refresh tokens that have expired, and usernames that aren't held any more."""
    now = timezone.now()
    return {"deleted": tokens.purge_expired(now=now), "usernames": usernames.purge(now=now)}


@shared_task(name="accounts.send_mail")
def send_mail(mail_id: str) -> None:
    queue.send_mail(mail_id=UUID(mail_id), now=timezone.now())


@receiver(mail_queued, dispatch_uid="accounts.send_mail")
def enqueue_mail(*, mail_id: UUID, **kwargs: Any) -> None:
    """Have a mail sent at once."""
    enqueue_best_effort(send_mail, str(mail_id))


@shared_task(name="accounts.send_mails")
def send_mails() -> None:
    """Send the mails whose tasks were lost, or that have to be tried again."""
    run_job("accounts.send_mails", lambda: queue.send_due(now=timezone.now()))
