"""The schedule: what it sends exists, goes where it belongs, and nothing waits for ever."""

from datetime import timedelta

import pytest
from celery.schedules import crontab, schedule
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from core.backends import BROKER_OPTIONS
from core.jobs.scheduling import Scheduler, due_at_start
from core.models import JobRun
from thisthat.celery import AT_START, DEFAULT, PAYING, PAYMENTS, app

AUDIT = "economy.audit_ledger"


def scheduled():
    return {entry["task"] for entry in app.conf.beat_schedule.values()}


def start_beat():
    """What beat does with its tables when it starts; the entries that it would send."""
    return Scheduler(app=app).schedule


def test_every_job_of_the_schedule_exists():
    app.loader.import_default_modules()
    names = scheduled() | set(AT_START) | set(PAYING)
    assert "markets.ingest" in names
    assert "common.purge_job_runs" in names
    assert names <= set(app.tasks)


def test_every_job_has_a_time():
    for entry in app.conf.beat_schedule.values():
        assert isinstance(entry["schedule"], (int, crontab, schedule))


def test_no_job_may_run_for_ever():
    assert 0 < app.conf.task_soft_time_limit < app.conf.task_time_limit <= 300


def test_times_are_utc():
    assert app.conf.timezone == "UTC"


def test_jobs_that_pay_have_a_queue_of_their_own(settings):
    app.loader.import_default_modules()
    ours = {task for task in app.tasks if not task.startswith("celery.")}
    queues = {task: app.amqp.router.route({}, task)["queue"].name for task in ours}
    assert {task for task, queue in queues.items() if queue == PAYMENTS} == set(PAYING)
    assert set(queues.values()) == {PAYMENTS, DEFAULT}


def test_a_task_is_done_again_when_its_worker_dies_and_not_while_one_is_still_at_it():
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    # What is given out for longer is given out again: one that runs and one that waits behind it.
    assert BROKER_OPTIONS["visibility_timeout"] > 2 * app.conf.task_time_limit


@pytest.mark.django_db(transaction=True)
class TestInTheDatabase:
    def test_every_job_is_there_for_staff_to_switch(self):
        start_beat()
        assert set(PeriodicTask.objects.values_list("task", flat=True)) == scheduled()

    def test_a_job_switched_off_stays_off_when_beat_starts_again(self):
        assert "audit-ledger" in start_beat()
        row = PeriodicTask.objects.get(name="audit-ledger")
        row.enabled = False
        row.save()
        assert "audit-ledger" not in start_beat()
        row.refresh_from_db()
        assert not row.enabled

    def test_a_run_that_waited_until_the_next_is_dropped(self):
        start_beat()
        frequent = PeriodicTask.objects.filter(interval__isnull=False)
        assert frequent.count() > 5
        for row in frequent:
            assert timedelta(seconds=row.expire_seconds) == row.schedule.run_every, row.name


@pytest.mark.django_db(transaction=True)
class TestAtStart:
    def test_a_job_switched_off_is_not_sent(self):
        start_beat()
        assert due_at_start(AT_START, now=timezone.now()) == list(AT_START)
        PeriodicTask.objects.filter(task="markets.ingest").update(enabled=False)
        assert due_at_start(AT_START, now=timezone.now()) == [task for task in AT_START if task != "markets.ingest"]

    def test_a_nightly_job_that_was_missed_is_made_good(self):
        now = timezone.now()
        ran_at = now - timedelta(days=2)
        JobRun.objects.create(job=AUDIT, status="succeeded", started_at=ran_at, finished_at=ran_at)
        assert AUDIT in due_at_start((), now=now)
        JobRun.objects.create(job=AUDIT, status="succeeded", started_at=now, finished_at=now)
        assert AUDIT not in due_at_start((), now=now)


@pytest.mark.django_db(transaction=True)
def test_every_job_of_the_schedule_records_its_runs_under_its_tasks_name():
    app.loader.import_default_modules()
    for task in scheduled():
        app.tasks[task].apply()
    assert set(JobRun.objects.values_list("job", flat=True)) == scheduled()
