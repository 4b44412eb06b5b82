"""Who a test is to the database.

Tests are connected as a superuser who has become the role of the service, as `SET ROLE` does it: what that role may
not do, they may not. Inside `as_owner` or `as_superuser` a test is somebody else, in the same transaction. Processes that
tests start connect as the role itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from django.db import connection
from psycopg.pq import TransactionStatus

from core.db.roles import CONNECTS_WITH, secure
from devtools.embedded.postgres import OWNER, ROLE


def superuser_settings(options: dict[str, Any]) -> dict[str, Any]:
    """What the tests connect with: Django's settings of a superuser who is the service's role."""
    given = environ.Env.db_url_config(os.environ["TEST_SUPERUSER_URL"])
    become = {"options": f"-c role={ROLE}"}
    return {name: given.get(name, "") for name in CONNECTS_WITH} | {
        "OPTIONS": {**options, **given.get("OPTIONS", {}), **become}
    }


@contextmanager
def being(role: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET ROLE {role}")
    try:
        yield
    finally:
        # A transaction that failed takes the change of role back itself.
        if connection.connection.info.transaction_status != TransactionStatus.INERROR:
            with connection.cursor() as cursor:
                cursor.execute(f"SET ROLE {before}")


def as_owner():
    """Be the owner of the tables."""
    return being(OWNER)


def as_superuser():
    """Be who may do anything."""
    return being("NONE")


@contextmanager
def guards_off(*tables: str) -> Iterator[None]:
    """Be who may do anything, while no trigger of these tables runs; checks of rows do."""

    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    # What is still to be checked is checked now: a table with such events can't be altered.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    with as_superuser():
        execute("SET session_replication_role = replica")
        for table in tables:
            execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        execute("SET session_replication_role = origin")
        for table in tables:
            execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        secure()
