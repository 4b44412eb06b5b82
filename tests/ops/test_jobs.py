"""The worker and the scheduler start and stop whatever is away, and work on by themselves when it is back."""

import time

import psycopg
import pytest

from devtools.embedded import postgres
from ops.processes import beat_command, worker_command
from tests.devtools.conftest import soon
from tests.environment import NOWHERE
from tests.ops.servers import Process, crash

SUCCEEDED = "SELECT coalesce(max(started_at), 'epoch') FROM job_runs WHERE status = 'succeeded' AND job LIKE %s"


class Jobs:
    """A worker and a scheduler, which enqueues a job each second."""

    def __init__(self, running, database, redis_server):
        self._running, self._database, self._redis_server = running, database, redis_server
        self.processes = []

    def start(self):
        environment = {
            "DATABASE_URL": self._database,
            "REDIS_URL": self._redis_server.url,
            "POLYMARKET_GAMMA_URL": NOWHERE,
            "POLYMARKET_CLOB_URL": NOWHERE,
            "MARKET_ODDS_REFRESH_SECONDS": "1",
        }
        commands = (worker_command(), beat_command())
        self.processes = [self._running(Process, command, **environment) for command in commands]

    def all_run(self):
        return all(process.is_running() for process in self.processes)

    def all_said(self, text):
        return self.all_run() and all(process.said(text) for process in self.processes)

    def last_success(self, job="%"):
        with psycopg.connect(self._database) as connection:
            return connection.execute(SUCCEEDED, [job]).fetchone()[0]

    def is_running(self, job):
        with psycopg.connect(self._database) as connection:
            asked = "SELECT count(*) FROM job_runs WHERE job = %s AND status = 'running'"
            return connection.execute(asked, [job]).fetchone()[0]

    def go_on(self):
        """A job that begins from now on succeeds, wherever it is done."""
        before = self.last_success("%refresh_odds")
        return self.come_true(lambda: self.last_success("%refresh_odds") > before)

    def worker_works(self):
        """It is sent another job, and does it."""
        worker = self.processes[0]
        before = worker.said("markets.refresh_odds[")
        return self.come_true(lambda: worker.said("markets.refresh_odds[") > before + 1) and self.go_on()

    def come_true(self, is_so):
        assert soon(is_so, seconds=60), "\n\n".join(process.log[-5000:] for process in self.processes)
        return self.all_run()

    def stop(self):
        started = time.monotonic()
        assert [process.stop(60) for process in self.processes] == [0, 0]
        assert time.monotonic() - started < 40
        return True


@pytest.fixture
def jobs(database, running, redis_server):
    return Jobs(running, database, redis_server)


def test_with_redis_away_from_the_start_jobs_are_done_all_the_same_and_by_the_worker_once_it_is_there(
    jobs, redis_server
):
    jobs.start()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    assert jobs.go_on()
    # It is due once, when the scheduler starts.
    assert soon(lambda: jobs.last_success("economy.seed_stocks").year > 1970)
    # One line for all the jobs that could not be sent.
    assert jobs.processes[1].said_once_a_minute("the queue is away")
    redis_server.start()
    assert jobs.worker_works()
    assert jobs.stop()


def test_with_redis_away_they_stop_when_told(jobs):
    jobs.start()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    assert jobs.stop()


def test_with_redis_away_in_the_middle_jobs_go_on_and_the_worker_goes_on_when_it_is_back(jobs, redis_server):
    redis_server.start()
    jobs.start()
    # In the middle of a job, too, which has to tell the queue that it is done.
    assert soon(lambda: jobs.is_running("markets.ingest"), seconds=60)
    redis_server.kill()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    assert jobs.go_on()
    redis_server.start()
    assert jobs.worker_works()
    redis_server.kill()
    assert jobs.stop()


def test_with_the_database_away_in_the_middle_they_work_on_when_it_is_back(
    folder, database_server, running, redis_server
):
    redis_server.start()
    jobs = Jobs(running, database_server.url, redis_server)
    jobs.start()
    assert jobs.worker_works()
    crash(folder)
    assert soon(lambda: jobs.processes[0].said("OperationalError"), seconds=60)
    assert jobs.all_run()
    again = postgres.start(folder)
    try:
        assert jobs.worker_works()
        assert jobs.stop()
    finally:
        again.stop()


def test_with_the_database_away_from_the_start_the_scheduler_waits_and_misses_no_first_run(
    folder, database_server, running, redis_server
):
    redis_server.start()
    crash(folder)
    jobs = Jobs(running, database_server.url, redis_server)
    jobs.start()
    assert jobs.come_true(lambda: jobs.processes[1].said("the scheduler waits for the database"))
    again = postgres.start(folder)
    try:
        assert jobs.come_true(lambda: jobs.last_success("economy.seed_stocks").year > 1970)
        assert jobs.worker_works()
        assert jobs.processes[1].said_once_a_minute("the scheduler waits")
    finally:
        again.stop()


def test_a_scheduler_that_waits_for_the_database_ends_when_told(running, redis_server):
    redis_server.start()
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": redis_server.url}
    scheduler = running(Process, beat_command(), **away)
    assert soon(lambda: scheduler.said("the scheduler waits for the database"), seconds=60), scheduler.log
    assert scheduler.stop() == 0
