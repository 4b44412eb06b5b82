"""A job that has not succeeded for three periods is late: `/ready` says so, with its name; `/health` doesn't change."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from core.jobs.runs import histories
from core.jobs.scheduling import late_jobs
from core.models import JobRun
from thisthat.celery import app

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
SETTLE, INGEST, AUDIT, REWARD = (
    "betting.settle_markets",  # every minute
    "markets.ingest",  # */5
    "economy.audit_ledger",  # 04:07
    "economy.reward_active_users",  # 00:00 and 00:05
)


def ran(job, started_at, status="succeeded", seconds=1):
    finished_at = None if status == "running" else started_at + timedelta(seconds=seconds)
    JobRun.objects.create(job=job, status=status, started_at=started_at, finished_at=finished_at)


def late(now, *jobs):
    """Which of these jobs are late."""
    return [found.job for found in late_jobs(histories(), now=now) if found.job in jobs]


def switch(task, **fields):
    """What beat's table says, without telling beat."""
    PeriodicTask.objects.filter(task=task).update(**fields)


def fill_beats_table():
    for name, entry in app.conf.beat_schedule.items():
        ModelEntry.from_entry(name, app=app, **entry)


@pytest.fixture
def beat():
    """It started when the test began, and has sent nothing."""
    return fill_beats_table()


class TestPeriods:
    def test_a_job_is_late_after_three_intervals(self):
        ran(SETTLE, NOON, seconds=2)
        assert late(NOON + timedelta(seconds=182), SETTLE) == []
        assert late(NOON + timedelta(seconds=183), SETTLE) == [SETTLE]

    def test_a_job_is_late_after_three_moments_of_its_crontab(self):
        ran(AUDIT, datetime(2026, 3, 1, 4, 7, tzinfo=UTC))
        assert late(datetime(2026, 3, 4, 4, 7, 1, tzinfo=UTC), AUDIT) == []
        assert late(datetime(2026, 3, 4, 4, 7, 2, tzinfo=UTC), AUDIT) == [AUDIT]

    def test_moments_may_be_unevenly_apart(self):
        ran(REWARD, datetime(2026, 3, 1, 0, 5, tzinfo=UTC))
        # 00:00 and 00:05 of the next day, 00:00 of the day after.
        assert late(datetime(2026, 3, 3, 0, 0, 1, tzinfo=UTC), REWARD) == []
        assert late(datetime(2026, 3, 3, 0, 0, 2, tzinfo=UTC), REWARD) == [REWARD]

    def test_a_run_may_take_as_long_as_the_last_one_did(self):
        ran(INGEST, NOON, seconds=40)
        assert late(NOON + timedelta(minutes=15, seconds=39), INGEST) == []
        assert late(NOON + timedelta(minutes=15, seconds=41), INGEST) == [INGEST]

    def test_runs_that_failed_or_died_or_still_go_on_are_not_successes(self):
        ran(SETTLE, NOON)
        for minute, status in enumerate(("failed", "abandoned", "running"), 1):
            ran(SETTLE, NOON + timedelta(minutes=minute), status)
        assert late(NOON + timedelta(minutes=3, seconds=2), SETTLE) == [SETTLE]

    def test_it_says_the_last_success_and_when_the_next_was_due(self):
        ran(SETTLE, NOON)
        (found,) = (found for found in late_jobs(histories(), now=NOON + timedelta(hours=1)) if found.job == SETTLE)
        assert found.last_success_at == NOON + timedelta(seconds=1)
        assert found.due_at == NOON + timedelta(seconds=181)


class TestGrace:
    def test_no_job_is_late_before_the_first_run(self):
        assert late_jobs({}, now=NOON + timedelta(days=1000)) == []

    def test_a_fresh_installation_has_three_periods_from_its_first_run(self):
        ran(INGEST, NOON)
        assert late(NOON + timedelta(seconds=179), SETTLE) == []
        assert late(NOON + timedelta(seconds=181), SETTLE) == [SETTLE]
        assert late(NOON + timedelta(days=2), AUDIT) == []

    def test_a_job_that_never_succeeded_has_three_from_its_own_first_run(self):
        ran(SETTLE, NOON, "failed")
        assert late(NOON + timedelta(seconds=180), SETTLE) == []
        assert late(NOON + timedelta(seconds=181), SETTLE) == [SETTLE]

    def test_a_job_that_beat_never_sent_has_three_from_when_beat_had_it(self, beat):
        switch(SETTLE, date_changed=NOON)
        assert late(NOON + timedelta(seconds=180), SETTLE) == []
        assert late(NOON + timedelta(seconds=181), SETTLE) == [SETTLE]

    def test_a_job_that_beat_sent_and_nobody_ran_is_late_after_the_third_time(self, beat):
        switch(SETTLE, last_run_at=NOON, total_run_count=2)
        assert late(NOON + timedelta(seconds=59), SETTLE) == []
        switch(SETTLE, last_run_at=NOON + timedelta(minutes=1), total_run_count=3)
        assert late(NOON + timedelta(seconds=61), SETTLE) == [SETTLE]


class TestSwitches:
    def test_a_job_switched_off_is_left_out(self, beat):
        ran(SETTLE, NOON)
        switch(SETTLE, enabled=False, last_run_at=NOON)
        assert late(NOON + timedelta(days=1), SETTLE) == []

    def test_switched_on_again_it_has_three_periods(self, beat):
        ran(AUDIT, NOON - timedelta(days=30))
        switch(AUDIT, enabled=True, last_run_at=None, date_changed=NOON)
        assert late(NOON + timedelta(days=2), AUDIT) == []
        assert late(NOON + timedelta(days=3), AUDIT) == [AUDIT]

    def test_a_job_that_beat_does_not_know_yet_is_left_out(self, beat):
        """While a version that has it is installed, beat may still be of the one before."""
        PeriodicTask.objects.filter(task=SETTLE).delete()
        switch(INGEST, last_run_at=NOON)
        ran(INGEST, NOON - timedelta(days=30))
        assert late(NOON, SETTLE, INGEST) == [INGEST]


class TestReady:
    def test_a_late_job_makes_the_service_degraded_and_is_named(self, stranger):
        ran(SETTLE, timezone.now() - timedelta(minutes=4))
        response = stranger.get("/ready")
        body = response.json()
        assert response.status_code == 503
        assert body["status"] == "degraded"
        assert set(body["checks"].values()) == {"ok"}
        (detail,) = (detail for detail in body["details"] if detail["job"] == SETTLE)
        assert detail.keys() == {"job", "lastSuccessAt", "dueAt"}
        assert detail["lastSuccessAt"] == body["jobs"][SETTLE]["lastSuccessAt"] < detail["dueAt"]

    def test_the_process_is_alive_all_the_same(self, stranger):
        ran(SETTLE, timezone.now() - timedelta(minutes=4))
        assert stranger.get("/health").status_code == 200

    def test_a_job_in_time_is_not_mentioned(self, stranger, beat):
        ran(SETTLE, timezone.now())
        response = stranger.get("/ready")
        assert response.status_code == 200
        assert "details" not in response.json()

    def test_looking_takes_as_many_queries_however_many_jobs_and_runs_there_are(
        self, stranger, django_assert_num_queries
    ):
        stranger.get("/ready")
        with django_assert_num_queries(3):
            stranger.get("/ready")
        fill_beats_table()
        PeriodicTask.objects.update(last_run_at=timezone.now())
        for entry in app.conf.beat_schedule.values():
            for hours in range(1, 4):
                ran(entry["task"], timezone.now() - timedelta(hours=hours))
        with django_assert_num_queries(3):
            assert stranger.get("/ready").status_code == 503
