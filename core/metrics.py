"""What processes count for Prometheus, and the count of requests; `ops.metrics` adds what the database knows.

A process that serves or works writes its counts to a file of its own (`ops.metrics`), so that a response to
`/metrics` has those of all processes; without such a folder they stay in memory.
"""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Histogram

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
