"""Tells the processes that serve streams which odds and statuses have changed.

Called by every writer of odds, bid and ask, or of status and resolution, with the ids of the rows that it changed. What
is published are the rows' values after the commit, as responses show them.
"""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction

from core.db.sql import fetch_all
from core.pubsub import publish
from markets.serializers import MarketOddsSerializer, MarketStatusSerializer, price_rules

ODDS_TOPIC, MARKETS_TOPIC = "odds", "markets"
# Where more have changed at once, as by an ingestion, listeners are told to read the few that they show.
MANY = 2_000
ALL = {"all": True}

Shape = type[MarketOddsSerializer | MarketStatusSerializer]


def publish_odds(market_ids: Iterable[UUID]) -> None:
    """Publish the odds, bid and ask of these markets once the current transaction is committed; at once without one.

    Messages: `{marketId, thisOdds, thatOdds, bid, ask, asOf}`, or `{all: true}` where there are too many.
    """
    publish_after_commit(ODDS_TOPIC, MarketOddsSerializer, market_ids)


def publish_markets(market_ids: Iterable[UUID]) -> None:
    """Publish the status and resolution of these markets once the current transaction is committed.

    Messages: `{marketId, status, resolution}`, or `{all: true}` where there are too many.
    """
    publish_after_commit(MARKETS_TOPIC, MarketStatusSerializer, market_ids)


def publish_after_commit(topic: str, shape: Shape, market_ids: Iterable[UUID]) -> None:
    if wanted := sorted(set(market_ids)):
        # Robust: what was committed stays, whatever becomes of telling about it.
        transaction.on_commit(partial(publish_current, topic, shape, wanted), robust=True)


def publish_current(topic: str, shape: Shape, market_ids: list[UUID]) -> None:
    publish(topic, [ALL] if len(market_ids) > MANY else read_current(shape, market_ids))


def read_current(shape: Shape, market_ids: Iterable[UUID]) -> list[dict[str, object]]:
    """Return the markets as messages, in one statement; an unknown id has none."""
    statement = f"SELECT {shape.columns} FROM markets AS market WHERE market.id = ANY(%(ids)s)"  # noqa: S608
    return [shape.from_row(row) for row in fetch_all(statement, {"ids": list(market_ids), **price_rules()})]
