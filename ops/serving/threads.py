"""Which request gets a thread, in what order, and which is refused because too many wait."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(IntEnum):
    """Kinds of requests, in the order in which they are taken."""

    MONEY = 0
    ORDINARY = 1


class Job(Generic[T]):
    """A call that waits for a thread or has one. `result` is completed on the event loop."""

    __slots__ = ("act", "is_taken", "lane", "result", "since")

    def __init__(self, act: Callable[[], T], lane: Lane, result: "asyncio.Future[T]") -> None:
        self.act = act
        self.lane = lane
        self.result = result
        self.since = time.monotonic()
        self.is_taken = False


class ThreadPool(Generic[T]):
    """Threads that run jobs, and a queue for each lane, of at most `queue_length` jobs while all threads work.

    Each lane has a queue of its own: where ordinary requests are refused, those about money still find room. They are
    also taken first, three times of four, so that a flood of either stops neither. A thread that has finished takes the
    next job by itself: being given one by the event loop would cost two more switches between threads.
    """

    def __init__(self, *, name: str, threads: int, queue_length: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = threads
        self._queue_length = queue_length
        self._queues: tuple[deque[Job[T]], ...] = tuple(deque() for _ in Lane)
        self._lock = threading.Lock()
        self._taken = 0
        self._running = 0
        # One for each job that was queued. A job that was cancelled leaves its own behind.
        self._tickets: SimpleQueue[None] = SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, job: Job[T]) -> bool:
        """Queue the job, unless its lane is full. Return whether it was queued."""
        queue = self._queues[job.lane]
        # Of a burst, those count too that an idle thread is about to take.
        if len(queue) >= self._queue_length + self._threads - self._running:
            return False
        queue.append(job)
        self._tickets.put(None)
        return True

    def cancel(self, job: Job[T]) -> bool:
        """Drop the job if it still waits. One that runs is left alone: it may be paying somebody."""
        with self._lock:
            if job.is_taken:
                return False
            job.is_taken = True
            self._queues[job.lane].remove(job)
            return True

    def expire(self, seconds: float, error: Exception) -> None:
        """Fail the jobs that have waited longer than `seconds`."""
        oldest = time.monotonic() - seconds
        for job in [job for queue in self._queues for job in list(queue) if job.since < oldest]:
            if self.cancel(job) and not job.result.done():
                job.result.set_exception(error)

    def is_saturated(self) -> bool:
        """Return whether a new job has to wait."""
        return self._running + sum(map(len, self._queues)) >= self._threads

    def _take(self) -> Job[T] | None:
        with self._lock:
            self._taken += 1
            for queue in self._queues if self._taken % 4 else reversed(self._queues):
                if queue:
                    job = queue.popleft()
                    job.is_taken = True
                    self._running += 1
                    return job
        return None

    def _work(self) -> None:
        while True:
            self._tickets.get()
            if job := self._take():
                self._run(job)

    def _run(self, job: Job[T]) -> None:
        outcome: T | BaseException
        try:
            outcome = job.act()
        except BaseException as exc:  # noqa: BLE001 - raised again where the result is awaited
            outcome = exc
        with self._lock:
            self._running -= 1
        try:
            self._loop.call_soon_threadsafe(complete, job.result, outcome)
        except RuntimeError:
            # The event loop has ended, and so does the process.
            return


def complete(result: "asyncio.Future[T]", outcome: T | BaseException) -> None:
    """Complete a future that somebody may have given up."""
    if result.done():
        return
    if isinstance(outcome, BaseException):
        result.set_exception(outcome)
    else:
        result.set_result(outcome)
