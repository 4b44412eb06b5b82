"""Building blocks refuse to run without a transaction; a use case's whole one is tried again after a collision."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction

T = TypeVar("T")
# Serialization failure, deadlock, lock timeout: nothing happened, and the same again may succeed.
COLLISIONS = ("40001", "40P01", "55P03")
LOCK_TIMEOUT = "3s"
ATTEMPTS = 5
# No new attempt after this long: the client is waiting.
PATIENCE_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.02


def require_transaction(building_block: str) -> None:
    """Raises TransactionManagementError where there is none: half of what the block does must never stay."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(f"{building_block} runs inside the caller's transaction.")


def limit_lock_waits() -> None:
    """For the rest of the transaction, waiting longer than LOCK_TIMEOUT for a lock is a collision."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def run_transaction(act: Callable[[], T], *, begin: Callable[[], None] = limit_lock_waits) -> T:
    """Runs `act` in a transaction of its own; after a collision the whole of it again, a few times, with jitter.

    `act` reads and writes the database and nothing else. The last collision is raised as it came: an OperationalError,
    which the API answers with 503 `try_again`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic(durable=True):
                begin()
                return act()
        except OperationalError as exc:
            if state_of(exc) not in COLLISIONS or attempt == ATTEMPTS or time.monotonic() > deadline:
                raise
            time.sleep(pause_after(attempt))
    raise AssertionError("unreachable")


def pause_after(attempt: int) -> float:
    """Seconds; random, so that those who collided don't meet again."""
    longest: float = FIRST_PAUSE_SECONDS * 2**attempt
    return random.uniform(0.25, 1) * longest  # noqa: S311 - no secret


def state_of(exc: Exception) -> str | None:
    """The SQLSTATE of a database error."""
    state: str | None = getattr(exc.__cause__, "sqlstate", None)
    return state
