"""Reads of bets, one statement each; the upstream is never asked."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum

from betting.models import OPEN_SHARES, OPEN_STAKE, Bet
from betting.serializers import BetSerializer
from core.api.requests import parse_uuid
from core.db.sql import fetch_all, fetch_one

ONE_BET = f"""
SELECT {BetSerializer.columns} FROM bets AS bet JOIN markets AS market ON market.id = bet.market_id
WHERE bet.id = %(bet_id)s AND bet.user_id = %(user_id)s
"""  # noqa: S608 - constants of this module
# The page's bets are picked by index before the markets are looked up; the total comes even if the page is empty.
BETS_OF_USER = f"""
WITH total AS (SELECT count(*) AS bets FROM bets AS bet WHERE {{condition}}),
page AS (SELECT * FROM bets AS bet WHERE {{condition}} ORDER BY bet.id DESC LIMIT {{limit:d}} OFFSET {{offset:d}})
SELECT total.bets, {BetSerializer.columns}
FROM total LEFT JOIN (page AS bet JOIN markets AS market ON market.id = bet.market_id) ON true
ORDER BY bet.id DESC
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A page of the user's bets. `status` and `market` (our UUID or the condition id) narrow the list."""

    limit: int
    offset: int
    status: str | None = None
    market: str | None = None


def get_bet(*, bet_id: UUID, user_id: UUID) -> dict[str, Any] | None:
    """Return the user's bet as the contract shows it; None also for another user's bet."""
    row = fetch_one(ONE_BET, {"bet_id": bet_id, "user_id": user_id})
    return BetSerializer.from_row(row) if row else None


def list_bets(*, query: Query, user_id: UUID) -> tuple[list[dict[str, Any]], int]:
    """Return a page of the user's bets, newest first, and how many there are in all."""
    condition = "bet.user_id = %(user_id)s"
    condition += " AND bet.status = %(status)s" if query.status else ""
    condition += f" AND bet.market_id = {market_id_sql(query.market)}" if query.market else ""
    statement = BETS_OF_USER.format(condition=condition, limit=query.limit, offset=query.offset)
    parameters = {"user_id": user_id, "status": query.status, "market": query.market}
    rows = fetch_all(statement, parameters)
    return [BetSerializer.from_row(row[1:]) for row in rows if row[1] is not None], rows[0][0]


def market_id_sql(reference: str) -> str:
    return "%(market)s::uuid" if parse_uuid(reference) else "(SELECT id FROM markets WHERE polymarket_id = %(market)s)"


@dataclass(frozen=True, slots=True)
class SideExposure:
    """Open bets on one side: how many, their stake, and what they pay if the side wins; in credits."""

    bets: int = 0
    stake: Decimal = Decimal(0)
    payout: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the house owes on a market, by the side that wins."""

    this: SideExposure
    that: SideExposure

    @property
    def bets(self) -> int:
        return self.this.bets + self.that.bets

    @property
    def stake(self) -> Decimal:
        return self.this.stake + self.that.stake


def get_open_exposure(*, market_id: UUID) -> Exposure:
    """Return what the house would owe on the market's open bets if it ended now."""
    sides = (
        Bet.objects.filter(market_id=market_id, status=Bet.Status.PENDING)
        .values_list("side")
        .annotate(bets=Count("pk"), stake=Sum(OPEN_STAKE), payout=Sum(OPEN_SHARES))
    )
    found = {side: SideExposure(*figures) for side, *figures in sides}
    return Exposure(found.get("this", SideExposure()), found.get("that", SideExposure()))
