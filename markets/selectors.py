"""Reads of markets, each in a number of statements that doesn't depend on how many markets there are.

Rows come as dicts of the contract's `Market`, ready to be rendered.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from markets.live import LiveOdds
from markets.models import Market

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
# Condition ids are text that Polymarket made; longer or stranger than this, it isn't one.
CONDITION_ID = re.compile(r"[\x21-\x7e]{1,200}")


def as_dicts(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows that begin with COLUMNS; what follows is left out."""
    return [dict(zip(NAMES, row, strict=False)) for row in rows]


def fetch(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def get_market(reference: str) -> dict[str, Any] | None:
    """A market by our UUID or Polymarket's condition id."""
    parameters = {"id": as_uuid(reference), "polymarket_id": reference}
    if parameters["id"]:
        condition = "market.id = %(id)s"
    elif CONDITION_ID.fullmatch(reference):
        condition = "market.polymarket_id = %(polymarket_id)s"
    else:
        return None
    rows = fetch(f"SELECT {COLUMNS} FROM markets AS market WHERE {condition}", parameters)  # noqa: S608
    return as_dicts(rows)[0] if rows else None


def find_market(reference: str) -> Market | None:
    """The same as an object, for what needs more than the contract shows."""
    market_id = as_uuid(reference)
    if not market_id and not CONDITION_ID.fullmatch(reference):
        return None
    wanted = {"pk": market_id} if market_id else {"polymarket_id": reference}
    return Market.objects.defer("search").filter(**wanted).first()


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


def category_counts() -> dict[str, int]:
    """Open markets by category, most first."""
    rows = fetch(
        """
        SELECT category, markets FROM market_tallies
        WHERE status = 'open' AND markets > 0 ORDER BY markets DESC, category
        """,
        {},
    )
    return dict(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    count: int
    category: str | None
    excluded: frozenset[str]  # UUIDs and condition ids
    now: datetime


SAMPLE_SIZE = """
SELECT position, edition FROM market_rankings
WHERE edition = (SELECT max(id) FROM market_editions) AND sort = 'trending'
ORDER BY position DESC LIMIT 1
"""
SAMPLE_SIZE_OF_CATEGORY = """
SELECT category_position, edition FROM market_rankings
WHERE edition = (SELECT max(id) FROM market_editions) AND sort = 'trending' AND category = %(category)s
ORDER BY category_position DESC LIMIT 1
"""
# Offered are open markets before their end, that take bets at odds between 0 and 1.
SAMPLE = f"""
SELECT {COLUMNS} FROM market_rankings AS ranking JOIN markets AS market ON market.id = ranking.market_id
WHERE ranking.edition = %(edition)s AND ranking.sort = 'trending'
AND {{position}}
AND market.status = 'open' AND market.accepting_orders
AND (market.expires_at IS NULL OR market.expires_at > %(now)s)
AND market.this_odds > 0 AND market.this_odds < 1 AND market.that_odds > 0 AND market.that_odds < 1
"""  # noqa: S608
ANYWHERE = "ranking.position = ANY(%(positions)s)"
IN_CATEGORY = "ranking.category = %(category)s AND ranking.category_position = ANY(%(positions)s)"
ROUNDS = 6


def random_markets(sample: Sample) -> list[dict[str, Any]]:
    """A fair sample: every market on offer is as likely as any other, in random order.

    Positions of the newest edition have no gaps, so drawing numbers draws markets; what isn't on offer is drawn
    again. A bounded number of statements; fewer than asked for come back when little else is on offer.
    """
    size_of = SAMPLE_SIZE_OF_CATEGORY if sample.category else SAMPLE_SIZE
    rows = fetch(size_of, {"category": sample.category})
    if not rows:
        return []
    size, edition = rows[0]
    undrawn = Deck(size)
    found: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        positions = undrawn.draw(2 * (sample.count - len(found)) + 10)
        if not positions:
            break
        found += drawn_markets(sample, edition, positions)
        if len(found) >= sample.count:
            break
    return found[: sample.count]


def drawn_markets(sample: Sample, edition: int, positions: list[int]) -> list[dict[str, Any]]:
    sql = SAMPLE.format(position=IN_CATEGORY if sample.category else ANYWHERE)
    parameters = {"edition": edition, "positions": positions, "category": sample.category, "now": sample.now}
    markets = as_dicts(fetch(sql, parameters))
    random.shuffle(markets)
    return [market for market in markets if not names_of(market) & sample.excluded]


def names_of(market: Mapping[str, Any]) -> set[str]:
    return {str(market["id"]), str(market["polymarketId"]).lower()}


class Deck:
    """The numbers 1 to `size`, drawn at random without being put back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.drawn: set[int] = set()

    def draw(self, count: int) -> list[int]:
        if self.size <= 2 * (len(self.drawn) + count):
            left = [number for number in range(1, self.size + 1) if number not in self.drawn]
            hand = random.sample(left, min(count, len(left)))
        else:
            hand = []
            while len(hand) < count:
                number = random.randint(1, self.size)  # noqa: S311 - which market is shown first, no secret
                if number not in self.drawn:
                    hand.append(number)
                    self.drawn.add(number)
        self.drawn.update(hand)
        return hand
