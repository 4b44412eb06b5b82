"""Requests to one host of Polymarket: time limits, retries, metrics, and nothing but JSON of the expected shape."""

import email.utils
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import requests
from prometheus_client import Counter, Gauge, Histogram

from core.metrics import COUNTS
from core.resilience import (
    BoundedSession,
    CircuitBreaker,
    CircuitOpen,
    Deadline,
    ResponseTooLarge,
    RetryPolicy,
    ThreadSessions,
    bounded_by,
)
from markets.errors import UpstreamError, UpstreamGarbled, UpstreamRejected, UpstreamUnavailable
from markets.polymarket.values import decode

logger = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024 * 1024  # bytes, unpacked; a page of 500 events is about 20 MiB

T = TypeVar("T")
Parameters = Sequence[tuple[str, str]]

# What `requests` refuses to send: an error of ours, in an address, a header or a payload.
REFUSED_BY_REQUESTS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidJSONError,
)
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
    "Whether a process that requests from Polymarket leaves it alone after failures: 1 or 0.",
    ["api"],
    multiprocess_mode="livemax",
    registry=COUNTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPolicy(RetryPolicy):
    """A retry policy with the timeouts of each attempt, in seconds: to connect, and to read without a byte."""

    connect: float = 3.05
    read: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """What to request, and `read`, which turns the JSON into the result or raises `UpstreamGarbled`."""

    path: str
    read: Callable[[Any], T]
    parameters: Parameters = ()
    payload: Any = None  # sent by POST when there is one
    if_not_found: T | None = None  # the result of a 404, where that is one


def bounded_sessions(policy: RequestPolicy) -> Callable[[], requests.Session]:
    """Return a function that gives each thread its session, bounded as the policy says."""

    def make() -> BoundedSession:
        return BoundedSession(total=policy.total, max_body=MAX_BODY, connect=policy.connect, read=policy.read)

    return ThreadSessions(make).get


class Host:
    """One host of the upstream. Thread safe; raises only `UpstreamError`s, and logs one line for a call that failed."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        policy: RequestPolicy,
        breaker: CircuitBreaker,
        session: Callable[[], requests.Session],
        user_agent: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`session` returns the session to use in this thread."""
        self._url = url.rstrip("/")
        self._name = name
        self._policy = policy
        self._breaker = breaker
        self._session = session
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        self._sleep = sleep

    def run(self, call: Call[T], policy: RequestPolicy | None = None) -> T:
        """Return the call's result; with the host's own policy unless another is given."""
        policy = policy or self._policy
        deadline = Deadline(policy.total)
        try:
            return policy.run(
                lambda: self._attempt(call, deadline), is_retriable=is_retriable, deadline=deadline, sleep=self._sleep
            )
        except UpstreamError as error:
            # An open breaker refuses many calls a second: those are worth no warning each.
            refused = isinstance(error, UpstreamUnavailable) and not error.retriable
            logger.log(logging.DEBUG if refused else logging.WARNING, "Polymarket %s: %s", call.path, error)
            if refused:
                REFUSED.labels(self._name).inc()
            raise
        finally:
            BREAKER.labels(self._name).set(self._breaker.is_open)

    def _attempt(self, call: Call[T], deadline: Deadline) -> T:
        try:
            with (
                self._breaker.attempt(failures=UpstreamError, successes=UpstreamRejected),
                measured(self._name, call.path),
                bounded_by(deadline),
            ):
                return self._send(call)
        except CircuitOpen as error:
            raise UpstreamUnavailable(str(error), retry_after=error.retry_after, retriable=False) from error

    def _send(self, call: Call[T]) -> T:
        try:
            response = self._session().request(
                "GET" if call.payload is None else "POST",
                self._url + call.path,
                params=list(call.parameters),
                json=call.payload,
                headers=self._headers,
                allow_redirects=False,  # the API has none: a redirect leads to somebody else's page
            )
        except ResponseTooLarge as error:
            raise UpstreamGarbled(str(error)) from error
        except REFUSED_BY_REQUESTS:
            raise
        except requests.RequestException as error:
            raise UpstreamUnavailable(f"no response ({type(error).__name__})") from error
        if response.status_code == HTTPStatus.NOT_FOUND and call.if_not_found is not None:
            return call.if_not_found
        _refuse_failures(response)
        return call.read(_decoded(response.content))


@contextmanager
def measured(api: str, path: str) -> Iterator[None]:
    """Count and time one attempt. The kind is what the path begins with: the rest may be an id."""
    start, outcome = time.perf_counter(), "ok"
    try:
        yield
    except UpstreamError as exc:
        outcome = OUTCOMES.get(type(exc), "unavailable")
        raise
    finally:
        ATTEMPTS.labels(api, path.split("/")[1], outcome).observe(time.perf_counter() - start)


def is_retriable(error: Exception) -> bool:
    return isinstance(error, UpstreamGarbled) or (isinstance(error, UpstreamUnavailable) and error.retriable)


def _refuse_failures(response: requests.Response) -> None:
    status = response.status_code
    if (
        status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        raise UpstreamUnavailable(f"status {status}", retry_after=_retry_after(response))
    if status >= HTTPStatus.BAD_REQUEST:
        raise UpstreamRejected(f"status {status}", status=status)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise UpstreamGarbled(f"redirected with status {status}")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type and "json" not in media_type:
        raise UpstreamGarbled(f"{media_type[:50]} instead of JSON")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of `Retry-After`, which is a number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    stated = response.headers.get("Retry-After", "").strip()
    if stated.isascii() and stated.isdigit():
        return float(stated[:9])
    try:
        moment: datetime = email.utils.parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _decoded(body: bytes) -> Any:
    try:
        return decode(body)
    except ValueError as error:
        raise UpstreamGarbled("broken JSON") from error
