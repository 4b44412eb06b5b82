"""The scheduler (Celery beat), and which jobs are late by the schedule in `thisthat.celery` and by `job_runs`.

The scheduler sends a job to the queue when it is due, and runs it in its own process while the queue is away; a job
that both a worker and the scheduler come to run is run once, because each run takes the job's lock.

Late are only jobs that are switched on. A job that never ran has its periods from when beat first had it, and where
there was no beat yet, from the first run of any job: a fresh installation isn't late.
"""

import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from threading import BoundedSemaphore, Lock, Thread
from time import monotonic, sleep
from typing import Any

from celery import current_app
from celery.beat import SchedulingError
from celery.schedules import crontab, maybe_schedule
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler
from kombu.exceptions import KombuError

from core.jobs.runs import History, histories
from core.resilience import CircuitBreaker
from core.rules import LATE_AFTER_PERIODS

logger = logging.getLogger(__name__)
DATABASE_POLL_SECONDS, WAITING_SAID_SECONDS = 0.5, 60.0
NOT_FOR_YEARS = timedelta(days=366 * 5)
# How many jobs the scheduler runs itself at a time while the queue is away.
LOCAL_RUNS_MAX = 2
_queue_breaker = CircuitBreaker("the queue", fallback="the scheduler runs the jobs itself")
_local_slots = BoundedSemaphore(LOCAL_RUNS_MAX)
_local_lock = Lock()
_running_locally: set[str] = set()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # django-celery-beat has no types
    # A message takes a connection when it is sent: beat's own would wait for the queue and stop the scheduler.
    producer = None

    def setup_schedule(self) -> None:
        wait_for_database()
        super().setup_schedule()

    def apply_async(self, entry: Any, **kwargs: Any) -> Any:
        return send_or_run_locally(entry.task, lambda: super(Scheduler, self).apply_async(entry, **kwargs))


def wait_for_database() -> None:
    """Return once the database takes connections: without it beat ends, and what starts it again gives up in the end.

    A signal meanwhile ends the process, with status 0.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    said_at: float | None = None
    while True:
        try:
            connections[DEFAULT_DB_ALIAS].ensure_connection()
        except OperationalError as exc:
            if said_at is None or monotonic() - said_at >= WAITING_SAID_SECONDS:
                logger.warning("the scheduler waits for the database: %s", exc)
                said_at = monotonic()
            sleep(DATABASE_POLL_SECONDS)
        else:
            return


def send_or_run_locally(task: str, send: Callable[[], Any]) -> Any:
    """Return what `send` returns; None where the job is run in this process because the queue is away."""
    if _queue_breaker.allows():
        try:
            sent = send()
        except (SchedulingError, KombuError, OSError) as exc:
            _queue_breaker.record_failure(exc)
        else:
            _queue_breaker.record_success()
            return sent
    return run_locally(task)


def run_locally(task: str) -> None:
    """Run the task in a thread that holds up neither the scheduler nor its end; never twice at the same time."""
    with _local_lock:
        if task in _running_locally:
            return
        _running_locally.add(task)
    Thread(target=_run, args=[task], daemon=True).start()


def _run(task: str) -> None:
    try:
        with _local_slots:
            current_app.tasks[task].apply(throw=True)
    except Exception as exc:  # noqa: BLE001 - as a worker does: the job's next run tries again
        logger.warning("%s failed: %s", task, exc)
    finally:
        connections.close_all()
        with _local_lock:
            _running_locally.discard(task)


@dataclass(frozen=True, slots=True)
class Late:
    """A job that should have succeeded by `due_at`, the end of its last period of grace."""

    job: str
    last_success_at: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Switch:
    """What beat's table says of an entry: `sent_at` is None until beat sent it since it was switched on."""

    is_on: bool
    sent_at: datetime | None
    times_sent: int
    changed_at: datetime


def late_jobs(history: Mapping[str, History], *, now: datetime, periods: int = LATE_AFTER_PERIODS) -> list[Late]:
    """Return the jobs that have not succeeded for so many periods, by name; one query."""
    switches = read_switches()
    began = [history[entry["task"]].first_started_at for entry in entries().values() if entry["task"] in history]
    found = []
    for name, entry in entries().items():
        switch, past = switches.get(name), history.get(entry["task"])
        # Beat of another version doesn't know the entry yet, or staff deleted it.
        if switches and (switch is None or not switch.is_on):
            continue
        due_at = due(entry["schedule"], past, switch, min(began, default=None), periods=periods)
        if due_at and due_at < now:
            found.append(Late(entry["task"], past.last_success_at if past else None, due_at))
    return sorted(found, key=lambda late: late.job)


def is_overdue(task: str, *, last_at: datetime, now: datetime) -> bool:
    """Return whether LATE_AFTER_PERIODS of a job's periods have passed since then, switched on or not."""
    schedule = next(entry["schedule"] for entry in entries().values() if entry["task"] == task)
    return after(schedule, last_at, LATE_AFTER_PERIODS) < now


def entries() -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of the schedule, by name: `task`, `schedule`, `options`."""
    found: Mapping[str, Mapping[str, Any]] = current_app.conf.beat_schedule
    return found


def due(
    schedule: Any, history: History | None, switch: Switch | None, first_run_at: datetime | None, *, periods: int
) -> datetime | None:
    """Return when the next success is due at the latest; None where nothing has begun yet."""
    if switch and switch.sent_at is None and (not history or since(history) < switch.changed_at):
        return after(schedule, switch.changed_at, periods)
    if history and history.success:
        # The periods begin with the run's start, so that a run may take as long as the last one did.
        started_at, finished_at = history.success
        return after(schedule, started_at, periods) + (finished_at - started_at)
    if history:
        return after(schedule, history.first_started_at, periods)
    if switch and switch.sent_at:
        return after(schedule, switch.sent_at, periods - switch.times_sent)
    return after(schedule, first_run_at, periods) if first_run_at else None


def since(history: History) -> datetime:
    return history.last_success_at or history.first_started_at


def after(schedule: Any, moment: datetime, periods: int) -> datetime:
    """Return the end of so many periods after the moment: at once when there are none."""
    if periods <= 0:
        return moment
    timing: Any = maybe_schedule(schedule)
    if isinstance(timing, crontab):
        return next(islice(firings(timing, moment), periods - 1, None), moment + NOT_FOR_YEARS)
    period: timedelta = timing.run_every
    return moment + periods * period


def firings(timing: Any, after: datetime) -> Iterator[datetime]:
    """Yield the moments, in UTC, that a crontab names; none where it names a day that doesn't come within years."""
    day, last = after.date(), (after + NOT_FOR_YEARS).date()
    hours_and_minutes = [
        time(hour, minute, tzinfo=UTC) for hour in sorted(timing.hour) for minute in sorted(timing.minute)
    ]
    while day < last:
        if (
            day.month in timing.month_of_year
            and day.day in timing.day_of_month
            and day.isoweekday() % 7 in timing.day_of_week
        ):
            moments = (datetime.combine(day, moment) for moment in hours_and_minutes)
            yield from (moment for moment in moments if moment > after)
        day += timedelta(days=1)


def read_switches() -> dict[str, Switch]:
    fields = ("name", "enabled", "last_run_at", "total_run_count", "date_changed")
    return {name: Switch(*values) for name, *values in PeriodicTask.objects.values_list(*fields)}


def due_at_start(always: Iterable[str], *, now: datetime) -> list[str]:
    """Return the tasks to send when beat starts: these, and what missed its hour; none that is switched off."""
    at_fixed_times = {entry["task"] for entry in entries().values() if isinstance(entry["schedule"], crontab)}
    missed = [late.job for late in late_jobs(histories(), now=now, periods=1) if late.job in at_fixed_times]
    off = set(PeriodicTask.objects.filter(enabled=False).values_list("task", flat=True))
    return [task for task in dict.fromkeys([*always, *missed]) if task not in off]
