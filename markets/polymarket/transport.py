"""One question over HTTP to one host: time limits, retries, and nothing but JSON of the expected shape as an answer."""

import email.utils
import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import requests
import urllib3

from markets.polymarket import counts
from markets.polymarket.breaker import CircuitBreaker
from markets.polymarket.deadline import Deadline, DeadlineAdapter, bounding
from markets.polymarket.errors import UpstreamError, UpstreamGarbled, UpstreamRejected, UpstreamUnavailable

logger = logging.getLogger(__name__)

MAX_BODY: Final = 64 * 1024 * 1024  # bytes, unpacked; a page of 500 events is about 20 MiB
CHUNK: Final = 64 * 1024
POOL_SIZE: Final = 4  # connections a thread and host; a thread asks one thing at a time

T = TypeVar("T")
Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds. `total` bounds a whole call with its retries and pauses."""

    connect: float = 3.05
    read: float = 10  # without a byte
    total: float = 30
    attempts: int = 4
    backoff: float = 0.5  # before the first retry, doubled before each further one, then shortened by up to a half
    backoff_max: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """What to ask, and `read`, which turns the JSON into the answer or raises `UpstreamGarbled`."""

    path: str
    read: Callable[[Any], T]
    parameters: Parameters = ()
    payload: Any = None  # sent by POST when there is one
    absent: T | None = None  # the answer for a 404, where that is one


class Sessions:
    """A `requests.Session` a thread and process: sessions aren't thread safe, and a fork must not share sockets."""

    def __init__(self, session: requests.Session | None = None) -> None:
        self._given = session
        self._local = threading.local()

    def get(self) -> requests.Session:
        """The session of this thread, or the one given for all."""
        if self._given is not None:
            return self._given
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.session, self._local.pid = self._made(), os.getpid()
        session: requests.Session = self._local.session
        return session

    def _made(self) -> requests.Session:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(POOL_SIZE, POOL_SIZE, max_retries=0))
        return session


class Host:
    """One host of the upstream. Thread safe; raises only `UpstreamError`s, and logs one line for a call that failed."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        patience: Patience,
        breaker: CircuitBreaker,
        sessions: Sessions,
        user_agent: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._patience = patience
        self._breaker = breaker
        self._sessions = sessions
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        self._sleep = sleep

    def ask(self, question: Question[T], patience: Patience | None = None) -> T:
        """The answer; with the host's own patience unless another is given."""
        patience = patience or self._patience
        try:
            return self._ask_until_answered(question, patience)
        except UpstreamError as error:
            # An open breaker refuses many calls a second: those are worth no warning each.
            refused = isinstance(error, UpstreamUnavailable) and not error.retriable
            logger.log(logging.DEBUG if refused else logging.WARNING, "Polymarket %s: %s", question.path, error)
            if refused:
                counts.note_refusal(self._name)
            raise
        finally:
            counts.note_breaker(self._name, is_open=self._breaker.is_open)

    def _ask_until_answered(self, question: Question[T], patience: Patience) -> T:
        deadline = Deadline(patience.total)
        tried = 0
        while True:
            tried += 1
            try:
                with self._breaker.attempt(), counts.counted(self._name, question.path), bounding(deadline):
                    return self._ask_once(question, patience, deadline)
            except (UpstreamUnavailable, UpstreamGarbled) as error:
                pause = _pause(error, tried, patience)
                if pause is None or pause >= deadline.remaining():
                    raise
            self._sleep(pause)

    def _ask_once(self, question: Question[T], patience: Patience, deadline: Deadline) -> T:
        try:
            with self._send(question, patience, deadline) as response:
                if response.status_code == HTTPStatus.NOT_FOUND and question.absent is not None:
                    return question.absent
                _refuse_failures(response)
                return question.read(_decoded(_body(response, deadline)))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise UpstreamUnavailable(f"no answer ({type(error).__name__})") from error

    def _send(self, question: Question[T], patience: Patience, deadline: Deadline) -> requests.Response:
        return self._sessions.get().request(
            "GET" if question.payload is None else "POST",
            self._url + question.path,
            params=list(question.parameters),
            json=question.payload,
            headers=self._headers,
            timeout=(deadline.bounded(patience.connect), deadline.bounded(patience.read)),
            allow_redirects=False,  # the API has none: a redirect leads to somebody else's page
            stream=True,
        )


def _pause(error: UpstreamError, tried: int, patience: Patience) -> float | None:
    """Seconds before the next try; `None` when there is none."""
    if tried >= patience.attempts:
        return None
    if isinstance(error, UpstreamUnavailable):
        if not error.retriable:
            return None
        if error.retry_after is not None:
            return error.retry_after
    longest = min(patience.backoff * 2.0 ** (tried - 1), patience.backoff_max)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads retries, guards nothing


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
    """Seconds from `Retry-After`, which is a number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    stated = response.headers.get("Retry-After", "").strip()
    if stated.isascii() and stated.isdigit():
        return float(stated[:9])
    try:
        moment: datetime = email.utils.parsedate_to_datetime(stated)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _body(response: requests.Response, deadline: Deadline) -> bytes:
    """The unpacked body, taken as it comes in, so that neither its size nor its slowness has to be trusted."""
    received = bytearray()
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        received += chunk
        if len(received) > MAX_BODY:
            raise UpstreamGarbled(f"more than {MAX_BODY} bytes")
        if deadline.remaining() <= 0:
            raise UpstreamUnavailable("the body came too slowly")
    return bytes(received)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, InvalidOperation) as error:  # the last: an exponent that no Decimal holds
        raise UpstreamGarbled("broken JSON") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
