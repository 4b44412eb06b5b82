"""The database backend (`ENGINE`): PostgreSQL, with cheaper connection checks and a breaker on connecting."""

import select
import time
from functools import cache
from typing import Any

import psycopg
from django.db.backends.postgresql import base

from core.resilience import CircuitBreaker

# A refusal is quick. Who has to wait this long before failing spares the others the wait.
SLOW_SECONDS = 1.0


@cache
def breaker_of(*address: Any) -> CircuitBreaker:
    return CircuitBreaker("the database", fallback="nobody tries to connect for a moment, requests get 503")


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks a kept connection only when its socket is readable, as it is once the server has closed its end.

    Django asks `SELECT 1` at the start of every request, which is a fifth of the time of a short one.
    """

    @property
    def queries_logged(self) -> bool:
        """Return whether queries are kept: only where a test counts them, for it costs a tenth of a request."""
        return bool(self.force_debug_cursor)

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return super().is_usable() if poll.poll(0) else True

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
        return connection
