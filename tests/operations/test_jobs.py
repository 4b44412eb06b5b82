"""The worker and the clock start and stop whatever is away, and work on by themselves when it is back."""

import time

import psycopg
import pytest

from tests.embedded.conftest import soon
from tests.environment import NOWHERE
from tests.operations.servers import Process, crash
from thisthat.embedded import postgres
from thisthat.embedded.programs import beat_command, worker_command

SUCCEEDED = "SELECT coalesce(max(started_at), 'epoch') FROM job_runs WHERE status = 'succeeded' AND job LIKE %s"


class Jobs:
    """A worker and a clock, which has it do a job each second."""

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

    def work_again(self):
        """A job that begins from now on succeeds."""
        before = self.last_success("%refresh_odds")
        worked = soon(lambda: self.last_success("%refresh_odds") > before, seconds=60)
        assert worked, "\n\n".join(process.log[-5000:] for process in self.processes)
        return self.all_run()

    def stop(self):
        started = time.monotonic()
        assert [process.stop(60) for process in self.processes] == [0, 0]
        assert time.monotonic() - started < 40
        return True


@pytest.fixture
def jobs(database, running, redis_server):
    return Jobs(running, database, redis_server)


def test_with_redis_away_from_the_start_they_wait_and_miss_nothing_once_it_is_there(jobs, redis_server):
    jobs.start()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    redis_server.start()
    assert jobs.work_again()
    # It is due once, when the clock starts.
    assert soon(lambda: jobs.last_success("economy.seed_stocks").year > 1970)
    assert jobs.stop()


def test_with_redis_away_from_the_start_they_stop_when_told(jobs):
    jobs.start()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    assert jobs.stop()


def test_with_redis_away_in_the_middle_they_work_on_when_it_is_back_and_stop_when_told(jobs, redis_server):
    redis_server.start()
    jobs.start()
    # In the middle of a job, too, which has to tell the queue that it is done.
    assert soon(lambda: jobs.is_running("markets.ingest"), seconds=60)
    redis_server.kill()
    assert soon(lambda: jobs.all_said("Connection refused"), seconds=60)
    redis_server.start()
    assert jobs.work_again()
    redis_server.kill()
    assert jobs.stop()


def test_with_the_database_away_in_the_middle_they_work_on_when_it_is_back(
    folder, database_server, running, redis_server
):
    redis_server.start()
    jobs = Jobs(running, database_server.url, redis_server)
    jobs.start()
    assert jobs.work_again()
    crash(folder)
    assert soon(lambda: jobs.processes[0].said("OperationalError"), seconds=60)
    assert jobs.all_run()
    again = postgres.start(folder)
    try:
        assert jobs.work_again()
        assert jobs.stop()
    finally:
        again.stop()
