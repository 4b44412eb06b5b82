"""Messages to every process that listens, over Redis pub/sub: what has just changed, for whoever shows it.

Best effort: a message may be lost, as while Redis is away. Whoever listens finds what it missed by the rows, which
`Subscriber` says when to look at. Messages are JSON objects; they leave in batches, from a thread of their own, so that
publishing costs its caller an append to a list.
"""

import asyncio
import atexit
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import groupby, islice
from typing import Any

import redis.asyncio
from django.conf import settings
from prometheus_client import Counter
from redis.connection import parse_url
from redis.exceptions import RedisError

from core.api.json import dumps
from core.backends import REDIS_TIMEOUT_SECONDS
from core.metrics import COUNTS
from core.resilience import CircuitBreaker

logger = logging.getLogger(__name__)
FLUSH_SECONDS = 0.02
# Of messages that wait to leave this process; beyond it the oldest are dropped.
BUFFER_LENGTH = 20_000
# Messages in one of Redis's, so that none is larger than a few hundred kilobytes.
BATCH_LENGTH = 1_000
# A connection on which nothing came for so long is asked whether it is alive, and given up after as long again.
SILENT_SECONDS = 5.0
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS = 0.1, 5.0

DROPPED = Counter(
    "thisthat_pubsub_dropped",
    "Messages that were not published, by reason: too many waited, or Redis was away.",
    ["reason"],
    registry=COUNTS,
)


def publish(topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Send the messages to all who listen to the topic. Never raises and never waits; they may be lost.

    To be called after the commit of what they tell about.
    """
    _publisher.add(topic, messages)


def channel(topic: str) -> str:
    """Return the topic's name in Redis, whose pub/sub doesn't tell databases apart."""
    database = parse_url(settings.REDIS_URL).get("db", 0)  # type: ignore[no-untyped-call]
    return f"{settings.CACHES['default']['KEY_PREFIX']}:{database}:{topic}"


class Publisher:
    """The buffer of a process and the thread that empties it, which starts with the first message."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_filled = threading.Event()
        self._buffer: list[tuple[str, Mapping[str, Any]]] = []
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self._breaker = CircuitBreaker("pub/sub", fallback="streams look for what changed")
        self._channels: dict[str, str] = {}

    @cached_property
    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        )

    def add(self, topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            if not self._buffer:
                self._since = time.time()
            self._buffer.extend((topic, message) for message in messages)
            if (overflow := len(self._buffer) - BUFFER_LENGTH) > 0:
                del self._buffer[:overflow]
                DROPPED.labels("overflow").inc(overflow)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pubsub", daemon=True)
                self._thread.start()
        self._is_filled.set()

    def flush(self) -> None:
        """Send what waits, or drop it while Redis is away."""
        with self._lock:
            messages, self._buffer = self._buffer, []
            self._is_filled.clear()
            since = self._since
        if not messages:
            return
        if not self._breaker.allows():
            DROPPED.labels("unavailable").inc(len(messages))
            return
        try:
            self._send(messages, since)
        except RedisError as exc:
            DROPPED.labels("unavailable").inc(len(messages))
            self._breaker.record_failure(exc)
        else:
            self._breaker.record_success()

    def _run(self) -> None:
        while True:
            self._is_filled.wait()
            # Those that come in the meantime leave together.
            time.sleep(FLUSH_SECONDS)
            try:
                self.flush()
            except Exception:
                logger.exception("messages couldn't be published")

    def _send(self, messages: list[tuple[str, Mapping[str, Any]]], since: float) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for topic, group in groupby(sorted(messages, key=_topic_of), key=_topic_of):
            for batch in _batches(message for _, message in group):
                pipeline.publish(self._channels.setdefault(topic, channel(topic)), encode(batch, since=since))
        pipeline.execute()


def _topic_of(message: tuple[str, Mapping[str, Any]]) -> str:
    return message[0]


def _batches(messages: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    while batch := list(islice(messages, BATCH_LENGTH)):
        yield batch


def encode(messages: Iterable[Mapping[str, Any]], *, since: float) -> bytes:
    """Return a batch: when its oldest message was published, in seconds since 1970, then each message on a line.

    JSON has no line breaks outside its strings, where they are escaped.
    """
    return b"\n".join([b"%.3f" % since, *map(dumps, messages)])


def decode(batch: bytes) -> tuple[float, list[bytes]]:
    """Return when the batch's oldest message was published, and its messages as they were encoded.

    Raises ValueError for what is no batch.
    """
    since, *messages = batch.split(b"\n")
    return float(since), messages


def _start_anew() -> None:
    """Give a forked process a publisher of its own: it has neither the thread nor the connections of its parent."""
    global _publisher  # noqa: PLW0603
    _publisher = Publisher()


def _flush_at_exit() -> None:
    with suppress(Exception):
        _publisher.flush()


_publisher = Publisher()
os.register_at_fork(after_in_child=_start_anew)
atexit.register(_flush_at_exit)


class Subscriber:
    """One connection that listens to topics, in an event loop, and is made again when it breaks.

    `on_messages(topic, published_at, messages)` gets messages as they were encoded. `on_connected()` is called whenever
    the subscription holds, also for the first time: what was published before it may be missed, and has to be looked
    for. `is_connected` says whether messages arrive now.
    """

    def __init__(
        self,
        topics: Iterable[str],
        *,
        on_messages: Callable[[str, float, list[bytes]], None],
        on_connected: Callable[[], None],
    ) -> None:
        self._topics = {channel(topic).encode(): topic for topic in topics}
        self._on_messages = on_messages
        self._on_connected = on_connected
        self.is_connected = False

    async def run(self) -> None:
        """Listen until cancelled."""
        backoff = BACKOFF_SECONDS
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as exc:
                if self.is_connected:
                    logger.warning("the subscription to Redis is lost: %s", exc)
                    backoff = BACKOFF_SECONDS
                self.is_connected = False
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - jitter
            backoff = min(2 * backoff, BACKOFF_MAX_SECONDS)

    async def _listen(self) -> None:
        client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=SILENT_SECONDS,
            socket_timeout=None,
            client_name=f"subscriber-{os.getpid()}",
        )
        try:
            async with client.pubsub() as subscription:
                await subscription.subscribe(*self._topics)
                await self._receive(subscription)
        finally:
            self.is_connected = False
            await client.aclose()

    async def _receive(self, subscription: Any) -> None:
        waits_for_pong, subscribed = False, 0
        while True:
            message = await subscription.get_message(timeout=SILENT_SECONDS)
            if message is None:
                if waits_for_pong:
                    raise ConnectionError("Redis doesn't respond.")
                waits_for_pong = True
                await subscription.ping()
                continue
            waits_for_pong = False
            if message["type"] == "subscribe":
                subscribed += 1
                if subscribed == len(self._topics):
                    self.is_connected = True
                    self._on_connected()
            elif message["type"] == "message":
                self._take(message["channel"], message["data"])

    def _take(self, name: bytes, data: bytes) -> None:
        try:
            published_at, messages = decode(data)
        except ValueError:
            logger.warning("a message on %s can't be read", name.decode())
            return
        self._on_messages(self._topics[name], published_at, messages)
