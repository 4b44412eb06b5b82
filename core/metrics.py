"""What processes count for Prometheus, and the count of requests; `ops.metrics` adds what the database knows.

A process that serves or works writes its counts to a file of its own (`ops.metrics`), so that a response to
`/metrics` has those of all processes; without such a folder they stay in memory.
"""

import logging
import mmap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Histogram, values
from prometheus_client.mmap_dict import MmapedDict

logger = logging.getLogger(__name__)
# Of a process's file: more than all labels of all metrics take.
FILE_BYTES = 4 * 1024 * 1024


class CountsFile(MmapedDict):
    """A process's file of counts, or memory that nobody else reads where there is no disk for it.

    The library's file has no blocks on the disk until they are written to, and writing to one for which there is no
    space ends the process (SIGBUS). Here the whole file is written before it is used.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's
        try:
            if not read_mode:
                write_zeros(Path(filename))
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        except OSError as exc:
            if read_mode:
                raise
            logger.warning("what this process counts stays in its memory: %s", exc)
            self._count_in_memory(b"")

    def _init_value(self, key: str) -> None:
        # The library would double the file.
        if self._used + len(key.encode()) + 32 > self._capacity:
            self._count_in_memory(self._m[: self._used])
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _count_in_memory(self, counts: bytes) -> None:
        self._f: Any = None
        self._capacity = 2 * max(len(counts), FILE_BYTES)
        self._m = mmap.mmap(-1, self._capacity)
        self._used = max(len(counts), 8)
        self._positions = getattr(self, "_positions", {})
        self._m[: len(counts)] = counts


def write_zeros(file: Path) -> None:
    """Make sure that a new file has its blocks on the disk, before anybody reads it. Raises OSError."""
    if file.exists():
        return
    new = file.with_suffix(".new")
    try:
        new.write_bytes(bytes(FILE_BYTES))
        new.rename(file)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


# The library has no setting for it.
values.MmapedDict = CountsFile  # type: ignore[attr-defined]

COUNTS = CollectorRegistry()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Seconds. From 1 ms, as responses from memory take, to 5 s, when clients have given up.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

REQUESTS = Histogram(
    "thisthat_http_request_duration_seconds",
    "Requests by route, method and status: how many, and how long they took inside Django.",
    ["route", "method", "status"],
    buckets=BUCKETS,
    registry=COUNTS,
)
# Looking labels up costs as much as counting.
_known: dict[tuple[str, str, int], Histogram] = {}


class CountRequestsMiddleware:
    """Counts and times requests. The outermost middleware; labels are route patterns and HTTP methods, so bounded."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start = perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        method = request.method if request.method in METHODS else "other"
        labels = (match.route if match else "", method, response.status_code)
        (_known.get(labels) or remember(labels)).observe(perf_counter() - start)
        return response


def remember(labels: tuple[str, str, int]) -> Histogram:
    route, method, status = labels
    # No route: refused before any was looked for, or the pattern that takes what no other did.
    found: Histogram = REQUESTS.labels(f"/{route}" if route else "none", method, str(status))
    return _known.setdefault(labels, found)
