"""What Polymarket was asked, how it answered, and whether it is being left alone: for `/metrics`."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from core.metrics import COUNTS
from markets.polymarket.errors import UpstreamError, UpstreamGarbled, UpstreamRejected, UpstreamUnavailable

OUTCOMES: dict[type[UpstreamError], str] = {
    UpstreamUnavailable: "unavailable",
    UpstreamGarbled: "garbled",
    UpstreamRejected: "rejected",
}
ATTEMPTS = Histogram(
    "thisthat_upstream_request_duration_seconds",
    "Requests to Polymarket, retries included: how many, how they ended, and how long they took.",
    ["api", "kind", "outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=COUNTS,
)
REFUSED = Counter(
    "thisthat_upstream_refused",
    "Calls that were not made because Polymarket is being left alone after failures.",
    ["api"],
    registry=COUNTS,
)
BREAKER = Gauge(
    "thisthat_upstream_breaker_open",
    "Whether a process that asks Polymarket leaves it alone after failures: 1 or 0.",
    ["api"],
    multiprocess_mode="livemax",
    registry=COUNTS,
)


@contextmanager
def counted(api: str, path: str) -> Iterator[None]:
    """Wrap one attempt. The kind is what the path begins with: the rest may be an id."""
    start, outcome = perf_counter(), "ok"
    try:
        yield
    except UpstreamError as exc:
        outcome = OUTCOMES.get(type(exc), "unavailable")
        raise
    finally:
        ATTEMPTS.labels(api, path.split("/")[1], outcome).observe(perf_counter() - start)


def note_breaker(api: str, *, is_open: bool) -> None:
    BREAKER.labels(api).set(is_open)


def note_refusal(api: str) -> None:
    REFUSED.labels(api).inc()
