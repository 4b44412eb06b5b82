"""The database server dies in the middle of a settlement, and comes back."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import psycopg

from core.file_locks import is_locked
from devtools.embedded import postgres
from tests.betting.settlement.test_kills import BETS, REPOSITORY, WON, worker
from tests.devtools.conftest import directory, soon  # noqa: F401 - a fixture
from tests.migrated import copy_server


def run_elsewhere(server, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tests.betting.settlement.other_database", *arguments],
        cwd=REPOSITORY,
        env=os.environ | server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_server_that_crashes_midway_and_comes_back_has_paid_everybody_once(directory):  # noqa: F811
    # Durable: what was committed has to be there after the crash.
    copy_server(directory)
    server = postgres.start(directory)
    try:
        market = run_elsewhere(server, "build")
        with worker(server.url) as working:
            working.begin(SimpleNamespace(pk=market), size=500)
            with psycopg.connect(server.url, autocommit=True) as connection:
                asked = "SELECT coalesce(sum(won), 0) FROM settlements"
                assert soon(lambda: connection.execute(asked).fetchone()[0] >= WON // 10)
            crash(directory)
            assert working.exit_code() != 0
        server.stop()
        server = postgres.start(directory)
        result = json.loads(run_elsewhere(server, "check", market))
        assert 0 < result["left"] < BETS
        assert result["audit"]
    finally:
        server.stop()


def crash(directory):  # noqa: F811
    """No goodbye: every process of the server at once, and recovery from its log at the next start."""
    postmaster = int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    assert soon(lambda: not is_locked(directory / "postgres.running"))
