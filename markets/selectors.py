"""Reads of markets, each in a number of statements that doesn't depend on how many markets there are.

Markets come rendered, as JSON.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from core.db.sql import fetch_all
from markets.models import Market
from markets.rendering import VERSION, render, render_rows
from markets.serializers import MarketSerializer

UUID_SHAPE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
# Condition ids are text that Polymarket made; longer or stranger than this, it isn't one.
CONDITION_ID = re.compile(r"[\x21-\x7e]{1,200}")


def as_uuid(text: str) -> UUID | None:
    """As we write them, or without dashes: what else Python takes for a UUID may be a condition id."""
    return UUID(text) if UUID_SHAPE.fullmatch(text) else None


def get_market(reference: str) -> orjson.Fragment | None:
    """A market by our UUID or Polymarket's condition id."""
    parameters = {"id": as_uuid(reference), "polymarket_id": reference}
    if parameters["id"]:
        condition = "market.id = %(id)s"
    elif CONDITION_ID.fullmatch(reference):
        condition = "market.polymarket_id = %(polymarket_id)s"
    else:
        return None
    rows = fetch_all(f"SELECT {MarketSerializer.columns} FROM markets AS market WHERE {condition}", parameters)  # noqa: S608
    return render(rows[0]) if rows else None


def find_market(reference: str) -> Market | None:
    """The same as an object, for what needs more than the contract shows."""
    market_id = as_uuid(reference)
    if not market_id and not CONDITION_ID.fullmatch(reference):
        return None
    wanted = {"pk": market_id} if market_id else {"polymarket_id": reference}
    return Market.objects.defer("search").filter(**wanted).first()


def category_counts() -> dict[str, int]:
    """Open markets by category, most first."""
    rows = fetch_all("""
        SELECT category, markets FROM market_tallies
        WHERE status = 'open' AND markets > 0 ORDER BY markets DESC, category
        """)
    return dict(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    count: int
    category: str | None
    excluded: frozenset[str]  # UUIDs and condition ids
    now: datetime
    user_id: UUID | None = None


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
# Offered are open markets before their end, that take bets at odds between 0 and 1. Each position is looked up by
# itself (OFFSET 0 keeps it so): for all at once a planner without statistics of a new edition reads the whole of it.
SAMPLE = f"""
SELECT {VERSION}, market.polymarket_id
FROM unnest(%(positions)s::integer[]) AS drawn (number)
CROSS JOIN LATERAL (
    SELECT market_id FROM market_rankings AS ranking
    WHERE ranking.edition = %(edition)s AND ranking.sort = 'trending' AND {{position}} OFFSET 0
) AS ranking
JOIN markets AS market ON market.id = ranking.market_id
WHERE market.status = 'open' AND market.accepting_orders
AND (market.expires_at IS NULL OR market.expires_at > %(now)s)
AND market.this_odds > 0 AND market.this_odds < 1 AND market.that_odds > 0 AND market.that_odds < 1
{{unfit}}
"""  # noqa: S608
ANYWHERE = "ranking.position = drawn.number"
IN_CATEGORY = "ranking.category = %(category)s AND ranking.category_position = drawn.number"
# Conditions on `market` and %(user_id)s, from apps above this one: for which markets a user has no use any more.
_unfit: list[str] = []
# Each round draws three times as many as the last: the few on offer among very many that aren't are found, too.
ROUNDS, GROWTH = 6, 3


def leave_out_of_samples(condition: str) -> None:
    """Markets for which the SQL condition on `market` and %(user_id)s holds aren't drawn for that user."""
    _unfit.append(f"AND NOT {condition}")


def random_markets(sample: Sample) -> list[orjson.Fragment]:
    """A fair sample: every market on offer is as likely as any other, in random order.

    Positions of the newest edition have no gaps, so drawing numbers draws markets; what isn't on offer is drawn
    again. A bounded number of statements; fewer than asked for come back when little else is on offer.
    """
    size_of = SAMPLE_SIZE_OF_CATEGORY if sample.category else SAMPLE_SIZE
    rows = fetch_all(size_of, {"category": sample.category})
    if not rows:
        return []
    size, edition = rows[0]
    undrawn = Deck(size)
    found: list[tuple[Any, ...]] = []
    for turn in range(ROUNDS):
        positions = undrawn.draw(((sample.count - len(found)) * 3 // 2 + 5) * GROWTH**turn)
        if not positions:
            break
        found += drawn_rows(sample, edition, positions)
        if len(found) >= sample.count:
            break
    return render_rows(found[: sample.count])


def drawn_rows(sample: Sample, edition: int, positions: list[int]) -> list[tuple[Any, ...]]:
    unfit = "\n".join(_unfit) if sample.user_id else ""
    sql = SAMPLE.format(position=IN_CATEGORY if sample.category else ANYWHERE, unfit=unfit)
    parameters = {"edition": edition, "positions": positions, "category": sample.category, "now": sample.now}
    parameters["user_id"] = sample.user_id
    rows = fetch_all(sql, parameters)
    random.shuffle(rows)
    return [row for row in rows if not names_of(row) & sample.excluded] if sample.excluded else rows


def names_of(row: Sequence[Any]) -> set[str]:
    """Our id and Polymarket's, where there is one, in lower case."""
    return {str(row[0]), (row[-1] or "").lower()}


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
