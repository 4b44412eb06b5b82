"""The periodic jobs that delete old runs of jobs and old idempotency keys."""

from celery import shared_task
from django.utils import timezone

from core.api import idempotency
from core.jobs import runs as jobs


@shared_task(name="common.purge_job_runs")
def purge_job_runs() -> None:
    jobs.run_job("common.purge_job_runs", lambda: {"deleted": jobs.purge_job_runs(now=timezone.now())})


@shared_task(name="common.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    jobs.run_job("common.purge_idempotency_keys", lambda: {"deleted": idempotency.purge_keys()})
