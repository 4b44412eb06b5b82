"""The streams of this process: one subscription to what others publish, and one thread that reads what was missed.

What is published only makes streams fast. Everything is also found by looking at the rows now and then, in one
statement for all clients, so that a lost message delays an event by seconds and loses none. Nothing of this runs until
a process has its first client.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import orjson
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from accounts.changes import USERS_TOPIC
from core.api.errors import TryAgain
from core.api.json import dumps
from core.pubsub import Subscriber
from markets.changes import MARKETS_TOPIC, ODDS_TOPIC
from markets.prices import watch_markets
from markets.rules import WATCH_SECONDS
from stream import rules, selectors, services
from stream.errors import InvalidTicket, StreamFull
from stream.hub import Client, Hub, frame
from stream.selectors import MarketState, Position, UserState
from stream.services import TicketHolder

logger = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants to stream: markets by their names, and with a ticket what concerns its user."""

    markets: list[str]
    ticket: str = ""
    last_event_id: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with. `position`: from where the user's events are told, None without a user."""

    market_ids: list[UUID]
    markets: list[MarketState]
    holder: TicketHolder | None
    position: Position | None


def prepare(request: Request, *, now: datetime) -> Opening:
    """Read what a stream begins with, and use its ticket up. Raises InvalidTicket."""
    holder = services.use_ticket(ticket=request.ticket, now=now) if request.ticket else None
    market_ids = selectors.find_market_ids(request.markets)
    position = None
    if holder:
        position = begin_at(request.last_event_id, selectors.read_position(holder.user_id))
    states = selectors.read_markets(market_ids)
    return Opening([state.market_id for state in states], states, holder, position)


def begin_at(last_event_id: str, current: Position | None) -> Position:
    """Return the position of that event, or the current one where it is none. Raises InvalidTicket without a user."""
    if current is None:
        raise InvalidTicket
    ledger, dash, notifications = last_event_id.strip().partition("-")
    if not dash or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (ledger, notifications)):  # noqa: PLR2004
        return current
    position = Position(int(ledger), int(notifications))
    return (
        position if position.ledger <= current.ledger and position.notifications <= current.notifications else current
    )


def first_events(opening: Opening) -> bytes:
    """Return what a stream begins with, as bytes."""
    client = Client(opening.market_ids, holder=opening.holder, position=opening.position)
    for state in opening.markets:
        client.public[state.market_id] = frame(b"market", state.status) + client.prefix + frame(b"odds", state.odds)
    return client.take()


class Streams:
    """All streams of a process. Its methods belong to one event loop."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.subscriber = Subscriber(
            (ODDS_TOPIC, MARKETS_TOPIC, USERS_TOPIC), on_messages=self._take, on_connected=self._note_connected
        )
        self._opening = 0
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        # One for clients that begin, one for what is read for all of them: a rush of the first must not delay these.
        self._openings = ThreadPoolExecutor(1, "stream-openings")
        self._reads = ThreadPoolExecutor(1, "stream-reads")
        self._named: set[UUID] = set()
        self._is_named = asyncio.Event()
        self._markets_read_at = self._watched_at = 0.0

    async def open(self, request: Request) -> Client:
        """Begin a stream. Raises StreamFull, InvalidTicket, DatabaseError."""
        if self._is_stopping:
            raise TryAgain(retry_after=1)
        if len(self.hub.clients) + self._opening >= rules.MAX_CLIENTS:
            raise StreamFull(retry_after=rules.FULL_RETRY_AFTER)
        self._start()
        self._opening += 1
        try:
            opening = await self._in_thread(self._openings, partial(prepare, request, now=timezone.now()))
        finally:
            self._opening -= 1
        client = Client(opening.market_ids, holder=opening.holder, position=opening.position)
        self.hub.add(client, opening.markets)
        if client.holder:
            self._name([client.holder.user_id])
        if self._is_stopping:
            self._end(client)
        return client

    def close(self, client: Client) -> None:
        self.hub.remove(client)

    def stop(self) -> None:
        """End all streams; their clients are told to come back, not all at once."""
        if self._is_stopping:
            return
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        for client in self.hub.clients:
            self._end(client)
        for executor in (self._openings, self._reads):
            executor.shutdown(wait=False)

    def _end(self, client: Client) -> None:
        seconds = random.uniform(rules.RETRY_SECONDS, rules.RETRY_SECONDS_MAX)  # noqa: S311
        self.hub.end(client, retry_seconds=seconds)

    def _start(self) -> None:
        if not self._tasks:
            running = (self.subscriber.run(), self._follow_markets(), self._follow_users(), self._ping())
            self._tasks = [asyncio.get_running_loop().create_task(each) for each in running]

    # What is published

    def _take(self, topic: str, published_at: float, messages: list[bytes]) -> None:
        for message in messages:
            try:
                self._take_one(topic, published_at, message)
            except (ValueError, LookupError, TypeError) as exc:
                logger.warning("a message about %s can't be read: %r", topic, exc)

    def _take_one(self, topic: str, published_at: float, message: bytes) -> None:
        if topic == USERS_TOPIC:
            said = orjson.loads(message)
            self._name(self.hub.users if said.get("all") else [UUID(said["userId"])])
        elif orjson.loads(message).get("all"):
            self._markets_read_at = 0.0
        elif topic == ODDS_TOPIC:
            self.hub.take_odds(message, published_at)
        else:
            self.hub.take_status(message, published_at)

    def _note_connected(self) -> None:
        """Look for what was published before the subscription held."""
        self._markets_read_at = 0.0
        self._name(self.hub.users)

    def _name(self, user_ids: Iterable[UUID]) -> None:
        """Have these users looked at."""
        if streaming := [user_id for user_id in user_ids if user_id in self.hub.users]:
            self._named.update(streaming)
            self._is_named.set()

    # What is read

    async def _follow_users(self) -> None:
        """Read what is new of users: of who was named at once, of all from time to time."""
        looked_at_all = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._is_named.wait()
            except TimeoutError:
                pass
            if time.monotonic() - looked_at_all >= self._seconds(rules.USERS_READ_SECONDS):
                self._named.update(self.hub.users)
                looked_at_all = time.monotonic()
            named, self._named = self._named, set()
            self._is_named.clear()
            await self._carefully(partial(self._read_users, named))

    async def _read_users(self, user_ids: set[UUID]) -> None:
        positions = self.hub.positions(user_ids)
        if positions:
            states: dict[UUID, UserState] = await self._in_thread(self._reads, partial(selectors.read_users, positions))
            for user_id in positions:
                self.hub.take_user(user_id, states.get(user_id))

    async def _follow_markets(self) -> None:
        """Read markets: those that are new among the streamed at once, all from time to time."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if time.monotonic() - self._markets_read_at >= self._seconds(rules.MARKETS_READ_SECONDS):
                self._markets_read_at = time.monotonic()
                await self._carefully(partial(self._read_markets, set(self.hub.markets)))
            elif self.hub.unread:
                await self._carefully(partial(self._read_markets, set(self.hub.unread)))

    async def _read_markets(self, market_ids: set[UUID]) -> None:
        is_new = bool(market_ids & self.hub.unread)
        self.hub.unread -= market_ids
        for state in await self._in_thread(self._reads, partial(selectors.read_markets, market_ids)):
            self.hub.update(state)
        if is_new or time.monotonic() - self._watched_at >= WATCH_SECONDS / 2:
            self._watched_at = time.monotonic()
            until = timezone.now() + timedelta(seconds=WATCH_SECONDS)
            await self._in_thread(self._reads, partial(watch_markets, sorted(self.hub.markets), until=until))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(rules.PING_SECONDS)
            self.hub.ping(self._ping_data())

    def _ping_data(self) -> bytes:
        as_of = self.hub.newest()
        age = timezone.now() - datetime.fromisoformat(as_of) if as_of else None
        return dumps({"asOf": as_of or None, "lagMs": max(0, round(age.total_seconds() * 1000)) if age else None})

    def _seconds(self, usual: float) -> float:
        return usual if self.subscriber.is_connected else rules.READ_SECONDS_WITHOUT_REDIS

    async def _carefully(self, read: Callable[[], Awaitable[None]]) -> None:
        """Read, and go on where that fails: what is missed is found the next time."""
        try:
            await read()
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("streams couldn't read the database: %s", exc)
        except Exception:
            logger.exception("streams failed to read")

    async def _in_thread(self, executor: ThreadPoolExecutor, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, partial(with_database, read))


def with_database(read: Callable[[], T]) -> T:
    """Call in a thread of this module's, whose connection is made again where it is broken."""
    close_old_connections()
    try:
        return read()
    finally:
        close_old_connections()


_streams: list[Streams] = []


def streams() -> Streams:
    """Return the streams of this process; the first call is on the event loop that serves them."""
    if not _streams:
        _streams.append(Streams())
    return _streams[0]


def stop_streams() -> None:
    """End the streams of this process, if there are any."""
    for each in _streams:
        each.stop()
