"""A feed in a thread of the tests' process, over a simulated Polymarket and the tests' database."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from devtools.simulators.polymarket import Market as Upstream
from devtools.simulators.polymarket import Simulator
from markets.feed.connection import Timing
from markets.feed.models import MarketFeed
from markets.feed.process import Feed
from markets.models import Market
from markets.prices import watch_markets
from tests.concurrently import wait_until
from tests.markets.factories import ingest, polymarket_client

# As short as a busy machine allows: what waits for something goes on as soon as it is there.
QUICK: dict[str, float] = {
    "open": 2, "close": 0.5, "ping": 0.3, "pong": 2, "ready": 2, "select": 0.1, "sample": 0.2, "settle": 0.3,
    "resync": 0.1, "flush": 0.05, "confirm": 0.5, "lease": 1.5, "stable": 0.5, "renew": 0.1,
}  # fmt: skip


@pytest.fixture
def mirrored(upstream, transactional_db) -> Simulator:
    """The simulated Polymarket, after an ingestion."""
    ingest(upstream)
    return upstream


class RunningFeed:
    """A feed in a thread of its own. What ends it with an exception fails the test."""

    def __init__(self, simulator: Simulator, **options: Any) -> None:
        timing = Timing(**(QUICK | options.pop("timing", {})))
        url = options.pop("url", simulator.ws_url)
        self._make = lambda: Feed(url=url, client=polymarket_client(simulator), timing=timing, **options)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._started.wait()

    def _run(self) -> None:
        async def run() -> None:
            self.feed, self._loop = self._make(), asyncio.get_running_loop()
            self._started.set()
            await self.feed.run()

        try:
            asyncio.run(run())
        except BaseException as exc:  # noqa: BLE001 - raised by `stop`
            self._failure = exc
            self._started.set()

    @property
    def is_active(self) -> bool:
        return self.feed.is_active

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.feed.stop)
            self._thread.join(10)
        assert not self._thread.is_alive()
        if self._failure:
            raise self._failure


@pytest.fixture
def run_feed(mirrored) -> Iterator[Callable[..., RunningFeed]]:
    """Starts feeds, which are stopped at the end."""
    with ExitStack() as stack:

        def run(**options: Any) -> RunningFeed:
            running = RunningFeed(mirrored, **options)
            stack.callback(running.stop)
            return running

        yield run


def here(there: Upstream) -> Market:
    return Market.objects.get(polymarket_id=there.condition_id)


def watch(*markets: Upstream) -> None:
    watch_markets([here(market).pk for market in markets], until=datetime.now(UTC) + timedelta(hours=1))


def shows(there: Upstream, odds: str) -> bool:
    """Whether these odds are stored, with bid and ask around them."""
    market = here(there)
    return market.this_odds == Decimal(odds) and None not in (market.bid, market.ask)


def set_price(there: Upstream, odds: str) -> None:
    """Move the order book; the catalogue says nothing of it yet."""
    there.set_price(Decimal(odds), gamma=False)


def is_whole() -> bool:
    """Whether the feed says of itself that it knows all books."""
    feed = MarketFeed.objects.first()
    return feed is not None and feed.heard_at is not None and feed.tokens > 0 and feed.trusted == feed.tokens


@contextmanager
def metric(counter: Any, **labels: str) -> Iterator[Callable[[], float]]:
    """How much a counter has risen inside the block."""

    def value() -> float:
        return float((counter.labels(**labels) if labels else counter)._value.get())

    before = value()
    yield lambda: value() - before


__all__ = ["wait_until"]
