"""Find out whether a pooler, as PgBouncer, stands before the database, and shares sessions between transactions.

A pooler gives out a process id of its own as that of the session. Where sessions are shared, two clients meet in one,
or one client is in two: with sessions of their own neither ever happens.
"""

import select
import time
from contextlib import closing, suppress
from enum import StrEnum
from threading import Lock
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from psycopg.pq import ConnStatus, ExecStatus

SESSION_OF = b"SELECT pg_backend_pid()"
# In each the two clients ask one after the other; the pooler gives the session that was used last.
ROUNDS = 20
# A pooler that keeps sessions apart may have none left for the second client.
WAIT_SECONDS = 2.0
STATEMENT = b"thisthat_whose_statement_%d"


class Pooling(StrEnum):
    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


_found: dict[tuple[Any, ...], Pooling] = {}
_finding = Lock()


def pooling_of(session: psycopg.Connection[Any], parameters: dict[str, Any], *, prepare: bool) -> Pooling:
    """Return how the server at the address is reached, which is found out once a process.

    `prepare`: statements are to be prepared whatever is found. Raises ImproperlyConfigured where they get mixed up.
    """
    address = tuple(parameters.get(part) for part in ("host", "port", "dbname", "user"))
    with _finding:
        if address not in _found:
            _found[address] = find_pooling(session, parameters, prepare=prepare)
        return _found[address]


def find_pooling(session: psycopg.Connection[Any], parameters: dict[str, Any], *, prepare: bool) -> Pooling:
    if session_of(session) == session.info.backend_pid:
        return Pooling.NONE
    with closing(psycopg.connect(**parameters)) as other:
        if not are_shared(session, other):
            return Pooling.SESSION
        if not prepare:
            return Pooling.TRANSACTION
        # Not with the session that goes on: what is prepared here would stay there.
        with closing(psycopg.connect(**parameters)) as one:
            if not are_mixed_up(one, other):
                return Pooling.TRANSACTION
    raise ImproperlyConfigured(
        "DATABASE_PREPARE is true, and the pooler in front of the database mixes prepared statements up: "
        "unset it, or use PgBouncer 1.21 or newer with max_prepared_statements."
    )


def are_shared(one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> bool:
    first = session_of(one)
    for _ in range(ROUNDS):
        try:
            sessions = session_of(other), session_of(one)
        except psycopg.OperationalError:
            return False
        if sessions[0] == first or sessions[1] != first:
            return True
    return False


def are_mixed_up(one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> bool:
    """Return whether a statement that one client prepared is there for another."""
    for number in range(ROUNDS):
        name = STATEMENT % number
        one.pgconn.prepare(name, b"SELECT 1")
        if other.pgconn.exec_prepared(name, []).status == ExecStatus.TUPLES_OK:
            return True
        # A pooler that knows who prepared what ends a client that asks for another's.
        if other.pgconn.status != ConnStatus.OK:
            return False
    return False


def session_of(session: psycopg.Connection[Any]) -> int:
    """Return the process id of the server's that serves the connection at this moment. Begins no transaction."""
    pgconn = session.pgconn
    pgconn.send_query(SESSION_OF)
    pgconn.flush()
    deadline = time.monotonic() + WAIT_SECONDS
    while pgconn.is_busy():
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pgconn.socket], [], [], left)[0]:
            raise psycopg.OperationalError("the pooler gave no session")
        pgconn.consume_input()
    result = pgconn.get_result()
    value = result.get_value(0, 0) if result and result.status == ExecStatus.TUPLES_OK else None
    while pgconn.get_result():
        pass
    if value is None:
        raise psycopg.OperationalError("the database didn't say whose session it gave")
    return int(value)


def current_pooling() -> Pooling:
    """Return how the current connection, which is made if need be, reaches the database."""
    connection.ensure_connection()
    found: Pooling = connection.pooling  # type: ignore[attr-defined]  # of our own backend, core/db/base.py
    return found


def refuse_mixed_up_statements() -> None:
    """Raise ImproperlyConfigured where DATABASE_PREPARE is true, and the pooler can't do with it."""
    if settings.DATABASES["default"]["OPTIONS"]["prepare_anyway"]:
        # A database that is away is waited for, as always.
        with suppress(OperationalError):
            connection.ensure_connection()
        connection.close()
