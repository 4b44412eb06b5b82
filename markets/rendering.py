"""Markets as the contract shows them, as JSON.

Reading and writing a market's fields is most of the work of a page. A row that hasn't changed since this process last
rendered it isn't read again: the page's query brings each row's version, and what is remembered under that version is
exactly what the database would give.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from core.api.json import dumps
from core.db.sql import fetch_all
from markets.serializers import MarketSerializer

# A row's version: the transaction that wrote it, and the place it was written to.
VERSION = "market.id, market.xmin, market.ctid"
VERSION_WIDTH = 3
BY_ID = f"SELECT {VERSION}, {MarketSerializer.columns} FROM markets AS market WHERE market.id = ANY(%(ids)s)"  # noqa: S608
REMEMBERED_MAX = 5_000


class Version(NamedTuple):
    id: UUID
    xmin: str
    ctid: str


_remembered: dict[Version, orjson.Fragment] = {}


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
    for row in fetch_all(BY_ID, {"ids": ids}):
        market = render(row[VERSION_WIDTH:])
        _remembered[Version(*row[:VERSION_WIDTH])] = read[row[0]] = market
    return read


def clear_cache() -> None:
    """Drop what is remembered; never needed for a right response."""
    _remembered.clear()


def render(row: Sequence[Any]) -> orjson.Fragment:
    """Return a row of `MarketSerializer.columns` as JSON."""
    return orjson.Fragment(dumps(MarketSerializer.from_row(row)))
