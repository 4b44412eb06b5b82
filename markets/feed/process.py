"""The feed's process: has the lease or waits for it, follows which markets are wanted, and writes their prices.

One event loop. The database is used in one thread and the upstream's REST interface in another, so that neither holds
up the connections. While one of them is away the rest goes on, and what couldn't be written is written later.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID, uuid4

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone

from core.jobs.queues import enqueue_best_effort
from core.resilience import OBJECT_ERRORS, CircuitBreaker, CircuitOpen, Deadline, act_by_halves
from markets import rules, tasks
from markets.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from markets.feed import metrics
from markets.feed.books import Books, Kind, Trust, prices_of_market
from markets.feed.connection import Connection, Timing
from markets.feed.lines import MARKETS_MAX, Line, Lines
from markets.feed.selectors import FedMarket, wanted_markets
from markets.feed.services import FeedState, LeaseLostError, hold_lease, release_lease, write_prices
from markets.polymarket.books import ShownPrices
from markets.polymarket.client import BOOKS_BATCH, FAILURES_IN_A_ROW, PolymarketClient
from markets.polymarket.parsing import ID_MAX
from markets.polymarket.values import as_identifier
from markets.prices import PricesAsOf, book_rate_limit

logger = logging.getLogger(__name__)
T = TypeVar("T")
DATABASE_ERRORS = (DatabaseError, InterfaceError)
# Of a batch: markets whose prices changed, and those whose age is renewed.
CHANGED_MAX: Final = 1_000
CONFIRMED_MAX: Final = 100
SAMPLES: Final = 5  # of a connection's books, each time
RATE_SECONDS: Final = 2.0
RESTART_SECONDS: Final = 2.0
# A market whose end was told is looked at once, however often it is told: of the last so many markets.
RESOLVED_KEPT: Final = 1_000
SETTLED: Final = (Trust.TRUSTED, Trust.ABSENT)


class Written(NamedTuple):
    prices: ShownPrices
    as_of: datetime


RequestedBooks = Mapping[str, Mapping[str, Any] | None]  # order books by token, None for one that has none


class Sample(NamedTuple):
    """A book that is compared with the order book: how far it and its connection were when that was requested."""

    connection: Connection
    token: str
    revision: int
    events: int


@dataclass(slots=True)
class Session:
    """What a process knows while it is the feed."""

    lines: Lines
    is_selected: bool = False  # whether it is known which markets are wanted
    wanted: dict[UUID, FedMarket] = field(default_factory=dict)
    written: dict[UUID, Written] = field(default_factory=dict)
    dirty: set[UUID] = field(default_factory=set)
    resolved: dict[str, bool] = field(default_factory=dict)  # whether it was passed on, by condition id
    sampled: dict[Connection, int] = field(default_factory=dict)

    def state(self, *, now: datetime) -> FeedState:
        found = [line.connection for line in self.lines]
        heard = [connection.heard_at for connection in found]
        known = [moment for moment in heard if moment is not None]
        oldest = min(known, default=now) if self.is_selected and len(known) == len(heard) else None
        return FeedState(
            heard_at=oldest,
            connections=sum(connection.is_open for connection in found),
            tokens=2 * len(self.wanted),
            trusted=sum(self._count_trusted(line) for line in self.lines if line.connection.is_open),
        )

    def _count_trusted(self, line: Line) -> int:
        books = line.connection.books
        tokens = [token for key in line.markets.keys() & self.wanted.keys() for token in self.wanted[key].tokens]
        return sum(token in books and books[token].trust in SETTLED for token in tokens)


class Feed:
    """One process of the feed. `run` returns soon after `stop` is called, with the lease released."""

    def __init__(
        self,
        *,
        url: str,
        client: PolymarketClient,
        max_tokens: int = rules.FEED_MAX_TOKENS,
        connection_markets: int = MARKETS_MAX,
        timing: Timing | None = None,
    ) -> None:
        """`connection_markets`: how many markets share a connection."""
        self.holder = uuid4()
        self._url, self._client = url, client
        self._max_markets, self._connection_markets = max_tokens // 2, connection_markets
        self._timing = timing or Timing()
        self._database = ThreadPoolExecutor(1, thread_name_prefix="feed-database")
        self._upstream = ThreadPoolExecutor(1, thread_name_prefix="feed-upstream")
        self._breaker = CircuitBreaker("the database", fallback="the feed keeps its prices for later")
        self._stopping = asyncio.Event()
        self._session: Session | None = None

    def stop(self) -> None:
        self._stopping.set()

    @property
    def is_active(self) -> bool:
        """Return whether this process is the feed now, as far as it knows."""
        return self._session is not None

    async def run(self) -> None:
        """Be the feed whenever this process has the lease, until it is stopped."""
        session: asyncio.Task[None] | None = None
        try:
            while not self._stopping.is_set():
                held = await self._renew_lease()
                if session is not None and (held is False or session.done()):
                    await self._end(session)
                    session = None
                elif session is None and held:
                    logger.info("this process is the price feed now")
                    session = asyncio.create_task(self._feed())
                await self._pause(self._timing.renew)
        finally:
            if session is not None:
                await self._end(session)
            await self._let_go()

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until it is stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _end(self, session: "asyncio.Task[None]") -> None:
        session.cancel()
        (failure,) = await asyncio.gather(session, return_exceptions=True)
        if isinstance(failure, Exception):
            logger.error("the price feed failed and begins anew", exc_info=failure)
            await self._pause(RESTART_SECONDS)

    async def _let_go(self) -> None:
        """Release the lease, within a second whatever the database does, and leave the threads to themselves."""
        with suppress(TimeoutError, *DATABASE_ERRORS, CircuitOpen):
            async with asyncio.timeout(self._timing.close):
                await self._in_database(release_lease, holder=self.holder)
                await self._in_database(connections.close_all)
        self._database.shutdown(wait=False, cancel_futures=True)
        self._upstream.shutdown(wait=False, cancel_futures=True)

    async def _renew_lease(self) -> bool | None:
        """Return whether the lease is ours; None where the database doesn't say."""
        state = self._session.state(now=timezone.now()) if self._session else FeedState()
        try:
            return await self._in_database(hold_lease, holder=self.holder, seconds=self._timing.lease, state=state)
        except (*DATABASE_ERRORS, CircuitOpen):
            return None

    async def _feed(self) -> None:
        """Be the feed until cancelled."""
        lines = Lines(self._url, timing=self._timing, on_event=self._note, markets_max=self._connection_markets)
        self._session = session = Session(lines)
        timing = self._timing
        try:
            async with asyncio.TaskGroup() as group:
                for seconds, act in (
                    (timing.select, self._select),
                    (timing.flush, self._flush),
                    (timing.resync, self._resync),
                    (timing.resync, self._pass_on_resolved),
                    (timing.settle, self._settle),
                    (timing.sample, self._sample),
                ):
                    group.create_task(self._every(seconds, partial(act, session)))
        finally:
            self._session = None
            await lines.stop()

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Act so often; what the database or the upstream failed at is tried again the next time."""
        while True:
            started = time.monotonic()
            try:
                await act()
            except (*DATABASE_ERRORS, CircuitOpen, UpstreamError, LeaseLostError) as exc:
                logger.debug("the price feed will try again: %s", exc)
            await asyncio.sleep(max(seconds - (time.monotonic() - started), 0.0))

    def _note(self, kind: Kind, event: Mapping[str, Any]) -> None:
        """Keep the condition id of a market that is said to be resolved."""
        condition_id = as_identifier(event.get("market"), ID_MAX)
        if not self._session or not condition_id:
            return
        resolved = self._session.resolved
        resolved.setdefault(condition_id, False)
        if len(resolved) > RESOLVED_KEPT:
            del resolved[next(iter(resolved))]

    async def _select(self, session: Session) -> None:
        """Follow which markets matter."""
        wanted = await self._in_database(wanted_markets, limit=self._max_markets, now=timezone.now())
        before, session.wanted = session.wanted, {market.market_id: market for market in wanted}
        # A connection may have the books of a new one already, and nothing else would have its prices written.
        new = {key for key, market in session.wanted.items() if before.get(key) != market}
        session.written = {key: row for key, row in session.written.items() if key in session.wanted and key not in new}
        session.dirty = session.dirty & session.wanted.keys() | new
        await session.lines.follow(wanted)
        session.is_selected = True

    async def _flush(self, session: Session) -> None:
        """Write what changed, and renew the age of what didn't: one batch, of bounded size."""
        heard = [*self._changed(session)][:CHANGED_MAX]
        changed = {each.market_id for each in heard}
        heard += [*self._confirmed(session, changed)][:CONFIRMED_MAX]
        if not heard:
            return
        rows = await self._in_database(write_prices, heard, holder=self.holder, now=timezone.now())
        for each in heard:
            if each.market_id in rows:
                session.written[each.market_id] = Written(each.prices, each.as_of)
                session.dirty.discard(each.market_id)
        metrics.BATCHES.inc()
        metrics.ROWS.labels("changed").inc(sum(rows.values()))
        metrics.ROWS.labels("confirmed").inc(len(rows) - sum(rows.values()))

    def _changed(self, session: Session) -> Iterable[PricesAsOf]:
        """Yield the prices of markets whose books changed, where they are others than those that were written."""
        placed = {key: line.connection for line in session.lines for key in line.markets}
        for line in session.lines:
            session.dirty |= changed_markets(line, session.wanted)
        for key in list(session.dirty):
            connection = placed.get(key)
            market = session.wanted[key]
            prices = prices_by(connection.books, market) if connection else None
            if prices is None or connection is None or connection.heard_at is None:
                continue
            written = session.written.get(key)
            if written and written.prices == prices:
                session.dirty.discard(key)
                continue
            yield PricesAsOf(key, market.tokens, prices, connection.heard_at)

    def _confirmed(self, session: Session, changed: set[UUID]) -> Iterable[PricesAsOf]:
        """Yield the prices that were written a while ago, and are still the same by now."""
        for line in session.lines:
            connection = line.connection
            if not connection.is_open or connection.heard_at is None:
                continue
            due_before = connection.heard_at - timedelta(seconds=self._timing.confirm)
            for key, market in line.markets.items():
                written = session.written.get(key)
                if written is None or written.as_of > due_before or key in changed or key in session.dirty:
                    continue
                if prices_by(connection.books, market) == written.prices:
                    yield PricesAsOf(key, market.tokens, written.prices, connection.heard_at)

    async def _resync(self, session: Session) -> None:
        """Request the books that don't fit, and those that are new: one batch."""
        wanted: dict[str, Connection] = {}
        for connection in session.lines.connections:
            if connection.is_open:
                wanted |= dict.fromkeys((*connection.books.gaps, *connection.unseeded), connection)
        tokens = list(wanted)[:BOOKS_BATCH]
        for token in tokens:
            if reason := wanted[token].books.gaps.get(token):
                metrics.GAPS.labels(reason).inc()
        if tokens:
            sent = await self._request(tokens)
            for token in tokens:
                take_seed(wanted[token], token, sent)

    async def _pass_on_resolved(self, session: Session) -> None:
        """Have markets looked at that are said to be resolved. That pays nothing: two other sources have to agree."""
        new = [condition_id for condition_id, is_done in session.resolved.items() if not is_done]
        if new:
            await self._in_database(enqueue_best_effort, tasks.check_markets, new)
            session.resolved |= {each: True for each in new if each in session.resolved}

    async def _settle(self, session: Session) -> None:
        for connection in session.lines.connections:
            connection.books.settle_claims()

    async def _sample(self, session: Session) -> None:
        """Compare some books of each connection with those that the upstream sends when it is asked."""
        samples = [sample for line in session.lines for sample in take_samples(line.connection, session.sampled)]
        session.sampled = {line.connection: session.sampled.get(line.connection, 0) for line in session.lines}
        if not samples:
            return
        requested_at = timezone.now()
        sent = await self._request([sample.token for sample in samples])
        doubtful = [sample for sample in samples if not fits(sample, sent, requested_at)]
        if doubtful:
            await asyncio.sleep(self._timing.settle)
        for sample in doubtful:
            await resolve_doubt(sample)

    async def _request(self, tokens: list[str]) -> RequestedBooks:
        """Return what the upstream says about these tokens' books. Raises UpstreamError."""
        return await asyncio.get_running_loop().run_in_executor(self._upstream, request_books, self._client, tokens)

    async def _in_database(self, act: Callable[..., T], *args: Any, **options: Any) -> T:
        """Do it in the thread that has the database connection. Raises CircuitOpen while the database is left alone."""

        def run() -> T:
            with self._breaker.attempt(failures=DATABASE_ERRORS):
                close_old_connections()
                return act(*args, **options)

        return await asyncio.get_running_loop().run_in_executor(self._database, run)


def prices_by(books: Books, market: FedMarket) -> ShownPrices | None:
    """Return a market's prices by local books, None while they aren't known."""
    if any(token not in books for token in market.tokens):
        return None
    return prices_of_market(books, market.tokens, depth=rules.PRICE_DEPTH, max_spread=rules.MAX_SPREAD)


def changed_markets(line: Line, wanted: Mapping[UUID, FedMarket]) -> set[UUID]:
    """Take the changes of a line's books; return whose they are."""
    changed, books = line.connection.books.changed, line.connection.books
    if not changed:
        return set()
    books.changed = set()
    return {key for key, market in line.markets.items() if key in wanted and not changed.isdisjoint(market.tokens)}


def take_seed(connection: Connection, token: str, sent: RequestedBooks) -> None:
    """Take what was requested of a book: in its place where it doesn't fit, else for its last trade alone.

    One that is refused, or that can't be read, isn't requested again until the connection is made anew or sends it:
    its market is left to the refresh.
    """
    connection.unseeded.discard(token)
    books = connection.books
    books.gaps.pop(token, None)
    if token not in sent:
        return
    if books[token].trust == Trust.TRUSTED:
        books.take_sample(token, sent[token])
    elif not books.resync(token, sent[token]):
        metrics.BAD_EVENTS.inc()


def take_samples(connection: Connection, sampled: dict[Connection, int]) -> list[Sample]:
    """Return the next books of a connection to compare, in turn."""
    if not connection.is_open:
        return []
    tokens = list(connection.books)
    start = sampled.get(connection, 0)
    sampled[connection] = (start + SAMPLES) % max(len(tokens), 1)
    chosen = (tokens + tokens)[start : start + min(SAMPLES, len(tokens))]
    trusted = [token for token in chosen if connection.books[token].trust in SETTLED]
    return [Sample(connection, token, connection.books[token].revision, connection.events) for token in trusted]


def fits(sample: Sample, sent: RequestedBooks, requested_at: datetime) -> bool:
    """Return whether a book agrees with what was requested, or has changed since, so that nothing can be told."""
    book = sample.connection.books[sample.token]
    if book.revision != sample.revision or sample.token not in sent:
        return True
    if not sample.connection.books.take_sample(sample.token, sent[sample.token]):
        return False
    sample.connection.hear(requested_at)
    return True


async def resolve_doubt(sample: Sample) -> None:
    """Have a book requested anew that still isn't as the upstream said; end a connection that brought nothing since."""
    connection = sample.connection
    book = connection.books[sample.token]
    if not connection.is_open or book.revision != sample.revision or book.trust == Trust.GAP:
        return
    if connection.events == sample.events:
        await connection.end("frozen")
    else:
        connection.books.distrust(sample.token, "sample")


def request_books(client: PolymarketClient, tokens: list[str]) -> RequestedBooks:
    """Return the order books of these tokens, None for one without; none for those refused. Raises UpstreamError."""

    def request(part: list[str]) -> RequestedBooks:
        if not book_rate_limit.acquire(Deadline(RATE_SECONDS)):
            raise UpstreamUnavailable("the rate limit has no turn", retriable=False)
        sent = client.books(part)
        return {token: sent.get(token) for token in part}

    parts = act_by_halves(
        tokens,
        request,
        failures=(UpstreamRejected, *OBJECT_ERRORS),
        on_failed=lambda token, exc: logger.debug("the order book of %s is refused: %s", token, exc),
        size=BOOKS_BATCH,
        failures_in_a_row=FAILURES_IN_A_ROW,
    )
    return {token: book for part in parts for token, book in part.items()}
