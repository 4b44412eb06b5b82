"""What is done to a request at a chosen statement: a pause, a failure, a connection that is cut, a jump of time.

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
DEADLOCK = "40P01"
RAISE = "DO $$ BEGIN RAISE SQLSTATE '{}' USING MESSAGE = 'simulated'; END $$"


@dataclass(slots=True)
class Place:
    """Where a request is. `number`: of the statement that is about to be executed; `is_commit`: a commit is."""

    number: int
    in_transaction: bool
    is_commit: bool = False


class Watched:
    """An execute wrapper, and what it saw. `deadlocks`: how often the database chose this session as the victim."""

    def __init__(self, hook: Hook | None = None) -> None:
        self.statements = self.deadlocks = 0
        self._hook = hook

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        if self._hook:
            self._hook(Place(self.statements, context["connection"].in_atomic_block))
            self._watch_commits(context["connection"].connection)
        try:
            return execute(sql, params, many, context)
        except Exception as exc:
            self.deadlocks += getattr(exc.__cause__, "sqlstate", None) == DEADLOCK
            raise

    def _watch_commits(self, driver: Any) -> None:
        """Have the hook called before a commit, of whichever connection there is by now."""
        if driver is None or "commit" in vars(driver):
            return

        def commit() -> None:
            vars(driver).pop("commit", None)
            if self._hook:
                self._hook(Place(self.statements, in_transaction=True, is_commit=True))
            driver.commit()

        driver.commit = commit


@contextmanager
def at_statements(hook: Hook | None) -> Iterator[Watched]:
    """Call the hook before each statement and each commit of this thread's connection, inside the block."""
    from django.db import connection

    seen = Watched(hook)
    with connection.execute_wrapper(seen):
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
