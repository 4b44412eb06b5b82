"""Whoever has the password of the service's role, or of the owner of the tables, bends nothing unseen."""

import os
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from core.db.sql import execute
from devtools.embedded.postgres import OWNER, ROLE
from tests.databases import with_database
from tests.hostile import application, database, owner
from tests.hostile.conftest import found, guards_off, session_of, undone
from tests.hostile.outcomes import Found, Refused

pytestmark = pytest.mark.django_db
BY_ROLE = application.STATEMENTS + database.STATEMENTS
# Of the way a statement was refused, none that only says that it was badly written.
BADLY_WRITTEN = ("42601", "42703", "42P01", "42883", "42702", "42804")


def outcome(who: AbstractContextManager[None], statement: str, story) -> Refused | Found | None:
    """What comes of the statement; None where it goes through, and nothing finds it."""
    with undone():
        try:
            with transaction.atomic(), who:
                execute(statement)
                execute("SET search_path TO DEFAULT")
                execute("SET CONSTRAINTS ALL IMMEDIATE")
        except DatabaseError as refusal:
            diagnosis = refusal.__cause__.diag
            return Refused(diagnosis.sqlstate, diagnosis.constraint_name)
        invariants = found(story)
        return Found(*invariants) if invariants else None


def test_honest_books_are_found_to_be_so(story):
    assert found(story) == set()


def test_the_services_role_bends_nothing_unseen(story, write):
    came_of = [(outcome(session_of(ROLE), write(sql), story), wanted, sql) for wanted, sql in BY_ROLE]
    assert [each for each in came_of if each[0] != each[1]] == []
    assert found(story) == set()


def test_the_owner_bends_nothing_unseen(story, write):
    came_of = [
        (outcome(guards_off(*tables.split()) if tables else session_of(OWNER), write(sql), story), wanted, sql)
        for tables, wanted, sql in owner.STATEMENTS
    ]
    assert [each for each in came_of if each[0] != each[1]] == []
    assert found(story) == set()


def test_there_are_statements_enough_and_none_twice():
    by_role = [sql for _, sql in BY_ROLE]
    by_owner = [(tables, sql) for tables, _, sql in owner.STATEMENTS]
    assert len(set(by_role)) == len(by_role) >= 80
    assert len(set(by_owner)) == len(by_owner) >= 30
    outcomes = [wanted for wanted, _ in BY_ROLE] + [wanted for _, wanted, _ in owner.STATEMENTS]
    assert not [each for each in outcomes if isinstance(each, Refused) and each.sqlstate in BADLY_WRITTEN]


# What can't be tried inside a transaction, or by a session of the tests, which another role became.
ALONE = (
    ("42501", "SET SESSION AUTHORIZATION postgres"),
    ("42501", "ALTER SYSTEM SET fsync = off"),
    ("42501", "CREATE DATABASE thieves"),
    ("42501", "DROP DATABASE postgres"),
    ("42501", "CREATE TABLESPACE thieves LOCATION '/tmp'"),
    ("42501", "REINDEX TABLE credit_transactions"),
)


@pytest.mark.parametrize(("sqlstate", "statement"), ALONE)
def test_the_services_role_is_refused_what_is_done_outside_a_transaction(sqlstate, statement):
    url = with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
    assert urlsplit(url).username == ROLE
    with psycopg.connect(url, autocommit=True) as alone, pytest.raises(psycopg.DatabaseError) as refusal:
        alone.execute(statement)
    assert refusal.value.sqlstate == sqlstate
