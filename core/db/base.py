"""The database backend (`ENGINE`): PostgreSQL, with cheaper connection checks, bounds and a breaker on connecting."""

import select
import time
from functools import cache, partial
from typing import Any

import psycopg
from django.db.backends.postgresql import base

from core.db.pooling import Pooling, pooling_of
from core.resilience import CircuitBreaker

# A refusal is quick. Who has to wait this long before failing spares the others the wait.
SLOW_SECONDS = 1.0
# The server ends a statement that takes too long. One that doesn't within so many seconds more doesn't respond at all.
GRACE_SECONDS = 2.0
# A session that is in a transaction and sends nothing for so long holds its locks for a process that is stuck.
IDLE_IN_TRANSACTION_SECONDS = 30


@cache
def breaker_of(*address: Any) -> CircuitBreaker:
    return CircuitBreaker("the database", fallback="nobody tries to connect for a moment, requests get 503")


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks a kept connection only when its socket is readable, as it is once the server has closed its end.

    Django asks `SELECT 1` at the start of every request, which is a fifth of the time of a short one. After an error a
    connection is kept only if it takes writes: a server that became read-only has another in its place by now.

    Behind a pooler that shares sessions between transactions nothing is left in a session: no prepared statements, no
    settings, no cursors. `pooling` says what was found; the option `prepare_anyway` leaves prepared statements on.

    The option `statement_seconds` bounds every statement, on the server and, for a server that is frozen, here.
    """

    @property
    def queries_logged(self) -> bool:
        """Return whether queries are kept: only where a test counts them, for it costs a tenth of a request."""
        return bool(self.force_debug_cursor)

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        if self.errors_occurred:
            return self.takes_writes()
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return super().is_usable() if poll.poll(0) else True

    def rollback(self) -> None:
        # Django takes a rollback that succeeds for a connection that works; it says nothing of writes.
        errors_occurred = self.errors_occurred
        super().rollback()
        self.errors_occurred = errors_occurred

    def takes_writes(self) -> bool:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('transaction_read_only') = 'off'")
                return bool(cursor.fetchone()[0])
        except psycopg.Error:
            return False

    pooling = Pooling.NONE

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        for own in ("statement_seconds", "prepare_anyway"):
            parameters.pop(own, None)
        return parameters

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if seconds := self.settings_dict["OPTIONS"].get("statement_seconds"):
            if self.pooling != Pooling.TRANSACTION:
                bound_statements_there(self.connection, seconds)
            bound_statements_here(self.connection, seconds)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect. After an attempt timed out, one thread at a time tries, and the others fail at once."""
        breaker = breaker_of(*(conn_params.get(part) for part in ("host", "port", "dbname")))
        if not breaker.allows():
            raise psycopg.OperationalError("the database didn't respond a moment ago")
        started = time.monotonic()
        try:
            connection = super().get_new_connection(conn_params)
        except psycopg.OperationalError as exc:
            if time.monotonic() - started >= SLOW_SECONDS:
                breaker.record_failure(exc)
            raise
        breaker.record_success()
        self.adapt(connection, conn_params)
        return connection

    def adapt(self, connection: psycopg.Connection[Any], parameters: dict[str, Any]) -> None:
        """Use the connection as what stands before the server allows."""
        prepare = bool(self.settings_dict["OPTIONS"].get("prepare_anyway"))
        try:
            self.pooling = pooling_of(connection, parameters, prepare=prepare)
        except BaseException:
            connection.close()
            raise
        if self.pooling == Pooling.TRANSACTION:
            self.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
            if not prepare:
                connection.prepare_threshold = None


def bound_statements_there(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Have the server end statements that take longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            [f"{seconds * 1000:.0f}", str(IDLE_IN_TRANSACTION_SECONDS * 1000)],
        )


def bound_statements_here(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Close the connection where the server takes longer, and doesn't say so itself."""
    wait = partial(connection.wait, timeout=seconds + GRACE_SECONDS)

    def wait_or_close(*args: Any, **options: Any) -> Any:
        try:
            return wait(*args, **options)
        except psycopg.errors._WaitTimeout as exc:  # noqa: SLF001 - to be converted, as its documentation says
            connection.pgconn.finish()
            raise psycopg.OperationalError("the database doesn't respond") from exc

    connection.wait = wait_or_close  # type: ignore[method-assign]
