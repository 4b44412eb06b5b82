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


class ClientGone(Exception):
    """The client closed the connection before its request was complete, or before a thread took it."""


class Job(Generic[T]):
    """A call that waits for a thread or has one. `result` is completed on the event loop.

    It isn't made any more when its client `is_gone` before a thread takes it. One that runs is left alone: it may be
    paying somebody.
    """

    __slots__ = ("act", "is_gone", "is_taken", "lane", "result", "since")

    def __init__(
        self, act: Callable[[], T], lane: Lane, result: "asyncio.Future[T]", is_gone: Callable[[], bool]
    ) -> None:
        self.act = act
        self.lane = lane
        self.result = result
        self.is_gone = is_gone
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
        self._outcomes: list[tuple[asyncio.Future[T], T | BaseException]] = []
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

    def expire(self, seconds: float, error: Exception) -> None:
        """Fail the jobs that have waited longer than `seconds`, and drop those whose client has gone."""
        oldest = time.monotonic() - seconds
        for job in [job for queue in self._queues for job in list(queue)]:
            is_gone = job.is_gone()
            if (is_gone or job.since < oldest) and self._cancel(job) and not job.result.done():
                job.result.set_exception(ClientGone() if is_gone else error)

    def _cancel(self, job: Job[T]) -> bool:
        """Drop the job if it still waits."""
        with self._lock:
            if job.is_taken:
                return False
            job.is_taken = True
            self._queues[job.lane].remove(job)
            return True

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
            outcome = ClientGone() if job.is_gone() else job.act()
        except BaseException as exc:  # noqa: BLE001 - raised again where the result is awaited
            outcome = exc
        with self._lock:
            self._running -= 1
            self._outcomes.append((job.result, outcome))
            if len(self._outcomes) > 1:
                # The event loop has been woken for the first of them.
                return
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The event loop has ended, and so does the process.
            return

    def _deliver(self) -> None:
        """Complete, on the event loop, the results of all jobs that have ended since it was last woken."""
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
        for result, outcome in outcomes:
            if result.done():
                # Somebody has given it up.
                continue
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)
