"""A database from before rules were recorded and ledger entries had hashes is upgraded with what is in it, and its audit passes."""

import json
import os
import subprocess
import sys
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from devtools.embedded.postgres import OWNER, ROLE
from tests.core.service_process import REPOSITORY
from tests.databases import with_database, with_role

# More than one batch of the migration, and users with more than one entry.
USERS, REFERRED = 1_100, 5
BEFORE = ("economy", "0009_stock_status_changes")
# Written without the guards, which want each entry in the statement that moves its credits.
FILL = """
SET session_replication_role = replica;
ALTER TABLE users DISABLE TRIGGER USER;
ALTER TABLE credit_transactions DISABLE TRIGGER USER;
INSERT INTO users (id, username, email, name, avatar_url, bio, x_username, password, is_active, is_staff, is_superuser,
    referral_code, created_at, referred_by_id, credit_balance, journal_length, referral_count, referral_credits_earned)
SELECT md5('user' || number)::uuid, 'user' || number, number || '@example.com', '', '', '', '', '!', true, false, false,
    translate(lpad(number::text, 8, '0'), '01', 'AB'), timestamptz '2026-01-01', CASE WHEN number BETWEEN 2 AND {last} THEN md5('user1')::uuid END,
    1000 + bonuses * 200, 1 + bonuses, bonuses, bonuses * 200
FROM generate_series(1, {users}) AS number, LATERAL (SELECT CASE number WHEN 1 THEN {referred} ELSE 0 END AS bonuses);
INSERT INTO credit_transactions (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
    reference_id, occurrence, description, created_at)
SELECT gen_random_uuid(), id, 1, 1000, 1000, 'signup_bonus', 'issuance', id, 0, 'Welcome', timestamptz '2026-01-01' FROM users
UNION ALL
SELECT gen_random_uuid(), md5('user1')::uuid, number + 1, 200, 1000 + number * 200, 'referral_bonus', 'issuance',
    md5('user' || number + 1)::uuid, 0, 'Referral', timestamptz '2026-01-01' FROM generate_series(1, {referred}) AS number;
ALTER TABLE users ENABLE TRIGGER USER;
ALTER TABLE credit_transactions ENABLE TRIGGER USER;
"""


@pytest.fixture
def database():
    """A database of its own on the tests' server, without tables."""
    server, name = os.environ["TEST_SUPERUSER_URL"], f"test_thisthat_{os.getpid()}_{uuid4().hex[:8]}"
    names = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNER)}
    with closing(psycopg.connect(with_database(server, "postgres"), autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner}").format(**names))
        yield with_database(server, name)
        connection.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**names))


def manage(url, *arguments):
    environment = {"DATABASE_URL": with_role(url, ROLE), "DATABASE_OWNER_URL": with_role(url, OWNER)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )


def test_entries_without_hashes_are_chained_and_the_audit_passes(database):
    assert manage(database, "migrate", "--verbosity", "0", *BEFORE).returncode == 0
    with closing(psycopg.connect(database)) as connection, connection:
        connection.execute(FILL.format(users=USERS, referred=REFERRED, last=REFERRED + 1))
    assert manage(database, "migrate", "--verbosity", "0").returncode == 0
    report = json.loads(manage(database, "audit_ledger", "--json").stdout)
    assert [name for name, found in report["checks"].items() if found["broken"]] == []
    with closing(psycopg.connect(database)) as connection:
        heads = "SELECT count(DISTINCT ledger_head), count(*) FILTER (WHERE ledger_head IS NULL) FROM users"
        assert connection.execute(heads).fetchone() == (USERS, 0)
        assert connection.execute("SELECT count(hash) FROM credit_transactions").fetchone() == (USERS + REFERRED,)
