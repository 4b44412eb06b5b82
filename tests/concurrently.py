"""Real threads with database connections of their own, and waiting for what they do."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

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
