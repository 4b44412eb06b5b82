"""Reads of events: the list of those that have open markets, and one with its markets.

A list is read from an edition (`listings`), so that its pages never repeat or skip an event; a search is the same list
with what doesn't match left out. What an event is worth is summed up for those of the page alone, from their markets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError

from core.api.requests import decode_cursor, encode_cursor, invalid_cursor, parse_uuid
from core.db.sql import fetch_all
from markets.listings import NEWEST_EDITION, is_place
from markets.models import Market, MarketEdition
from markets.rules import EVENT_MARKETS_LISTED, EVENT_MARKETS_MAX, EVENT_SUM_TOLERANCE
from markets.selectors import CONDITION_ID
from markets.serializers import EventMarketSerializer, EventSummarySerializer
from markets.words import FOUND, attempts, parse_words

OPEN = "market.status = 'open' AND market.suspended_reason = ''"
# What an event shows of its markets: all but those that no list shows.
SHOWN = "NOT (market.status = 'open' AND market.suspended_reason <> '')"
# How likely THIS is: what is decided is certain, and what is void never was.
LIKELIHOOD = """CASE
    WHEN market.resolution = 'this' THEN 1 WHEN market.resolution IS NULL THEN market.this_odds ELSE 0
END"""
# Named outcomes before those without a name, however likely.
MOST_LIKELY_FIRST = f"market.is_placeholder, {LIKELIHOOD} DESC, market.id"
FIGURES = f"""
SELECT count(*) AS markets,
    least(coalesce(sum(market.volume_24hr) FILTER (WHERE {OPEN}), 0), 9999999999999999.99) AS volume_24hr
FROM markets AS market WHERE market.event_id = event.id AND {SHOWN}
"""  # noqa: S608 - made of the constants above

# Whether an event still has open markets is a scalar subquery, which the planner never turns into a join with all open
# markets: it is looked up place by place, until the page is full.
PAGE = f"""
SELECT ranking.edition, ranking.position, event.id, {EventSummarySerializer.columns}
FROM (
    SELECT ranking.edition, ranking.position, ranking.event_id FROM event_rankings AS ranking
    WHERE ranking.edition = {{edition}} AND ranking.sort = %(sort)s AND ranking.position > %(after)s {{narrowed}}
    AND (SELECT true FROM markets AS market WHERE market.event_id = ranking.event_id AND {OPEN} LIMIT 1)
    ORDER BY ranking.position LIMIT {{limit:d}}
) AS ranking
JOIN market_events AS event ON event.id = ranking.event_id
CROSS JOIN LATERAL ({FIGURES}) AS figures
ORDER BY ranking.position
"""  # noqa: S608
IN_CATEGORY = "AND ranking.category = %(category)s"
# By words of a market's title or of the event's: `markets.search` has both.
MATCHING = f"""
AND ranking.event_id IN (SELECT market.event_id FROM markets AS market WHERE {FOUND} AND {OPEN})
"""  # noqa: S608
ONE = f"""
SELECT event.id, {EventSummarySerializer.columns}
FROM market_events AS event CROSS JOIN LATERAL ({FIGURES}) AS figures WHERE {{condition}}
"""  # noqa: S608
MARKETS = f"""
SELECT listed.event_id, {EventMarketSerializer.columns}
FROM unnest(%(ids)s::uuid[]) AS listed (event_id) CROSS JOIN LATERAL (
    SELECT market.* FROM markets AS market
    WHERE market.event_id = listed.event_id AND {SHOWN} ORDER BY {MOST_LIKELY_FIRST} LIMIT %(limit)s
) AS market
ORDER BY {MOST_LIKELY_FIRST}
"""  # noqa: S608
# What staff see: suspended markets too, for a market that takes no bets is an outcome all the same.
ODDS = f"""
SELECT market.event_id, count(*), count(*) FILTER (WHERE market.status = 'open'), sum({LIKELIHOOD})
FROM markets AS market WHERE market.event_id = ANY(%(ids)s::uuid[]) GROUP BY market.event_id
"""  # noqa: S608
FAR_FROM_ONE = f"""
SELECT event.id FROM (
    SELECT id FROM market_events WHERE neg_risk ORDER BY id DESC LIMIT %(among)s
) AS event JOIN markets AS market ON market.event_id = event.id
GROUP BY event.id
HAVING bool_or(market.status = 'open') AND abs(sum({LIKELIHOOD}) - 1) > %(tolerance)s
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Parameters of the list. `category` is in lower case."""

    category: str = ""
    q: str = ""
    sort: str
    limit: int
    cursor: str | None = None


def list_events(query: EventQuery) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page as JSON values, and the cursor of the next one; None at the end.

    Two statements; more where no market has the words.

    Raises ValidationError for a cursor of another list, or one whose edition was deleted.
    """
    words = parse_words(query.q)
    if query.q and not words:
        return [], None
    edition, after = edition_and_position(query)
    sql = PAGE.format(
        edition="%(edition)s" if edition else NEWEST_EDITION,
        narrowed=(IN_CATEGORY if query.category else "") + (MATCHING if words else ""),
        limit=query.limit + 1,
    )
    given = {"edition": edition, "after": after, "sort": query.sort, "category": query.category}
    rows = next((found for each in attempts(words) if (found := fetch_all(sql, {**given, "words": each.anywhere}))), [])
    if not rows and edition and not MarketEdition.objects.filter(pk=edition).exists():
        raise ValidationError({"cursor": "This cursor is too old. Start again without one."}, code="cursor_expired")
    kept = rows[: query.limit]
    events = with_markets([row[2:] for row in kept], limit=EVENT_MARKETS_LISTED)
    more = len(rows) > query.limit
    return events, encode_cursor("events", query.sort, query.category, query.q, *kept[-1][:2]) if more else None


def edition_and_position(query: EventQuery) -> tuple[int | None, int]:
    if not query.cursor:
        return None, 0
    match decode_cursor(query.cursor):
        case ["events", query.sort, query.category, query.q, int(edition), int(position)]:
            if is_place(edition) and is_place(position):
                return edition, position
    raise invalid_cursor()


def get_event(reference: str) -> dict[str, Any] | None:
    """Return an event with its markets, by our UUID or Polymarket's id, as JSON values. Two statements."""
    event_id = parse_uuid(reference)
    if not event_id and not CONDITION_ID.fullmatch(reference):
        return None
    condition = "event.id = %(id)s" if event_id else "event.polymarket_id = %(polymarket_id)s"
    rows = fetch_all(ONE.format(condition=condition), {"id": event_id, "polymarket_id": reference})
    return with_markets(rows, limit=EVENT_MARKETS_MAX)[0] if rows else None


def with_markets(rows: Sequence[Sequence[Any]], *, limit: int) -> list[dict[str, Any]]:
    """Return events from rows of their id and `EventSummarySerializer.columns`, each with its most likely markets."""
    markets: dict[UUID, list[dict[str, Any]]] = {row[0]: [] for row in rows}
    for event_id, *row in fetch_all(MARKETS, {"ids": list(markets), "limit": limit}) if rows else ():
        markets[event_id].append(EventMarketSerializer.from_row(row))
    return [{**EventSummarySerializer.from_row(row), "markets": markets[event_id]} for event_id, *row in rows]


@dataclass(frozen=True, slots=True)
class EventOdds:
    """An event's markets, how many of them are open, and what their odds of THIS add up to."""

    markets: int
    open: int
    total: Decimal

    @property
    def is_far_from_one(self) -> bool:
        """Whether they can't be the odds of outcomes of which one wins; False where no market is open any more."""
        return self.open > 0 and abs(self.total - 1) > EVENT_SUM_TOLERANCE


def odds_of_events(ids: Sequence[UUID]) -> dict[UUID, EventOdds]:
    """Return the odds of those that have markets. What is decided counts as certain."""
    return {event_id: EventOdds(*row) for event_id, *row in fetch_all(ODDS, {"ids": list(ids)})}


def events_far_from_one(*, among: int) -> list[UUID]:
    """Return the events of which one outcome wins, but whose odds say otherwise; of the newest `among` such events."""
    given = {"among": among, "tolerance": EVENT_SUM_TOLERANCE}
    return [event_id for (event_id,) in fetch_all(FAR_FROM_ONE, given)]


def sorted_markets(event_id: UUID, *, limit: int) -> list[Market]:
    """Return an event's markets, most likely first, with those that no list shows."""
    statement = f"""
        SELECT id, title, group_title, is_placeholder, this_option, that_option, this_odds, status, suspended_reason,
            resolution
        FROM markets AS market WHERE event_id = %(event_id)s ORDER BY {MOST_LIKELY_FIRST} LIMIT %(limit)s
    """  # noqa: S608
    return list(Market.objects.raw(statement, {"event_id": event_id, "limit": limit}))
