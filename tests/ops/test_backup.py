"""Backups made and restored by the commands of docs/operations.md pass the audit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from devtools.embedded.postgres import programs
from tests.architecture.conftest import REPOSITORY
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, settle
from tests.databases import with_database
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db(transaction=True)
RESTORED = f"restored_{os.getpid()}"


@pytest.fixture
def world() -> None:
    """A settled market, one with open bets, and a sale."""
    ann, bob, market, other = sign_up("ann"), sign_up("bob"), add_market(), add_market()
    ann.bet(market, 100, "this")
    bob.bet(market, 50, "that")
    ann.sell(ann.bet(other, 30), "10")
    end(market)
    settle(market)


def url_of(database: str, of: str = "DATABASE_OWNER_URL") -> str:
    return with_database(os.environ[of], database)


@pytest.fixture
def restored(world) -> Iterator[str]:
    """The address of a database that came out of a backup of the test's own."""
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(RESTORED)))
        try:
            source = url_of(str(connection.settings_dict["NAME"]))
            dump = run(postgres_program("pg_dump"), "--format=custom", f"--dbname={source}").stdout
            run(
                postgres_program("pg_restore"),
                "--no-owner",
                "--exit-on-error",
                f"--dbname={url_of(RESTORED)}",
                given=dump,
            )
            yield url_of(RESTORED)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(RESTORED)))


def postgres_program(name: str) -> str:
    """That of the server in use: the embedded one, or what is installed beside a server of one's own."""
    return name if "TEST_DATABASE_URL" in os.environ else str(programs() / name)


def run(*command: str, given: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done


def audit() -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "audit_ledger", "--json"]
    environment = os.environ | {"DATABASE_URL": url_of(RESTORED, of="DATABASE_URL")}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_the_audit_of_a_restored_backup_passes(restored):
    done = audit()
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    with psycopg.connect(restored) as database:
        (rows,) = database.execute("SELECT count(*) FROM credit_transactions").fetchone()
    # Two began with credits, three bets, a sale, and one of the two on the settled market won.
    assert rows == 7


def test_what_the_database_refused_before_the_backup_it_refuses_after(restored):
    with psycopg.connect(restored) as database, pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
        database.execute("DELETE FROM credit_transactions")


def test_the_audit_finds_what_a_backup_lost(restored):
    with psycopg.connect(restored) as database:
        database.execute("ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only")
        database.execute("DELETE FROM credit_transactions WHERE transaction_type = 'bet_payout'")
    done = audit()
    assert done.returncode == 1
    assert not json.loads(done.stdout)["passed"]
