"""Reads of markets, rendered as JSON, each in a number of statements that doesn't depend on how many markets there are.

Reading and writing a market's fields is most of the work of a page. A row that hasn't changed since this process last
rendered it isn't read again: the page's query brings each row's version, and what is cached under that version is
exactly what the database would give.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.contrib.postgres.search import SearchQuery
from django.db import models

from core.api.json import dumps
from core.api.requests import parse_uuid
from core.db.sql import fetch_all
from markets.models import Market, MarketTally
from markets.polymarket.parsing import ID_MAX
from markets.serializers import ENDING_SOON, ILLIQUID, MarketSerializer, price_rules
from markets.words import Words, attempts, parse_words

# The condition, never null, that a bet on the market can be placed; with `now` and `price_rules()`. It is what there is
# to see of it: a bet is priced by an order book of its own moment.
CAN_BE_BET_ON = f"""(
    market.status = 'open' AND market.suspended_reason = '' AND market.accepting_orders
    AND (market.expires_at IS NULL OR market.expires_at > %(now)s)
    AND market.this_odds > 0 AND market.this_odds < 1 AND market.that_odds > 0 AND market.that_odds < 1
    AND NOT {ILLIQUID}
)"""
# A row's version: the transaction that wrote it, the place it was written to, and what time alone changes of it.
VERSION = f"market.id, market.xmin, market.ctid, {ENDING_SOON}"
VERSION_WIDTH = 4
BY_ID = f"SELECT {VERSION}, {MarketSerializer.columns} FROM markets AS market WHERE market.id = ANY(%(ids)s)"  # noqa: S608
CACHED_MAX = 5_000
# Condition ids are text that Polymarket made; longer or stranger than this, it isn't one.
CONDITION_ID = re.compile(rf"[\x21-\x7e]{{1,{ID_MAX}}}")


class Version(NamedTuple):
    """What VERSION selects."""

    id: UUID
    xmin: str
    ctid: str
    is_ending_soon: bool


_rendered: dict[Version, orjson.Fragment] = {}


def render_rows(rows: Iterable[Sequence[Any]]) -> list[orjson.Fragment]:
    """Return rows that begin with VERSION as JSON; one statement for those not cached, however many.

    A row that was written between the two statements is shown as it is now; one that was deleted is left out.
    """
    versions = [Version(*row[:VERSION_WIDTH]) for row in rows]
    found = {version.id: _rendered[version] for version in versions if version in _rendered}
    missing = [version.id for version in versions if version.id not in found]
    if missing:
        found |= read_and_cache(missing)
    return [found[version.id] for version in versions if version.id in found]


def read_and_cache(ids: list[UUID]) -> dict[UUID, orjson.Fragment]:
    if len(_rendered) > CACHED_MAX:
        _rendered.clear()
    read: dict[UUID, orjson.Fragment] = {}
    for row in fetch_all(BY_ID, {"ids": ids, **price_rules()}):
        market = render(row[VERSION_WIDTH:])
        _rendered[Version(*row[:VERSION_WIDTH])] = read[row[0]] = market
    return read


def clear_cache() -> None:
    """Drop the rendered markets of this process; never needed for a right response."""
    _rendered.clear()


def render(row: Sequence[Any]) -> orjson.Fragment:
    """Return a row of `MarketSerializer.columns` as JSON."""
    return orjson.Fragment(dumps(MarketSerializer.from_row(row)))


def get_market(reference: str) -> dict[str, Any] | None:
    """Return a market, by our UUID or Polymarket's condition id, as JSON values."""
    parameters = {"id": parse_uuid(reference), "polymarket_id": reference, **price_rules()}
    if parameters["id"]:
        condition = "market.id = %(id)s"
    elif CONDITION_ID.fullmatch(reference):
        condition = "market.polymarket_id = %(polymarket_id)s"
    else:
        return None
    rows = fetch_all(f"SELECT {MarketSerializer.columns} FROM markets AS market WHERE {condition}", parameters)  # noqa: S608
    return MarketSerializer.from_row(rows[0]) if rows else None


def find_market(reference: str) -> Market | None:
    """Return a market, by our UUID or Polymarket's condition id, as an object."""
    market_id = parse_uuid(reference)
    if not market_id and not CONDITION_ID.fullmatch(reference):
        return None
    key = {"pk": market_id} if market_id else {"polymarket_id": reference}
    return Market.objects.defer("search").filter(**key).first()


def category_counts() -> dict[str, int]:
    """Return the number of open markets by category, most first."""
    tallies = MarketTally.objects.filter(status=Market.Status.OPEN, markets__gt=0)
    return dict(tallies.order_by("-markets", "category").values_list("category", "markets"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Parameters of a sample. `excluded` are UUIDs and condition ids, in lower case."""

    count: int
    category: str | None
    excluded: frozenset[str]
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
# Each position is looked up by itself (OFFSET 0 keeps it so): for all at once a planner without statistics of a new
# edition reads the whole of it.
SAMPLE = f"""
SELECT {VERSION}, market.polymarket_id
FROM unnest(%(positions)s::integer[]) AS drawn (number)
CROSS JOIN LATERAL (
    SELECT market_id FROM market_rankings AS ranking
    WHERE ranking.edition = %(edition)s AND ranking.sort = 'trending' AND {{position}} OFFSET 0
) AS ranking
JOIN markets AS market ON market.id = ranking.market_id
WHERE {CAN_BE_BET_ON}
{{exclusions}}
"""  # noqa: S608
ANYWHERE = "ranking.position = drawn.number"
IN_CATEGORY = "ranking.category = %(category)s AND ranking.category_position = drawn.number"
# Conditions on `market`, %(user_id)s and %(now)s: which markets aren't drawn for a user.
_exclusions: list[str] = [
    """AND NOT EXISTS (
        SELECT FROM market_skips AS skip
        WHERE skip.user_id = %(user_id)s AND skip.market_id = market.id AND skip.ends_at > %(now)s
    )"""
]
# Each round draws three times as many as the last, so that few fitting markets among very many others are found, too.
ROUNDS, GROWTH = 6, 3


def exclude_from_samples(model: type[models.Model]) -> None:
    """Draw no market for a user who has a row of this model about it. The model has a `market` and a `user`."""
    meta = model._meta  # noqa: SLF001 - Django's documented API
    columns = {field.name: field.column for field in meta.fields}
    condition = f"own.{columns['user']} = %(user_id)s AND own.{columns['market']} = market.id"
    _exclusions.append(f"AND NOT EXISTS (SELECT FROM {meta.db_table} AS own WHERE {condition})")


def random_markets(sample: Sample) -> list[orjson.Fragment]:
    """Return a fair sample: every market that can be bet on is as likely as any other, in random order.

    Positions of the newest edition have no gaps, so drawing numbers draws markets; what can't be bet on is drawn
    again. The number of statements is bounded; fewer than `count` come back when there are few others.
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
    exclusions = "\n".join(_exclusions) if sample.user_id else ""
    sql = SAMPLE.format(position=IN_CATEGORY if sample.category else ANYWHERE, exclusions=exclusions)
    parameters = {"edition": edition, "positions": positions, "category": sample.category, "now": sample.now}
    parameters |= {"user_id": sample.user_id, **price_rules()}
    rows = fetch_all(sql, parameters)
    random.shuffle(rows)
    return [row for row in rows if not names_of(row) & sample.excluded] if sample.excluded else rows


def names_of(row: Sequence[Any]) -> set[str]:
    """Return our id and Polymarket's, where there is one, in lower case."""
    return {str(row[0]), (row[-1] or "").lower()}


class Deck:
    """The numbers 1 to `size`, drawn at random without being put back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.drawn: set[int] = set()

    def draw(self, count: int) -> list[int]:
        """Return `count` numbers that weren't drawn before; fewer when there are fewer left."""
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


def with_words(text: str) -> models.Q:
    """Return the condition for markets that have the words. A statement; more (`attempts`) where none has them."""
    words = parse_words(text)
    if not words:
        return models.Q(pk__in=[])
    found = (having(each) for each in attempts(words))
    return next((each for each in found if Market.objects.filter(each).exists()), models.Q(pk__in=[]))


def having(words: Words) -> models.Q:
    return models.Q(search=SearchQuery(words.anywhere, config="simple", search_type="raw"))
