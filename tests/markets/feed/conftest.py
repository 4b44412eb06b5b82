"""A feed in this process's event loop, over a simulated Polymarket and the tests' database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from devtools.simulators.polymarket import Market as Upstream
from devtools.simulators.polymarket import Simulator
from markets.feed.connection import Timing
from markets.feed.process import Feed
from markets.models import Market
from markets.prices import watch_markets
from tests.markets.factories import ingest, polymarket_client

# As short as a busy machine allows: what waits for something goes on as soon as it is there.
QUICK = Timing(
    open=2, close=0.5, ping=0.3, pong=2, ready=2, select=0.1, sample=0.2, settle=0.3, resync=0.1, flush=0.05,
    confirm=0.5, lease=1.5, renew=0.2,
)  # fmt: skip
SECONDS = 15


@pytest.fixture
def mirrored(upstream, transactional_db) -> Simulator:
    """The simulated Polymarket, after an ingestion."""
    ingest(upstream)
    return upstream


def here(there: Upstream) -> Market:
    return Market.objects.get(polymarket_id=there.condition_id)


def watch(*markets: Upstream) -> None:
    watch_markets([here(market).pk for market in markets], until=datetime.now(UTC) + timedelta(hours=1))


def prices(there: Upstream) -> tuple[Decimal, Decimal | None, Decimal | None]:
    market = here(there)
    return market.this_odds, market.bid, market.ask
