"""What is away is left alone for a moment, so that not everybody waits in vain, and said once a minute."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 2.0
SAID_EVERY_SECONDS = 60.0


class Circuit:
    """Whether asking is worth it; thread safe, one per process and what is asked.

    After a failure nobody asks for PAUSE_SECONDS; then one asks on trial, and the others still don't.
    """

    def __init__(self, name: str, *, instead: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`name` and `instead` are for the log: what is away, and what is done meanwhile."""
        self._name, self._instead, self._clock = name, instead, clock
        self._lock = threading.Lock()
        self._away = False
        self._closed_until = 0.0
        self._said_at: float | None = None

    def allows(self) -> bool:
        """Whether to ask now. Who is allowed says how it went by `failed` or `succeeded`."""
        if not self._away:
            return True
        with self._lock:
            now = self._clock()
            if now < self._closed_until:
                return False
            # A trial whose process forgets to say how it went is another's turn after the pause.
            self._closed_until = now + PAUSE_SECONDS
            return True

    def failed(self, why: Exception) -> None:
        with self._lock:
            now = self._clock()
            self._away, self._closed_until = True, now + PAUSE_SECONDS
            if self._said_at is not None and now < self._said_at + SAID_EVERY_SECONDS:
                return
            self._said_at = now
        logger.warning("%s is away: %s: %s", self._name, self._instead, why)

    def succeeded(self) -> bool:
        """Whether it was away until now."""
        if not self._away:
            return False
        with self._lock:
            was_away, self._away = self._away, False
        if was_away:
            logger.info("%s is back", self._name)
        return was_away
