"""Background jobs: never two runs of one at once, and a row for each run, whatever becomes of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from core.jobs.runs import last_finished_run, latest_by_job, purge_job_runs, run_job
from core.models import JobRun
from core.tasks import purge_job_runs as purge_task

JOB = "tests.count"


def counted():
    return {"total": 3}


def run_of(job=JOB):
    return JobRun.objects.get(job=job)


@pytest.mark.django_db
class TestOneRun:
    def test_a_run_is_recorded_with_its_result_and_times(self):
        before = timezone.now()
        run = run_job(JOB, counted)
        assert run is not None
        assert run.result == {"total": 3}
        stored = run_of()
        assert (stored.status, stored.result, stored.error) == ("succeeded", {"total": 3}, "")
        assert before - timedelta(minutes=1) < stored.started_at <= stored.finished_at

    def test_the_row_says_running_while_the_work_goes_on(self):
        seen = []
        run_job(JOB, lambda: {"seen": seen.append(run_of().status)})
        assert seen == ["running"]

    @pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt, SystemExit])
    def test_a_failure_is_recorded_and_raised_again(self, exception):
        def fail():
            raise exception("no good")

        with pytest.raises(exception, match="no good"):
            run_job(JOB, fail)
        stored = run_of()
        assert (stored.status, stored.result) == ("failed", None)
        assert stored.error == f"{exception.__name__}: no good"
        assert stored.finished_at is not None

    @pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 1_000_000])
    def test_a_failure_is_recorded_whatever_is_in_its_text(self, text):
        def fail():
            raise ValueError(text)

        with pytest.raises(ValueError) as raised:
            run_job(JOB, fail)
        assert raised.value.args == (text,)
        stored = run_of()
        assert stored.status == "failed"
        assert stored.error.startswith("ValueError: ")
        assert len(stored.error) <= 2_000

    def test_a_job_runs_again_after_a_failure(self):
        with pytest.raises(ZeroDivisionError):
            run_job(JOB, lambda: {"total": 1 // 0})
        assert run_job(JOB, counted) is not None
        assert sorted(JobRun.objects.values_list("status", flat=True)) == ["failed", "succeeded"]

    def test_a_run_whose_process_died_is_found_by_the_next(self):
        JobRun.objects.create(job=JOB, started_at=timezone.now() - timedelta(minutes=5))
        JobRun.objects.create(job="tests.other", started_at=timezone.now())
        run_job(JOB, counted)
        assert list(JobRun.objects.filter(job=JOB).order_by("started_at").values_list("status", flat=True)) == [
            "abandoned",
            "succeeded",
        ]
        assert run_of("tests.other").status == "running"
        assert JobRun.objects.filter(status="abandoned").get().finished_at is not None


@pytest.mark.django_db(transaction=True)
class TestOverlap:
    def while_it_runs(self, question, job=JOB):
        """What the question finds in another session while the job runs in a third."""
        started, finish = threading.Event(), threading.Event()

        def work():
            started.set()
            assert finish.wait(30)
            return {}

        def in_its_own_session(act):
            try:
                return act()
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            running = pool.submit(in_its_own_session, lambda: run_job(job, work))
            assert started.wait(30)
            try:
                return pool.submit(in_its_own_session, question).result(30)
            finally:
                finish.set()
                assert running.result(30) is not None

    def test_a_second_run_of_a_job_does_nothing_while_the_first_goes_on(self):
        worked = []
        assert self.while_it_runs(lambda: run_job(JOB, lambda: {"total": worked.append(1)})) is None
        assert worked == []
        assert run_of().status == "succeeded"

    def test_another_job_runs_at_the_same_time(self):
        assert self.while_it_runs(lambda: run_job("tests.other", counted)).status == "succeeded"

    def test_the_lock_is_free_afterwards(self):
        self.while_it_runs(lambda: None)
        assert run_job(JOB, counted) is not None

    def test_the_lock_is_free_after_a_failure(self):
        def fail():
            raise ValueError

        with pytest.raises(ValueError):
            run_job(JOB, fail)
        assert locks_held() == 0

    def test_the_lock_of_a_process_that_died_is_free(self):
        def die():
            # What the server sees when a process dies: its connection is gone.
            connection.connection.close()
            raise SystemExit

        with ThreadPoolExecutor(1) as pool, pytest.raises(SystemExit):
            pool.submit(run_job, JOB, die).result(30)
        assert locks_held() == 0
        assert run_job(JOB, counted) is not None
        assert JobRun.objects.filter(job=JOB, status="abandoned").count() == 1


def locks_held():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone()[0]


def ended(job, days_ago, status="succeeded"):
    moment = timezone.now() - timedelta(days=days_ago)
    return JobRun.objects.create(job=job, status=status, started_at=moment, finished_at=moment)


@pytest.mark.django_db
class TestHistory:
    def test_runs_that_ended_over_thirty_days_ago_are_deleted(self):
        old, recent = ended(JOB, 31), ended(JOB, 29)
        running = JobRun.objects.create(job=JOB, started_at=timezone.now() - timedelta(days=40))
        assert purge_job_runs(now=timezone.now()) == 1
        assert set(JobRun.objects.values_list("pk", flat=True)) == {recent.pk, running.pk}
        assert not JobRun.objects.filter(pk=old.pk).exists()

    def test_the_nightly_task_deletes_them_and_records_how_many(self):
        ended(JOB, 31)
        purge_task()
        assert run_of("common.purge_job_runs").result == {"deleted": 1}

    def test_the_last_finished_run_is_the_newest_that_ended(self):
        ended(JOB, 3)
        newest = ended(JOB, 2, "failed")
        ended("tests.other", 1)
        JobRun.objects.create(job=JOB, started_at=timezone.now())
        assert last_finished_run(JOB) == newest
        assert last_finished_run("tests.never") is None

    def test_the_latest_of_every_job_take_one_query_however_many_there_are(self, django_assert_num_queries):
        assert latest_by_job() == {}
        for number in range(20):
            ended(f"job-{number}", 2)
            ended(f"job-{number}", 1, "failed")
        with django_assert_num_queries(1):
            latest = latest_by_job()
        assert len(latest) == 20
        assert {shown["status"] for shown in latest.values()} == {"failed"}


@pytest.mark.django_db
class TestConstraints:
    @pytest.mark.parametrize(
        ("fields", "constraint"),
        [
            ({"status": "running", "finished_at": timezone.now()}, "job_runs_finished_unless_running"),
            ({"status": "succeeded"}, "job_runs_finished_unless_running"),
            ({"status": "failed"}, "job_runs_finished_unless_running"),
            ({"status": "lost", "finished_at": timezone.now()}, "job_runs_known_status"),
        ],
    )
    def test_a_run_that_cannot_be_is_refused_by_the_database(self, fields, constraint):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            JobRun.objects.create(job=JOB, started_at=timezone.now(), **fields)
