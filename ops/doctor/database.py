"""The database and what is kept in it: reachable, of a version that will do, on time, migrated; and the jobs' runs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from core.jobs.runs import histories
from core.jobs.scheduling import late_jobs
from ops.doctor.findings import Finding, failure, ok, warning

OLDEST_VERSION = 150_000  # as PostgreSQL numbers them; docs/operations.md
SKEW_SECONDS = 2.0
STATEMENT_TIMEOUT = "5s"
START_DATABASE = "Start PostgreSQL, or set DATABASE_URL to where it is."
START_PROCESSES = "See that worker and beat run (`manage.py work`, `celery beat`), and what their logs say of it."

ABOUT = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(),
    current_setting('fsync')::bool AND current_setting('full_page_writes')::bool, pg_is_in_recovery()
"""


def check_database() -> Iterator[Finding]:
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [STATEMENT_TIMEOUT])
        before = datetime.now(UTC)
        cursor.execute(ABOUT)
        number, version, its_time, durable, read_only = cursor.fetchone()
    after = datetime.now(UTC)
    if number < OLDEST_VERSION:
        yield failure("database", f"PostgreSQL {version} is too old", "Upgrade to PostgreSQL 15 or newer.")
    else:
        yield ok("database", f"PostgreSQL {version} answers")
    if not durable:
        yield warning("database", "fsync or full_page_writes is off: a crash loses credits", "Switch both on.")
    if read_only:
        yield failure("database", "it is a replica, which can't be written", "Set DATABASE_URL to the primary.")
    yield clock_finding(before, its_time, after)


def clock_finding(before: datetime, its_time: datetime, after: datetime) -> Finding:
    """Its clock was read between the two moments of ours."""
    skew = max((before - its_time).total_seconds(), (its_time - after).total_seconds(), 0.0)
    if skew > SKEW_SECONDS:
        return warning(
            "clock",
            f"this machine and the database differ by {skew:.0f} seconds or more",
            "Keep both on time (NTP): closing times and days are counted by them.",
        )
    return ok("clock", "this machine and the database agree")


def check_migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        yield failure("migrations", f"{len(pending)} not applied: {names} …", "Run `python manage.py migrate`.")
    else:
        yield ok("migrations", "all applied")


def check_jobs() -> Iterator[Finding]:
    history = histories()
    late = late_jobs(history, now=timezone.now())
    for job in late:
        since = f"{job.last_success_at:%Y-%m-%d %H:%M} UTC" if job.last_success_at else "ever"
        yield failure("jobs", f"{job.job} has not succeeded since {since}", START_PROCESSES)
    failed = sorted(job for job, past in history.items() if past.status in ("failed", "abandoned"))
    for name in failed:
        yield warning("jobs", f"the last run of {name} failed", "Its error is in the admin, under job runs.")
    if not history:
        yield warning("jobs", "none ever ran", START_PROCESSES)
    elif not late and not failed:
        yield ok("jobs", f"{len(history)} ran when they should")
