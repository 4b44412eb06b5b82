"""Requests and responses inside the simulator, and the log of what was requested."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

from .formats import dump

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"
PLAIN = "text/plain; charset=utf-8"
Query = dict[str, list[str]]


class Response(NamedTuple):
    """A whole HTTP response."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class RefusedError(Exception):
    """The upstream refuses; `response` says how."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status} {body}")
        self.response = Response(status, dump(body))


def invalid(error: str) -> RefusedError:
    """422, as Gamma words it."""
    return RefusedError(422, {"type": "validation error", "error": error})


def not_found(error: str = "id not found") -> RefusedError:
    """404, as Gamma words it."""
    return RefusedError(404, {"type": "not found error", "error": error})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read. `tricks` names the faults that change how a page is made."""

    method: str
    path: str
    query: Query
    body: Any = None
    tricks: frozenset[str] = field(default_factory=frozenset)

    def one(self, name: str) -> str | None:
        """The first value of a parameter."""
        values = self.query.get(name)
        return values[0] if values else None

    def flag(self, name: str) -> bool | None:
        text = self.one(name)
        if text is None or text == "":
            return None
        if text.lower() not in {"true", "false", "1", "0"}:
            raise invalid(f"{name} is not a boolean")
        return text.lower() in {"true", "1"}

    def number(self, name: str) -> int | None:
        text = self.one(name)
        if text is None:
            return None
        if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - what fits in 64 bits
            raise invalid(f"{name} is not a whole number")
        return int(text)


KEPT = 100_000


class LoggedRequest(NamedTuple):
    """One request: `query` has a list of values for every name."""

    method: str
    path: str
    query: Query


class RequestLog:
    """The requests so far, oldest first, without those to `/_control`. The last 100,000 are kept.

    Those that a rate limit refused or delayed are in it too, and `limited` names them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: list[LoggedRequest] = []
        self._limited: list[LoggedRequest] = []

    def add(self, request: LoggedRequest, *, limited: bool = False) -> None:
        with self._lock:
            for requests in (self._requests, self._limited) if limited else (self._requests,):
                requests.append(request)
                if len(requests) > 2 * KEPT:
                    del requests[:KEPT]

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
            self._limited.clear()

    def to(self, path: str) -> list[LoggedRequest]:
        """The requests whose path begins with `path`."""
        return [request for request in self if request.path.startswith(path)]

    def limited(self, path: str = "/") -> list[LoggedRequest]:
        """The requests to `path` and below that a rate limit refused or delayed."""
        with self._lock:
            return [request for request in self._limited if request.path.startswith(path)]

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._requests))

    def __getitem__(self, index: int) -> LoggedRequest:
        with self._lock:
            return self._requests[index]

    def __len__(self) -> int:
        with self._lock:
            return len(self._requests)
