"""Real threads with database connections of their own, and waiting for what they do."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection, connections

from tests.roles import as_superuser

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """Runs `work`, then closes the connections that its thread opened."""
    try:
        return work()
    finally:
        connections.close_all()


def all_at_once(work: Callable[[], T], times: int) -> list[T]:
    """What `work` returned in that many threads, which began together."""
    start = Barrier(times)

    def run(_: int) -> T:
        start.wait(10)
        return in_thread(work)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def wait_until(true: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it didn't come to pass"
        time.sleep(0.01)


def waiting() -> bool:
    """Whether some other session waits for a lock. What a transaction has seen of that, it sees again until told."""
    with as_superuser(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0] > 0
