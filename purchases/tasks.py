"""Jobs of purchases: retry events that failed, and look up pending purchases."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from purchases import events
from purchases.providers import StripeProvider


@shared_task(name="purchases.retry_events")
def retry_events() -> None:
    run_job("purchases.retry_events", lambda: events.retry_events(now=timezone.now()))


@shared_task(name="purchases.reconcile")
def reconcile() -> None:
    run_job("purchases.reconcile", reconcile_if_offered)


def reconcile_if_offered() -> dict[str, Any]:
    return events.reconcile_purchases(now=timezone.now()) if StripeProvider().is_offered() else {}
