"""A circuit breaker: after some failures in a row the upstream is left alone for a while, so that it costs nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from markets.polymarket.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable


class CircuitBreaker:
    """Guards the attempts against one group of hosts; thread safe, one per process and group.

    Counted are single attempts, retries included, so that a dead upstream is noticed within one or two calls.
    Unavailable and garbled answers are failures; a rejection shows that the upstream is alive and counts as a success.
    After `failures` failures in a row the breaker is open and refuses at once. After `reset_after` seconds one attempt
    is let through on trial, while the others are still refused: its success closes the breaker, its failure opens it
    again.
    """

    def __init__(
        self,
        failures: int = 5,
        reset_after: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = failures
        self._reset_after = reset_after
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again_at: float | None = None  # None: closed
        self._on_trial = False

    def fresh(self) -> "CircuitBreaker":
        """A closed breaker with the same settings, for another group of hosts."""
        return CircuitBreaker(self._threshold, self._reset_after, self._clock)

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused or on trial now."""
        with self._lock:
            return self._closed_again_at is not None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Wrap one attempt; raises `UpstreamUnavailable` with `retry_after` seconds when it must not be made."""
        trial = self._enter()
        try:
            yield
        except UpstreamRejected:
            self._succeed()
            raise
        except UpstreamError:
            self._fail(trial=trial)
            raise
        except BaseException:  # a bug of ours or a shutdown says nothing about the upstream
            self._release(trial=trial)
            raise
        self._succeed()

    def _enter(self) -> bool:
        """Whether the attempt is a trial."""
        with self._lock:
            if self._closed_again_at is None:
                return False
            wait = self._closed_again_at - self._clock()
            if wait > 0 or self._on_trial:
                raise UpstreamUnavailable(
                    "left alone after repeated failures",
                    retry_after=wait if wait > 0 else self._reset_after,
                    retriable=False,
                )
            self._on_trial = True
            return True

    def _succeed(self) -> None:
        with self._lock:
            self._failures, self._closed_again_at, self._on_trial = 0, None, False

    def _fail(self, *, trial: bool) -> None:
        with self._lock:
            if self._closed_again_at is not None and not trial:
                return  # begun before it opened: must not put the next trial off
            self._failures += 1
            if trial or self._failures >= self._threshold:
                self._closed_again_at = self._clock() + self._reset_after
                self._on_trial = False

    def _release(self, *, trial: bool) -> None:
        with self._lock:
            if trial:
                self._on_trial = False
