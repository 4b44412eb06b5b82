"""The jobs of the schedule, and what became of their runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from core.models import JobRun
from staff.models import Job
from staff.wording import when

RUNS = 20


@dataclass(frozen=True, slots=True)
class Run:
    status: str
    started_at: datetime
    finished_at: datetime | None
    error: str

    @property
    def took(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at else None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of the schedule. `runs`: its last ones, the newest first, none where it keeps no record."""

    pk: int
    title: str
    schedule: str
    is_on: bool
    runs: list[Run]


def schedule() -> "QuerySet[Job]":
    """Beat's own housekeeping apart."""
    jobs = Job.objects.select_related("interval", "crontab")
    ours: QuerySet[Job] = jobs.exclude(task__startswith="celery.").order_by("name")
    return ours


def with_last_runs(jobs: "QuerySet[Job]") -> "QuerySet[Job]":
    """Adds of the newest run `status`, `started_at`, `finished_at`, `error`, and `success_at`, by index."""
    runs = JobRun.objects.filter(job=OuterRef("task")).order_by("-started_at")
    successes = JobRun.objects.filter(job=OuterRef("task"), status="succeeded").order_by("-finished_at")
    newest = {name: Subquery(runs.values(name)[:1]) for name in ("status", "started_at", "finished_at", "error")}
    told: QuerySet[Job] = jobs.annotate(**newest, success_at=Subquery(successes.values("finished_at")[:1]))
    return told


def read_jobs() -> list[JobState]:
    """Two queries."""
    jobs = list(schedule())
    runs = recent_runs([job.task for job in jobs])
    return [JobState(job.pk, str(job), when(job), job.enabled, runs.get(job.task, [])) for job in jobs]


def recent_runs(jobs: list[str]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    with connection.cursor() as cursor:
        cursor.execute(RECENT, {"jobs": jobs, "runs": RUNS})
        for job, *run in cursor.fetchall():
            found.setdefault(job, []).append(Run(*run))
    return found


# One index look-up a job.
RECENT = """
SELECT named.job, status, started_at, finished_at, left(error, 300) FROM unnest(%(jobs)s::text[]) AS named (job)
CROSS JOIN LATERAL (
    SELECT * FROM job_runs WHERE job_runs.job = named.job ORDER BY started_at DESC LIMIT %(runs)s
) AS newest
ORDER BY named.job, started_at DESC
"""
