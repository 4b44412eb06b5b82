"""Factories of scheduled jobs, as beat stores them, and of their runs."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from core.models import JobRun


def add_job(name: str = "settle-markets", task: str = "betting.settle_markets", *, seconds: int = 60) -> PeriodicTask:
    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    return PeriodicTask.objects.create(name=name, task=task, interval=interval)


def add_daily(name: str, task: str, minute: str = "7", hour: str = "4") -> PeriodicTask:
    times, _ = CrontabSchedule.objects.get_or_create(minute=minute, hour=hour)
    return PeriodicTask.objects.create(name=name, task=task, crontab=times)


def add_run(job: str, status: str = "succeeded", *, ago: float = 60, took: float = 0.25, **more: Any) -> JobRun:
    """A run that began so many seconds ago."""
    started = timezone.now() - timedelta(seconds=ago)
    finished = None if status == "running" else started + timedelta(seconds=took)
    return JobRun.objects.create(job=job, status=status, started_at=started, finished_at=finished, **more)
