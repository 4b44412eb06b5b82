"""Reads of bets: one statement each, and nobody upstream is asked."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from betting.rendering import COLUMNS, render
from markets.selectors import as_uuid

# For `markets.selectors`: what a user has bet on isn't drawn for that user again.
HAS_BET = "EXISTS (SELECT FROM bets WHERE bets.user_id = %(user_id)s AND bets.market_id = market.id)"

ONE = f"""
SELECT {COLUMNS} FROM bets AS bet JOIN markets AS market ON market.id = bet.market_id
WHERE bet.id = %(bet_id)s AND bet.user_id = %(user_id)s
"""  # noqa: S608 - constants of this module
# The page's bets are picked by index before the markets are looked up; the total comes though the page be empty.
MINE = f"""
WITH total AS (SELECT count(*) AS bets FROM bets AS bet WHERE {{condition}}),
page AS (SELECT * FROM bets AS bet WHERE {{condition}} ORDER BY bet.id DESC LIMIT {{limit:d}} OFFSET {{offset:d}})
SELECT total.bets, {COLUMNS}
FROM total LEFT JOIN (page AS bet JOIN markets AS market ON market.id = bet.market_id) ON true
ORDER BY bet.id DESC
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`status` and `market` (our UUID or the condition id) narrow the list where they are given."""

    limit: int
    offset: int
    status: str | None = None
    market: str | None = None


def get_bet(bet_id: UUID, *, user_id: UUID) -> dict[str, Any] | None:
    """None also for another user's."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, {"bet_id": bet_id, "user_id": user_id})
        row = cursor.fetchone()
    return render(row) if row else None


def list_bets(query: Query, *, user_id: UUID) -> tuple[list[dict[str, Any]], int]:
    """A page of the user's bets, newest first, and how many there are in all."""
    condition = "bet.user_id = %(user_id)s"
    condition += " AND bet.status = %(status)s" if query.status else ""
    condition += f" AND bet.market_id = {market_named(query.market)}" if query.market else ""
    statement = MINE.format(condition=condition, limit=query.limit, offset=query.offset)
    given = {"user_id": user_id, "status": query.status, "market": query.market}
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows = cursor.fetchall()
    return [render(row[1:]) for row in rows if row[1] is not None], rows[0][0]


def market_named(reference: str) -> str:
    return "%(market)s::uuid" if as_uuid(reference) else "(SELECT id FROM markets WHERE polymarket_id = %(market)s)"
