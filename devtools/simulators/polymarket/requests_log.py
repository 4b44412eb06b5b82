"""What was asked of the simulator."""

from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

from .replies import Query

KEPT = 100_000


class Asked(NamedTuple):
    """One request: `query` has a list of values for every name."""

    method: str
    path: str
    query: Query


class RequestLog:
    """The requests so far, oldest first, without those to `/_control`. The last 100,000 are kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked: list[Asked] = []

    def add(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)
            if len(self._asked) > 2 * KEPT:
                del self._asked[:KEPT]

    def clear(self) -> None:
        with self._lock:
            self._asked.clear()

    def to(self, path: str) -> list[Asked]:
        """The requests whose path begins with `path`."""
        return [asked for asked in self if asked.path.startswith(path)]

    def __iter__(self) -> Iterator[Asked]:
        with self._lock:
            return iter(list(self._asked))

    def __getitem__(self, index: int) -> Asked:
        with self._lock:
            return self._asked[index]

    def __len__(self) -> int:
        with self._lock:
            return len(self._asked)
