"""Using what may be away or slow: one circuit breaker, one retry policy, one bounded HTTP session, one semaphore.

They guard Polymarket, X and Stripe, the database, Redis and the queue alike. All of them are thread safe.
"""

import http.client
import io
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from django.core.cache import cache
from django.db import DataError, IntegrityError
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

logger = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")
RESET_SECONDS = 2.0
LOGGED_EVERY_SECONDS = 60.0
SHORTEST_TIMEOUT = 0.001  # seconds; a socket timeout of zero would mean "don't block"
CHUNK = 64 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class CircuitOpen(Exception):
    """Nothing was tried, because the breaker is open. `retry_after`: seconds until trying may be worth it."""

    def __init__(self, name: str, *, retry_after: float) -> None:
        super().__init__(f"{name} is left alone after repeated failures")
        self.retry_after = retry_after


class CircuitBreaker:
    """Guards attempts against one service, so that one that is away costs nothing; one per process and service.

    After `failures` failures in a row the breaker is open and refuses at once. After `reset_seconds` one attempt is
    let through on trial while the others are still refused: its success closes the breaker, its failure opens it
    again. An opening is logged as a warning at most once a minute, and the first success after it as info.
    """

    def __init__(
        self,
        name: str,
        *,
        fallback: str,
        failures: int = 1,
        reset_seconds: float = RESET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` and `fallback` are for the log: what is away, and what happens meanwhile."""
        self.name = name
        self._fallback, self._threshold, self._reset_seconds, self._clock = fallback, failures, reset_seconds, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._is_open = False
        self._refusing_until = 0.0
        self._has_trial = False
        self._logged_at: float | None = None

    def with_name(self, name: str) -> "CircuitBreaker":
        """Return a closed breaker with the same settings, for another service."""
        return CircuitBreaker(
            name,
            fallback=self._fallback,
            failures=self._threshold,
            reset_seconds=self._reset_seconds,
            clock=self._clock,
        )

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused or on trial now."""
        return self._is_open

    def allows(self) -> bool:
        """Return whether to try now; who is allowed reports by `record_failure` or `record_success`.

        A trial that never reports is another one's turn after `reset_seconds`.
        """
        if not self._is_open:
            return True
        with self._lock:
            now = self._clock()
            if self._is_open and now < self._refusing_until:
                return False
            self._refusing_until = now + self._reset_seconds
            return True

    @contextmanager
    def attempt(
        self,
        *,
        failures: type[Exception] | tuple[type[Exception], ...],
        successes: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> Iterator[None]:
        """Wrap one attempt. Raises CircuitOpen where it must not be made.

        `failures` count against the service; `successes` are exceptions that show that it is alive. Any other
        exception, a bug of ours or a shutdown, says nothing about it. A trial is exclusive until it ends.
        """
        is_trial = self._enter()
        try:
            yield
        except successes:
            self.record_success()
            raise
        except failures as exc:
            self._fail(exc, is_trial=is_trial)
            raise
        except BaseException:
            if is_trial:
                with self._lock:
                    self._has_trial = False
            raise
        self.record_success()

    def record_failure(self, exc: Exception) -> None:
        self._fail(exc, is_trial=True)

    def record_success(self) -> bool:
        """Close the breaker; return whether it was open until now."""
        if not self._is_open and not self._failures:
            return False
        with self._lock:
            was_open, self._is_open = self._is_open, False
            self._failures, self._has_trial = 0, False
        if was_open:
            logger.info("%s is back", self.name)
        return was_open

    def _enter(self) -> bool:
        """Return whether the attempt is a trial."""
        if not self._is_open:
            return False
        with self._lock:
            if not self._is_open:
                return False
            wait = self._refusing_until - self._clock()
            if wait > 0 or self._has_trial:
                raise CircuitOpen(self.name, retry_after=wait if wait > 0 else self._reset_seconds)
            self._has_trial = True
            return True

    def _fail(self, exc: Exception, *, is_trial: bool) -> None:
        with self._lock:
            if self._is_open and not is_trial:
                return  # begun before it opened: must not put the next trial off
            now = self._clock()
            self._failures += 1
            if not self._is_open and self._failures < self._threshold:
                return
            self._is_open, self._has_trial = True, False
            self._refusing_until = now + self._reset_seconds
            if self._logged_at is not None and now < self._logged_at + LOGGED_EVERY_SECONDS:
                return
            self._logged_at = now
        logger.warning("%s is away: %s: %s", self.name, self._fallback, exc)


class Deadline:
    """The moment after which nothing is waited for any more."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds left; zero or negative when it has passed."""
        return self._at - self._clock()

    def bounded(self, seconds: float) -> float:
        """Return a timeout of `seconds` that doesn't outlast the deadline; always positive, as sockets need."""
        return max(min(seconds, self.remaining()), SHORTEST_TIMEOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long to try. Seconds; `total` bounds all attempts and pauses together.

    The first retry comes `backoff` after the failure, each further one twice as long after, at most `backoff_max`;
    each pause is shortened by a random part of up to `jitter`, so that those who failed together don't return together.
    """

    attempts: int = 4
    total: float = 30
    backoff: float = 0.5
    backoff_max: float = 10
    jitter: float = 0.5

    def pause(self, attempt: int, *, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait after the attempt (1, 2, …) failed; None when it was the last.

        `retry_after` is what the service asked for, which wins.
        """
        if attempt >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after
        longest: float = min(self.backoff * 2.0 ** (attempt - 1), self.backoff_max)
        return longest * random.uniform(1 - self.jitter, 1)  # noqa: S311 - spreads retries, guards nothing

    def run(
        self,
        act: Callable[[], T],
        *,
        is_retriable: Callable[[Exception], bool],
        deadline: Deadline | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> T:
        """Return what `act` returns; the last failure is raised as it came.

        An exception's `retry_after` in seconds, where it has one, is how long to wait. No attempt begins after the
        deadline, which is `total` from now unless one is given.
        """
        deadline = deadline or Deadline(self.total)
        attempt = 0
        while True:
            attempt += 1
            try:
                return act()
            except Exception as exc:
                pause = self.pause(attempt, retry_after=getattr(exc, "retry_after", None))
                if not is_retriable(exc) or pause is None or pause >= deadline.remaining():
                    raise
            sleep(pause)


# What is wrong with one object for good: a value that can't be stored, or that our code didn't expect.
OBJECT_ERRORS = (DataError, IntegrityError, TypeError, ValueError, ArithmeticError)
Failures = type[Exception] | tuple[type[Exception], ...]


def act_by_halves(
    items: Sequence[T],
    act: Callable[[list[T]], R],
    *,
    failures: Failures,
    on_failed: Callable[[T, Exception], None],
    size: int | None = None,
    failures_in_a_row: int | None = None,
) -> list[R]:
    """Act on groups of `size`; on the halves of one that failed, and theirs, down to the items that fail alone.

    Return the results. `failures` are exceptions that an item may be to blame for: after so many without a success
    between them no item is, and `on_failed` is called with all that are left. Any other exception is raised.
    """
    size = size or max(len(items), 1)
    groups = [list(items[start : start + size]) for start in range(0, len(items), size)][::-1]
    results, failed = [], 0
    while groups:
        group = groups.pop()
        try:
            results.append(act(group))
            failed = 0
        except failures as exc:
            failed += 1
            if failures_in_a_row and failed >= failures_in_a_row:
                for item in [*group, *(item for other in reversed(groups) for item in other)]:
                    on_failed(item, exc)
                return results
            if len(group) == 1:
                on_failed(group[0], exc)
                continue
            logger.warning("%d objects failed as one, their halves are tried: %s", len(group), type(exc).__name__)
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return results


class UpstreamSemaphore:
    """Bounds how many threads of this process wait for an upstream at a time."""

    def __init__(self, limit: int) -> None:
        self._semaphore = threading.BoundedSemaphore(max(1, limit))

    @contextmanager
    def acquire(self, *, timeout: float) -> Iterator[bool]:
        """Hold a slot while the block runs; yield False when none gets free within so many seconds."""
        acquired = self._semaphore.acquire(timeout=timeout)
        try:
            yield acquired
        finally:
            if acquired:
                self._semaphore.release()


class SharedRateLimit:
    """Bounds the calls a second of all processes that share the cache. While Redis is away each process has its own.

    Counted in windows of a tenth of a second, so that no burst at the turn of a second has twice as many.
    """

    WINDOWS_PER_SECOND = 10

    def __init__(self, name: str, *, per_second: int) -> None:
        self._name = name
        self._per_window = max(1, per_second // self.WINDOWS_PER_SECOND)

    def acquire(self, deadline: Deadline) -> bool:
        """Wait until a call is allowed. Return False where none will be before the deadline."""
        while True:
            now = time.time() * self.WINDOWS_PER_SECOND
            if self._count(int(now)) <= self._per_window:
                return True
            pause = (1 - now % 1) / self.WINDOWS_PER_SECOND
            if pause >= deadline.remaining():
                return False
            time.sleep(pause)

    def _count(self, window: int) -> int:
        key = f"rate:{self._name}:{window}"
        return 1 if cache.add(key, 1, timeout=10) else cache.incr(key)


_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def bounded_by(deadline: Deadline) -> Iterator[None]:
    """Hold all exchanges of BoundedSessions inside this block to the deadline, besides each to its own."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


class DeadlineExceeded(requests.Timeout):
    """The time for the whole exchange is up."""


class ResponseTooLarge(requests.RequestException):
    """The body is longer than the session accepts."""


class BoundedSession(requests.Session):
    """HTTP exchanges within bounds: of time in all, of size, and without redirects.

    The read timeout of `requests` starts anew with every byte that drips in, and a redirect leads to somebody else's
    page. Here connecting, sending and reading together end within `total` seconds, with `requests.Timeout`; a body
    of more than `max_body` bytes, unpacked, raises ResponseTooLarge. The body has been read when a call returns. A
    server on this machine is asked directly, whatever proxy leads elsewhere.

    Not shared between threads: see ThreadSessions.
    """

    def __init__(
        self, *, total: float, max_body: int, connect: float = 3.05, read: float | None = None, pool_size: int = 4
    ) -> None:
        """`connect` and `read` (between two bytes) bound single waits, in seconds."""
        super().__init__()
        self.total, self.connect, self.read, self.max_body = total, connect, read or total, max_body
        for scheme in ("http://", "https://"):
            self.mount(scheme, _DeadlineAdapter(pool_size, pool_size, max_retries=0))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        deadline, outer = Deadline(self.total), _deadline.get()
        if outer is not None and outer.remaining() < deadline.remaining():
            deadline = outer
        kwargs |= {
            "allow_redirects": False,
            "stream": True,
            "timeout": (deadline.bounded(self.connect), deadline.bounded(self.read)),
        }
        if urlsplit(str(request.url)).hostname in LOOPBACK:
            kwargs["proxies"] = {}
        with bounded_by(deadline):
            response = super().send(request, **kwargs)
            try:
                # Where `requests` itself keeps a body that was read.
                response._content, response._content_consumed = self._body(response, deadline), True  # type: ignore[attr-defined]  # noqa: SLF001
            finally:
                response.close()
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: `requests` would read a redirect's whole body to prepare following it."""
        return

    def _body(self, response: requests.Response, deadline: Deadline) -> bytes:
        received = bytearray()
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                received += chunk
                if len(received) > self.max_body:
                    raise ResponseTooLarge(f"more than {self.max_body} bytes")
                if deadline.remaining() <= 0:
                    raise DeadlineExceeded("the body came too slowly")
        except (HTTPError, OSError) as exc:
            if isinstance(exc, requests.RequestException):
                raise
            kind = (
                requests.ReadTimeout if isinstance(exc, (TimeoutError, ReadTimeoutError)) else requests.ConnectionError
            )
            raise kind(f"the body broke off ({type(exc).__name__})") from exc
        return bytes(received)


class ThreadSessions:
    """One session a thread and process: sessions aren't thread safe, and a fork must not share sockets."""

    def __init__(self, make: Callable[[], requests.Session]) -> None:
        self._make = make
        self._local = threading.local()

    def get(self) -> requests.Session:
        """Return this thread's session."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.session, self._local.pid = self._make(), os.getpid()
        session: requests.Session = self._local.session
        return session


class _BoundedReader(io.RawIOBase):
    """Bytes from a socket, every wait cut to what the deadline leaves."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        deadline = _deadline.get()
        if deadline is not None:
            if deadline.remaining() <= 0:
                raise TimeoutError("the time for the whole exchange is up")
            self._sock.settimeout(deadline.bounded(deadline.remaining() if self._timeout is None else self._timeout))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock))


class _Connection(HTTPConnection):
    response_class = _BoundedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _DeadlineAdapter(HTTPAdapter):
    """The transport of `requests`, directly and through a proxy, reading under the deadline of `bounded_by`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
