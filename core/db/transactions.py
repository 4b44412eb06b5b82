"""Transactions and database locks: a use case's transaction is retried after a collision; blocks require one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from django.db import DatabaseError, OperationalError, connection, transaction

from core.db.pooling import Pooling, current_pooling
from core.db.sql import execute, fetch_value
from core.resilience import RetryPolicy

T = TypeVar("T")
# Serialization failure, deadlock, lock timeout: nothing happened, and the same again may succeed.
COLLISIONS = ("40001", "40P01", "55P03")
LOCK_TIMEOUT = "3s"
# The client is waiting; jitter, so that those who collided don't meet again.
RETRIES = RetryPolicy(attempts=5, total=4.0, backoff=0.04, backoff_max=0.64, jitter=0.75)


def require_transaction(building_block: str) -> None:
    """Raise TransactionManagementError where there is none: half of what the block does must never stay."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(f"{building_block} runs inside the caller's transaction.")


def require_no_transaction(building_block: str) -> None:
    """Raise TransactionManagementError inside a durable transaction: the block waits for the network."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise transaction.TransactionManagementError(f"{building_block} must not run inside a transaction.")


def limit_lock_waits() -> None:
    """Make waiting longer than LOCK_TIMEOUT for a lock a collision, for the rest of the transaction."""
    execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def run_transaction(act: Callable[[], T], *, begin: Callable[[], None] = limit_lock_waits) -> T:
    """Run `act` in a transaction of its own; after a collision the whole of it again, as RETRIES says.

    `act` reads and writes the database and nothing else. The last collision is raised as it came: an OperationalError,
    for which the API responds with 503 `try_again`.
    """

    def attempt() -> T:
        with transaction.atomic(durable=True):
            begin()
            return act()

    return RETRIES.run(attempt, is_retriable=is_collision)


def is_collision(exc: Exception) -> bool:
    """Return whether the database undid the transaction because of another one."""
    return isinstance(exc, OperationalError) and sqlstate_of(exc) in COLLISIONS


def sqlstate_of(exc: Exception) -> str | None:
    """Return the SQLSTATE of a database error."""
    state: str | None = getattr(exc.__cause__, "sqlstate", None)
    return state


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Hold the advisory lock of that name while the block runs; yield False when another session has it.

    The lock belongs to the database session: it is gone the moment its process dies. Where a pooler shares sessions
    between transactions, it belongs to a transaction of a connection of its own.
    """
    if current_pooling() == Pooling.TRANSACTION:
        with try_lock_in_transaction(name) as held:
            yield held
        return
    held = fetch_value("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
    try:
        yield held
    finally:
        if held and connection.connection and not connection.connection.closed:
            execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


@contextmanager
def try_lock_in_transaction(name: str) -> Iterator[bool]:
    """Do as `try_lock`, in a transaction that stays open and idle. It has no snapshot, so it holds up no vacuum."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            # What the role or the database sets for transactions that are forgotten isn't meant for this one.
            cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
            (held,) = cursor.fetchone()
        yield held
    finally:
        # A pooler throws away a session that is left in the middle of a transaction.
        with suppress(DatabaseError):
            other.rollback()
        other.close()
