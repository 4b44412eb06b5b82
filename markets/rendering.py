"""Markets as the contract shows them, as JSON.

Reading and writing a market's fields is most of the work of a page. A row that hasn't changed since this process last
rendered it isn't read again: the page's query brings each row's version, and what is remembered under that version is
exactly what the database would give.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from core.api.json import dumps
from markets.models import Market
from markets.prices import LiveOdds

# The contract's names, in its order, and where they come from.
FIELDS = {
    "id": "id",
    "polymarketId": "polymarket_id",
    "slug": "slug",
    "title": "title",
    "description": "description",
    "thisOption": "this_option",
    "thatOption": "that_option",
    "thisOdds": "this_odds",
    "thatOdds": "that_odds",
    "liquidity": "liquidity",
    "volume": "volume",
    "volume24hr": "volume_24hr",
    "category": "category",
    "author": "author",
    "imageUrl": "image_url",
    "status": "status",
    "resolution": "resolution",
    "marketType": "market_type",
    "expiresAt": "expires_at",
    "resolvedAt": "resolved_at",
    "oddsUpdatedAt": "odds_updated_at",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
NAMES = tuple(FIELDS)
# Written by PostgreSQL, a time costs a tenth of what reading and writing it again costs here.
ISO_UTC = """to_char(market.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
COLUMNS = ", ".join(
    ISO_UTC.format(column=column) if column.endswith("_at") else f"market.{column}" for column in FIELDS.values()
)

# A row's version: the transaction that wrote it, and the place it was written to.
VERSION = "market.id, market.xmin, market.ctid"
VERSION_WIDTH = 3
BY_ID = f"SELECT {VERSION}, {COLUMNS} FROM markets AS market WHERE market.id = ANY(%(ids)s)"  # noqa: S608
REMEMBERED_MAX = 5_000


class Version(NamedTuple):
    id: UUID
    xmin: str
    ctid: str


_remembered: dict[Version, orjson.Fragment] = {}


def fetch(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def render_rows(rows: Iterable[Sequence[Any]]) -> list[orjson.Fragment]:
    """Rows that begin with VERSION, as JSON; one statement for those not remembered, however many.

    A row that was written between the two statements is shown as it is now; one that was deleted is left out.
    """
    versions = [Version(*row[:VERSION_WIDTH]) for row in rows]
    found = {version.id: _remembered[version] for version in versions if version in _remembered}
    missing = [version.id for version in versions if version.id not in found]
    if missing:
        found |= read_and_remember(missing)
    return [found[version.id] for version in versions if version.id in found]


def read_and_remember(ids: list[UUID]) -> dict[UUID, orjson.Fragment]:
    if len(_remembered) > REMEMBERED_MAX:
        _remembered.clear()
    read: dict[UUID, orjson.Fragment] = {}
    for row in fetch(BY_ID, {"ids": ids}):
        market = render(row[VERSION_WIDTH:])
        _remembered[Version(*row[:VERSION_WIDTH])] = read[row[0]] = market
    return read


def forget() -> None:
    """Drops what is remembered; never needed for a right answer."""
    _remembered.clear()


def render(row: Sequence[Any]) -> orjson.Fragment:
    """COLUMNS as JSON."""
    return orjson.Fragment(dumps(dict(zip(NAMES, row, strict=True))))


def as_contract(market: Market) -> dict[str, Any]:
    return {name: getattr(market, column) for name, column in FIELDS.items()}


def live_as_contract(market: Market, odds: LiveOdds) -> dict[str, Any]:
    """The contract's `Live`: the odds are of `asOf`, the figures are the catalogue's."""
    return {
        "polymarketId": market.polymarket_id,
        "thisOdds": odds.this,
        "thatOdds": odds.that,
        "liquidity": market.liquidity,
        "volume": market.volume,
        "volume24hr": market.volume_24hr,
        "acceptingOrders": market.accepting_orders,
        "asOf": odds.as_of,
        "stale": odds.stale,
    }
