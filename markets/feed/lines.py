"""Which connection has which markets: the plan, and connections that are made again whenever they end."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from core.resilience import RetryPolicy
from markets.feed import metrics
from markets.feed.books import Kind, Trust
from markets.feed.connection import Connection, ConnectionLostError, Timing
from markets.feed.selectors import FedMarket

logger = logging.getLogger(__name__)
# Of a connection: 500 tokens, two a market.
MARKETS_MAX: Final = 250
# A connection of which more than one market of so many isn't wanted any more is replaced by a narrower one.
UNWANTED_SHARE: Final = 4
BACKOFF = RetryPolicy(attempts=2**31, backoff=0.5, backoff_max=30, jitter=0.5)
OnEvent = Callable[[Kind, Mapping[str, Any]], None]


class Line:
    """The place of a connection: some markets, and the connection that has them now."""

    def __init__(self, url: str, markets: Iterable[FedMarket], *, timing: Timing, on_event: OnEvent) -> None:
        self.markets = {market.market_id: market for market in markets}
        self._url, self._timing, self._on_event = url, timing, on_event
        self.connection = self._make()
        self._running: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Return whether something is known of all its books."""
        return self.connection.is_open and not self.connection.books.count(Trust.UNKNOWN)

    def start(self) -> None:
        self._running = asyncio.create_task(self._keep_connected())

    async def stop(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def add(self, markets: Sequence[FedMarket]) -> None:
        self.markets |= {market.market_id: market for market in markets}
        await self.connection.subscribe(markets)

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            self.connection = self._make()
            started = time.monotonic()
            try:
                await self.connection.run(self.markets.values)
            except ConnectionLostError as lost:
                metrics.RECONNECTS.labels(lost.reason).inc()
                # One that worked has its successor soon. Where they are refused, or end at once though they brought
                # something, the wait gets longer each time.
                has_worked = self.connection.events and time.monotonic() - started >= self._timing.stable
                failures = 1 if has_worked else failures + 1
                level = logging.WARNING if failures == 1 else logging.DEBUG
                logger.log(level, "a connection of the price feed ended: %s", lost)
                # A server that wants to be tried again at once isn't.
                await asyncio.sleep(max(BACKOFF.pause(failures) or 0, lost.retry_after or 0))

    def _make(self) -> Connection:
        return Connection(self._url, timing=self._timing, on_event=self._on_event)


class Lines:
    """All lines. The markets that are wanted are spread over them; one line at a time is replaced by a narrower one."""

    def __init__(self, url: str, *, timing: Timing, on_event: OnEvent, markets_max: int = MARKETS_MAX) -> None:
        """`markets_max`: of one connection."""
        self._url, self._timing, self._on_event, self._markets_max = url, timing, on_event, markets_max
        self._lines: list[Line] = []
        self._replacing: asyncio.Task[None] | None = None
        self._successor: Line | None = None

    def __iter__(self) -> Iterator[Line]:
        return iter(list(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def connections(self) -> list[Connection]:
        """All connections, with the one that is about to take another one's place."""
        return [line.connection for line in (*self._lines, *([self._successor] if self._successor else []))]

    async def follow(self, wanted: Sequence[FedMarket]) -> None:
        """Have connections for these markets; those that are no longer wanted stay until a line is replaced."""
        by_id = {market.market_id: market for market in wanted}
        for line in list(self._lines):
            # A market that has other tokens now is another one.
            stale = [key for key, market in line.markets.items() if by_id.get(key, market) != market]
            for key in stale:
                del line.markets[key]
            if not line.markets.keys() & by_id.keys():
                self._lines.remove(line)
                await line.stop()
        fed = {key for line in self._lines for key in line.markets}
        missing = [market for market in wanted if market.market_id not in fed]
        missing = await self._fill(missing, lines_needed=-(-len(wanted) // self._markets_max))
        if self._replacing is None or self._replacing.done():
            self._replace_if_needed(by_id, missing)

    async def stop(self) -> None:
        if self._replacing:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        lines, self._lines = self._lines, []
        await asyncio.gather(*(line.stop() for line in lines))

    async def _fill(self, missing: list[FedMarket], *, lines_needed: int) -> list[FedMarket]:
        """Give markets to lines that have room, and to new ones; return those that must wait for a replacement."""
        for line in self._lines:
            room = max(self._markets_max - len(line.markets), 0)
            part, missing = missing[:room], missing[room:]
            if part:
                await line.add(part)
        while missing and len(self._lines) < lines_needed:
            part, missing = missing[: self._markets_max], missing[self._markets_max :]
            self._lines.append(self._start(part))
        return missing

    def _replace_if_needed(self, wanted: Mapping[UUID, FedMarket], missing: list[FedMarket]) -> None:
        unwanted = {line: len(line.markets.keys() - wanted.keys()) for line in self._lines}
        line = max(unwanted, key=lambda each: unwanted[each], default=None)
        if line is None or not unwanted[line] or not (missing or unwanted[line] > self._markets_max // UNWANTED_SHARE):
            return
        kept = [market for key, market in line.markets.items() if key in wanted]
        markets = [*kept, *missing[: self._markets_max - len(kept)]]
        self._replacing = asyncio.create_task(self._replace(line, markets))

    async def _replace(self, line: Line, markets: list[FedMarket]) -> None:
        """Have a new connection take over once it knows its books, so that nothing is missed in between."""
        self._successor = successor = self._start(markets)
        try:
            async with asyncio.timeout(self._timing.ready):
                while not successor.is_ready:  # noqa: ASYNC110 - true by the work of others that know nothing of it
                    await asyncio.sleep(self._timing.flush)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            await successor.stop()
            raise
        finally:
            self._successor = None
        if line in self._lines:
            self._lines[self._lines.index(line)] = successor
            await line.stop()
            metrics.RECONNECTS.labels("narrowed").inc()
        else:
            await successor.stop()

    def _start(self, markets: list[FedMarket]) -> Line:
        line = Line(self._url, markets, timing=self._timing, on_event=self._on_event)
        line.start()
        return line
