"""What is done to a request at a chosen statement: a pause, a failure, a connection that is cut, a clock that jumps.

It happens at the driver's edge, by Django's execute wrappers and the commit of psycopg's connection. Failures are the
database's own: it is made to raise them, or to end the session.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

Hook = Callable[["Place"], None]
RAISE = "DO $$ BEGIN RAISE SQLSTATE '{}' USING MESSAGE = 'simulated'; END $$"


@dataclass(slots=True)
class Place:
    """Where a request is. `number`: of the statement that is about to be executed; `is_commit`: a commit is."""

    number: int
    in_transaction: bool
    is_commit: bool = False


@dataclass(slots=True)
class Watched:
    """What was seen of the statements of one request. `deadlocks`: how often the database chose it as the victim."""

    statements: int = 0
    deadlocks: int = 0


@contextmanager
def at_statements(hook: Hook | None) -> Iterator[Watched]:
    """Call the hook before each statement and each commit of this thread's connection, inside the block."""
    from django.db import connection

    seen = Watched()

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.statements += 1
        if hook:
            hook(Place(seen.statements, connection.in_atomic_block))
            watch_commits()
        try:
            return execute(sql, params, many, context)
        except Exception as exc:
            if getattr(exc.__cause__, "sqlstate", None) == "40P01":
                seen.deadlocks += 1
            raise

    def watch_commits() -> None:
        """Have the hook called before a commit, of whichever connection there is by now."""
        driver = connection.connection
        if hook is None or driver is None or "commit" in vars(driver):
            return

        def commit() -> None:
            vars(driver).pop("commit", None)
            hook(Place(seen.statements, True, is_commit=True))
            driver.commit()

        driver.commit = commit

    with connection.execute_wrapper(wrapper):
        try:
            yield seen
        finally:
            if connection.connection is not None:
                vars(connection.connection).pop("commit", None)


def session_id() -> int:
    """Return the process id of the database session of this thread."""
    from django.db import connection

    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def fail_with(sqlstate: str) -> None:
    """Have the database raise an error in this thread's session."""
    from django.db import connection

    with connection.connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(RAISE.format(sqlstate))


def lose_after_commit() -> None:
    """Commit, and lose the connection before the response to that arrives."""
    from django.db import connection

    driver = connection.connection
    driver.commit()
    driver.pgconn.finish()
    raise psycopg.OperationalError("simulated: the connection was lost")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
