"""Background jobs: never two runs of one at once, and a row in `job_runs` for each run, whatever becomes of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError
from django.db.models.functions import Now

from core.db.sql import fetch_all
from core.db.transactions import try_lock
from core.models import JobRun
from core.rules import JOB_RUNS_KEPT_FOR

logger = logging.getLogger(__name__)
MAX_ERROR_LETTERS = 2_000
MAX_REASON_LETTERS = 200
MAX_SKIPPED_KEPT = 20


def run_job(job: str, work: Callable[[], dict[str, Any]]) -> JobRun | None:
    """Run `work` under the job's lock and record it. None when another process is running the job now.

    What `work` raises is recorded as the run's error, its `result` where it has one, and raised again.
    """
    with try_lock(f"job:{job}") as held:
        if not held:
            return None
        # Nobody else holds the lock, so what still says "running" belongs to a process that died.
        unfinished = JobRun.objects.filter(job=job, status=JobRun.Status.RUNNING)
        unfinished.update(status=JobRun.Status.ABANDONED, finished_at=Now(), error="The process died.")
        run = JobRun.objects.create(job=job, started_at=Now())
        try:
            result = work()
        except BaseException as exc:
            record_failure(run, exc)
            raise
        finish(run, status=JobRun.Status.SUCCEEDED, result=result)
        return run


@dataclass(slots=True)
class SkippedObjects:
    """Broken objects that a run had to skip, for its result: how many, and the first of them with the reason."""

    errors: int = 0
    kept: list[dict[str, str]] = field(default_factory=list)

    def add(self, object_id: str, reason: str | Exception) -> None:
        self.errors += 1
        if len(self.kept) < MAX_SKIPPED_KEPT:
            said = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
            first_line = storable(said).partition("\n")[0]
            self.kept.append({"id": storable(object_id), "reason": first_line[:MAX_REASON_LETTERS]})

    def as_result(self) -> dict[str, Any]:
        """Return `{errors, skippedObjects}`; nothing where none was skipped."""
        return {"errors": self.errors, "skippedObjects": self.kept} if self.errors else {}


def record_failure(run: JobRun, exc: BaseException) -> None:
    try:
        error = storable(f"{type(exc).__name__}: {exc}")
        finish(run, status=JobRun.Status.FAILED, result=getattr(exc, "result", None), error=error)
    except DatabaseError:
        # The next run finds the row still running and marks it abandoned.
        logger.warning("could not record that %s failed", run.job)


def storable(text: str) -> str:
    """Return as much as a person reads, without what PostgreSQL can't keep: NUL and broken characters."""
    return text[:MAX_ERROR_LETTERS].encode(errors="replace").decode().replace("\x00", "?")


def finish(run: JobRun, *, status: JobRun.Status, result: dict[str, Any] | None = None, error: str = "") -> None:
    JobRun.objects.filter(pk=run.pk).update(status=status, finished_at=Now(), result=result, error=error)
    run.status, run.result, run.error = status, result, error


def last_run(job: str) -> JobRun | None:
    """Return the newest run of the job, finished or not."""
    return JobRun.objects.filter(job=job).order_by("-started_at").first()


def last_finished_run(job: str) -> JobRun | None:
    ended = JobRun.objects.filter(job=job).exclude(status=JobRun.Status.RUNNING)
    return ended.order_by("-started_at").first()


def last_run_with_result(job: str) -> JobRun | None:
    """Return the job's newest run that left a result, whether it succeeded or failed."""
    return JobRun.objects.filter(job=job, result__isnull=False).order_by("-started_at").first()


@dataclass(frozen=True, slots=True)
class History:
    """What `job_runs` says of a job. `success`: start and end of its last run that succeeded.

    `first_started_at` is of the oldest run that is kept; `broken_objects`: how many the last success had to skip.
    """

    status: str
    started_at: datetime
    finished_at: datetime | None
    success: tuple[datetime, datetime] | None
    first_started_at: datetime
    broken_objects: int = 0

    @property
    def last_success_at(self) -> datetime | None:
        return self.success[1] if self.success else None


def histories() -> dict[str, History]:
    """Return for each job what became of its runs; one query."""
    return {
        job: History(status, started_at, finished_at, (success[0], success[1]) if success[0] else None, first, broken)
        for job, status, started_at, finished_at, *success, first, broken in fetch_all(HISTORIES)
    }


def latest_by_job() -> dict[str, dict[str, Any]]:
    """Return what `shown` does; one query."""
    return shown(histories())


def shown(history: dict[str, History]) -> dict[str, dict[str, Any]]:
    """Return for each job its newest run's status and start, when it last succeeded, and what that had to skip."""
    return {
        job: {
            "status": past.status,
            "startedAt": past.started_at,
            "lastSuccessAt": past.last_success_at,
            "brokenObjects": past.broken_objects,
        }
        for job, past in history.items()
    }


# A loose index scan: index lookups for each job name, however many runs there are.
HISTORIES = """
WITH RECURSIVE jobs AS (
    (SELECT job FROM job_runs ORDER BY job LIMIT 1)
    UNION ALL
    SELECT (SELECT later.job FROM job_runs later WHERE later.job > jobs.job ORDER BY later.job LIMIT 1)
    FROM jobs WHERE jobs.job IS NOT NULL
)
SELECT jobs.job, latest.status, latest.started_at, latest.finished_at, succeeded.started_at, succeeded.finished_at,
    oldest.started_at,
    CASE WHEN jsonb_typeof(succeeded.result -> 'errors') = 'number' THEN (succeeded.result ->> 'errors')::integer
        ELSE 0 END
FROM jobs
CROSS JOIN LATERAL (
    SELECT status, started_at, finished_at FROM job_runs WHERE job_runs.job = jobs.job
    ORDER BY started_at DESC LIMIT 1
) latest
CROSS JOIN LATERAL (
    SELECT started_at FROM job_runs WHERE job_runs.job = jobs.job ORDER BY started_at LIMIT 1
) oldest
LEFT JOIN LATERAL (
    SELECT started_at, finished_at, result FROM job_runs WHERE job_runs.job = jobs.job AND status = 'succeeded'
    ORDER BY finished_at DESC LIMIT 1
) succeeded ON true
WHERE jobs.job IS NOT NULL
"""


def purge_job_runs(*, now: datetime) -> int:
    """Delete the runs that ended longer than JOB_RUNS_KEPT_FOR ago; return how many."""
    deleted, _ = JobRun.objects.filter(finished_at__lt=now - JOB_RUNS_KEPT_FOR).delete()
    return deleted
