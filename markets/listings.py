"""The list of markets, and the editions that open markets are listed from.

An edition is an ordering of all open markets for every sort, frozen at one instant. Volumes change with every
ingestion: a list that went on in a changed order would repeat some markets and leave out others; one that stays on its
edition does neither. Positions without gaps also make a fair sample cheap.

Lists go by status and category, in five orders, page by page. Open markets are read from an edition, markets that are
over by index. `status=all` is those lists one after the other: open, closed, resolved, cancelled. A search goes by
words, liquidity, spread and end, too, and reads all that match.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from rest_framework.exceptions import ValidationError

from core.api.requests import decode_cursor, encode_cursor, invalid_cursor, parse_uuid
from core.db.sql import analyze, execute, fetch_all, fetch_value
from core.db.transactions import require_transaction
from markets.indexes import SORTS
from markets.models import MarketEdition
from markets.rules import EDITION_IN_ORDER_FOR, EDITIONS_KEPT_FOR, ENDING_SOON, LIST_LIMIT_MAX, SEARCH_TOTAL_MAX
from markets.selectors import CAN_BE_BET_ON, VERSION, render_rows
from markets.serializers import SPREAD, price_rules
from markets.words import FOUND, MATCH, Words, attempts, parse_words

# Keys as PostgreSQL writes them: what Python reads as a number or a time, PostgreSQL may not, and the other way round.
AMOUNT = re.compile(r"[0-9]{1,16}\.[0-9]{2}")
OF_SEARCH = re.compile(r"-?[0-9]{1,18}\.[0-9]{2}")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?\+00")


def is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows: the sort key in SQL, its type and its direction; ids decide among equal keys.

    `of_search`: its numbers may be below zero, and are larger.
    """

    key: str
    type: str
    direction: str
    of_search: bool = False
    table: str = "market"

    @property
    def by(self) -> str:
        return f"{self.key} {self.direction}, {self.table}.id {self.direction}"

    def accepts(self, key: str) -> bool:
        """Return whether the text, taken from a cursor, is one of this order's keys as PostgreSQL writes them."""
        if self.type == "numeric":
            return bool((OF_SEARCH if self.of_search else AMOUNT).fullmatch(key))
        return key == "infinity" or (MOMENT.fullmatch(key) is not None and is_moment(key))

    @property
    def after(self) -> str:
        """Return the condition for rows behind the one where the last page ended."""
        sign = "<" if self.direction == "DESC" else ">"
        return f"({self.key}, {self.table}.id) {sign} (%(key)s::{self.type}, %(id)s::uuid)"


ORDERS = {name: Order(sort.key_of("market"), sort.type, sort.direction) for name, sort in SORTS.items()}
# One key, so that a cursor holds one: what can't be bet on, as all that is over, lies below all volumes there can be.
# Of one status that is over the plain volume makes the same order, and an index has it.
TRENDING = f"({ORDERS['trending'].key} - CASE WHEN {CAN_BE_BET_ON} THEN 0 ELSE 10000000000000000 END)"
SEARCH_ORDERS = {**ORDERS, "trending": Order(TRENDING, "numeric", "DESC", of_search=True)}
# How well it matches comes before all that.
BEST_MATCHES = Order(f"({MATCH} * 100000000000000000 + {TRENDING})", "numeric", "DESC", of_search=True)

# In an edition what can be bet on is trending first, and what is past its end is ending last.
FIRST_IN_EDITIONS = {"trending": f"{CAN_BE_BET_ON} DESC, ", "ending": f"{ORDERS['ending'].key} <= %(now)s, "}
EDITION_ORDERS = {name: FIRST_IN_EDITIONS.get(name, "") + order.by for name, order in ORDERS.items()}
RANKED = " UNION ALL ".join(
    f"""
    SELECT '{sort}' AS sort, row_number() OVER (ORDER BY {order}) AS position, category,
           row_number() OVER (PARTITION BY category ORDER BY {order}) AS category_position, id
    FROM markets AS market WHERE status = 'open' AND suspended_reason = ''
    """  # noqa: S608 - made of the constants above
    for sort, order in EDITION_ORDERS.items()
)

# An event is where its open markets put it: it is worth what they are together, and can be bet on if one of them can.
EVENT_ORDERS = {
    name: Order(sort.key_of("event"), sort.type, sort.direction, table="event") for name, sort in SORTS.items()
}
FIRST_EVENTS = {"trending": "event.fit DESC, ", "ending": f"{EVENT_ORDERS['ending'].key} <= %(now)s, "}
RANKED_EVENTS = " UNION ALL ".join(
    f"""
    SELECT '{sort}' AS sort, row_number() OVER (ORDER BY {FIRST_EVENTS.get(sort, "")}{order.by}) AS position,
           event.category, event.id
    FROM event
    """  # noqa: S608 - made of the constants above
    for sort, order in EVENT_ORDERS.items()
)
PUBLISH = f"""
WITH edition AS (INSERT INTO market_editions (published_at) VALUES (%(now)s) RETURNING id), event AS MATERIALIZED (
    SELECT event.id, event.category, event.created_at, event.expires_at, figures.*
    FROM market_events AS event JOIN (
        SELECT market.event_id, sum(market.volume_24hr) AS volume_24hr, sum(market.volume) AS volume,
            sum(market.liquidity) AS liquidity, bool_or({CAN_BE_BET_ON}) AS fit
        FROM markets AS market
        WHERE market.status = 'open' AND market.suspended_reason = '' AND market.event_id IS NOT NULL
        GROUP BY market.event_id
    ) AS figures ON figures.event_id = event.id
), placed AS (
    INSERT INTO event_rankings (edition, sort, position, category, event_id)
    SELECT edition.id, ranked.sort, ranked.position, ranked.category, ranked.id
    FROM edition, ({RANKED_EVENTS}) AS ranked
)
INSERT INTO market_rankings (edition, sort, position, category, category_position, market_id)
SELECT edition.id, ranked.sort, ranked.position, ranked.category, ranked.category_position, ranked.id
FROM edition, ({RANKED}) AS ranked
"""  # noqa: S608

# Returns whether the planner has no statistics of so many rows: it then reads all markets where a few are needed.
DELETE_OLD = """
WITH old AS (
    DELETE FROM market_editions
    WHERE published_at < %(before)s AND id < (SELECT max(id) FROM market_editions)
    RETURNING id
), deleted AS (
    DELETE FROM market_rankings USING old WHERE market_rankings.edition = old.id
), deleted_events AS (
    DELETE FROM event_rankings USING old WHERE event_rankings.edition = old.id
)
SELECT reltuples < %(rows)s OR 2 > (
    SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename IN ('markets', 'market_rankings')
) FROM pg_class WHERE oid = 'market_rankings'::regclass
"""

# Positions have no gaps, so an edition's last one is its count. As many may be open as before, and yet others. Of those
# that ended or turned illiquid since, only the first places are looked at: a bounded number of rows.
IS_CURRENT = f"""
SELECT coalesce((SELECT sum(markets) FROM market_tallies WHERE status = 'open'), 0) = coalesce((
    SELECT position FROM market_rankings
    WHERE edition = (SELECT max(id) FROM market_editions) AND sort = 'trending'
    ORDER BY position DESC LIMIT 1
), 0) AND NOT EXISTS (
    SELECT FROM markets AS market WHERE market.status = 'open' AND market.suspended_reason = '' AND NOT EXISTS (
        SELECT FROM market_rankings AS ranking
        WHERE ranking.edition = (SELECT max(id) FROM market_editions) AND ranking.sort = 'trending'
        AND ranking.market_id = market.id
    )
) AND NOT EXISTS (
    SELECT FROM (
        SELECT ranking.position, {CAN_BE_BET_ON} AS fit
        FROM market_editions AS edition
        JOIN market_rankings AS ranking ON ranking.edition = edition.id
        JOIN markets AS market ON market.id = ranking.market_id
        WHERE edition.id = (SELECT max(id) FROM market_editions) AND edition.published_at <= %(published_by)s
        AND ranking.sort = 'trending' AND ranking.position <= %(first_places)s
    ) AS place HAVING min(position) FILTER (WHERE NOT fit) < max(position) FILTER (WHERE fit)
)
"""  # noqa: S608 - made of the constant above


def publish_edition(*, now: datetime) -> None:
    """Make an edition of the markets that are open and not suspended, and of their events.

    Runs in the caller's transaction.

    Editions older than half an hour are deleted.
    """
    require_transaction("publish_edition")
    ranked = execute(PUBLISH, {"now": now, **price_rules()})
    if fetch_value(DELETE_OLD, {"before": now - EDITIONS_KEPT_FOR, "rows": ranked}):
        analyze("markets", "market_rankings", "market_events", "event_rankings")


def is_edition_current(*, now: datetime) -> bool:
    """Return whether the newest edition holds the markets that are open, and no other.

    Also False for one of some minutes ago whose first places have what can't be bet on before what can.
    """
    published_by = now - EDITION_IN_ORDER_FOR
    given = {"now": now, "published_by": published_by, "first_places": LIST_LIMIT_MAX, **price_rules()}
    return bool(fetch_value(IS_CURRENT, given))


def publish_edition_if_outdated(*, now: datetime) -> bool:
    """Give markets that opened, closed or ended other than by ingestion their place; return whether there were any."""
    with transaction.atomic(durable=True):
        if is_edition_current(now=now):
            return False
        publish_edition(now=now)
        return True


BIGINT_MAX = 2**63 - 1
STATUSES = ("open", "closed", "resolved", "cancelled")


def is_place(number: int) -> bool:
    """Return whether it numbers an edition or a position; JSON's `true` is an int to Python, but not to PostgreSQL."""
    return type(number) is int and 1 <= number <= BIGINT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Parameters of a list. `category` is in lower case; `skip` and `cursor` exclude each other.

    `expires_after` is inclusive, `expires_before` isn't: ranges that follow each other share no market.
    """

    status: str = "open"
    category: str | None = None
    q: str | None = None
    min_liquidity: Decimal | None = None
    max_spread: Decimal | None = None
    expires_before: datetime | None = None
    expires_after: datetime | None = None
    ending_soon: bool | None = None
    event_id: UUID | None = None
    sort: str = "trending"
    limit: int = 50
    skip: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. `total`: how many match in all. `next_cursor`: where the next page begins, None at the end."""

    markets: list[orjson.Fragment]
    total: int
    next_cursor: str | None


@dataclass(slots=True)
class Rows:
    """A part of a page: rows that begin with VERSION, and the cursor behind the last of them."""

    rows: list[tuple[Any, ...]]
    more: bool
    cursor: str | None


def list_markets(query: Query, *, now: datetime) -> Page:
    """Return a page; what can be bet on is found as of `now`.

    Raises ValidationError for a cursor of another list, or one whose edition was deleted.
    """
    if conditions := conditions_of(query):
        return search(query, conditions, now=now)
    return all_statuses(query) if query.status == "all" else one_status(query)


def one_status(query: Query) -> Page:
    part = open_rows(query) if query.status == "open" else past_rows(query)
    total = int(part.rows[0][-1]) if part.rows else count(query)
    return Page(render_rows(part.rows), total, part.cursor if part.more else None)


# The number of markets comes along as the last column, so that a page is one statement.
TOTAL = """(
    SELECT coalesce(sum(markets), 0) FROM market_tallies
    WHERE (%(status)s = 'all' OR status = %(status)s) AND (%(category)s::text IS NULL OR category = %(category)s)
)"""


def count(query: Query) -> int:
    ((total,),) = fetch_all(f"SELECT {TOTAL}", {"status": query.status, "category": query.category})
    return int(total)


OPEN = f"""
SELECT {VERSION}, ranking.edition, ranking.{{position}}, {TOTAL}
FROM market_rankings AS ranking JOIN markets AS market ON market.id = ranking.market_id
WHERE ranking.edition = {{edition}} AND ranking.sort = %(sort)s AND ranking.{{position}} > %(after)s
{{narrowed}} AND market.status = 'open' AND market.suspended_reason = ''
ORDER BY ranking.{{position}} {{paging}}
"""  # noqa: S608
NEWEST_EDITION = "(SELECT max(id) FROM market_editions)"
COMMON = "common"  # the cursors of a search that goes through an edition


def open_rows(query: Query, words: Words | None = None) -> Rows:
    """Return a part of the newest edition, or of the cursor's; with `words`, of the markets that have them."""
    kind = COMMON if words else "open"
    edition, after = edition_and_position(query, kind)
    # As a subquery of one value it is checked place by place, until the page is full, and no index is read for it.
    having = f"AND (SELECT {FOUND})" if words else ""
    sql = OPEN.format(
        position="category_position" if query.category else "position",
        edition="%(edition)s" if edition else NEWEST_EDITION,
        narrowed=f"{'AND ranking.category = %(category)s' if query.category else ''} {having}",
        paging=paging(query),
    )
    given = {**parameters(query), **(words.parameters if words else {}), "edition": edition, "after": after}
    rows = fetch_all(sql, given)
    if not rows and edition and not MarketEdition.objects.filter(pk=edition).exists():
        raise ValidationError({"cursor": "This cursor is too old. Start again without one."}, code="cursor_expired")
    return cut_page(rows, query, lambda row: encode_cursor(kind, query.sort, query.category or "", row[-3], row[-2]))


def edition_and_position(query: Query, kind: str) -> tuple[int | None, int]:
    if not query.cursor:
        return None, 0
    match decode_cursor(query.cursor):
        # Positions within a category and over all are different numbers.
        case [str(of), query.sort, str(category), int(edition), int(position)] if of == kind:
            if category == (query.category or "") and is_place(edition) and is_place(position):
                return edition, position
    raise invalid_cursor()


# Said twice: the indexes of markets that are over have the second as their condition.
PAST_STATUS = "market.status = %(status)s AND NOT market.status = 'open'"
PAST = f"""
SELECT {VERSION}, {{key}}::text, {TOTAL} FROM markets AS market
WHERE {PAST_STATUS} {{in_category}} {{after}}
ORDER BY {{order}} {{paging}}
"""  # noqa: S608


def past_rows(query: Query) -> Rows:
    order = ORDERS[query.sort]
    key, last = key_and_id(query, query.status, order)
    sql = PAST.format(
        key=order.key,
        in_category="AND market.category = %(category)s" if query.category else "",
        after=f"AND {order.after}" if last else "",
        order=order.by,
        paging=paging(query),
    )
    rows = fetch_all(sql, {**parameters(query), "key": key, "id": last})
    return cut_page(rows, query, lambda row: encode_cursor(query.status, query.sort, row[-2], str(row[0])))


def key_and_id(query: Query, kind: str, order: Order) -> tuple[str | None, UUID | None]:
    """Return where the last page ended: the sort key's text, and the market's id."""
    if not query.cursor:
        return None, None
    match decode_cursor(query.cursor):
        case [str(of), query.sort, str(key), str(text)] if of == kind:
            market_id = parse_uuid(text)
            if market_id and order.accepts(key):
                return key, market_id
    raise invalid_cursor()


def all_statuses(query: Query) -> Page:
    """Return a page of the statuses' lists one after the other, as if they were one."""
    counts = {status: count(replace(query, status=status)) for status in STATUSES}
    statuses = list(STATUSES[STATUSES.index(status_of(query.cursor)) :])
    part_query, rows, more = query, list[tuple[Any, ...]](), False
    last: str | None = None
    while statuses and len(rows) < query.limit:
        status = statuses.pop(0)
        part_query = replace(part_query, status=status, limit=query.limit - len(rows))
        part = open_rows(part_query) if status == "open" else past_rows(part_query)
        rows += part.rows
        last = part.cursor or last
        more = part.more or any(counts[later] for later in statuses)
        part_query = replace(part_query, cursor=None, skip=max(0, part_query.skip - counts[status]))
    return Page(render_rows(rows), sum(counts.values()), last if more else None)


def status_of(cursor: str | None) -> str:
    if not cursor:
        return STATUSES[0]
    match decode_cursor(cursor):
        case [str(status), *_] if status in STATUSES:
            return status
    raise invalid_cursor()


SEARCH = f"""
SELECT {VERSION}, {{key}}::text, 0 FROM markets AS market
WHERE {{matches}} {{after}} ORDER BY {{order}} {{paging}}
"""  # noqa: S608
SEARCH_TOTAL = f"""
SELECT count(*) FROM (SELECT FROM markets AS market WHERE {{matches}} LIMIT {SEARCH_TOTAL_MAX}) AS found
"""  # noqa: S608
# What a search may go by, of which each may be missing. Who looks for a spread looks for what is open; one that isn't
# known matches none, as an end that isn't planned does. Ends are said twice, as the index of open markets has them and
# as that of those that are over.
CONDITIONS = {
    "q": FOUND,
    "min_liquidity": "market.liquidity >= %(min_liquidity)s",
    "max_spread": f"market.status = 'open' AND {SPREAD} <= %(spread)s",
    "expires_before": f"market.expires_at < %(expires_before)s AND {ORDERS['ending'].key} < %(expires_before)s",
    "ending_soon": f"{ORDERS['ending'].key} > %(now)s AND market.expires_at > %(now)s AND market.expires_at < %(soon)s",
    "expires_after": f"market.expires_at >= %(expires_after)s AND {ORDERS['ending'].key} >= %(expires_after)s",
    "event_id": "market.event_id = %(event_id)s",
}


def conditions_of(query: Query) -> list[str]:
    """Return what a list is searched by; nothing of one that an edition or an index has in its order."""
    return [condition for name, condition in CONDITIONS.items() if getattr(query, name) is not None]


def search(query: Query, conditions: list[str], *, now: datetime) -> Page:
    """Return a page of the markets that fulfil all conditions.

    By words: whose title or event's title has them, the last or, where there is no such market, each of them as the
    beginning of one; and else, for each word that is a typo, one that differs by a letter.
    """
    words = parse_words(query.q or "")
    if query.q and not words:
        return Page([], 0, None)
    page = Page([], 0, None)
    for attempt in attempts(words):
        page = search_for(attempt, query, conditions, now=now)
        if page.total:
            break
    return page


def search_for(words: Words, query: Query, conditions: list[str], *, now: datetime) -> Page:
    """Return a page of a search. Beyond SEARCH_TOTAL_MAX matches by words alone, it goes through an edition."""
    matches = " AND ".join([*conditions, *scope(query)])
    order = (SEARCH_ORDERS if query.status in ("open", "all") else ORDERS)[query.sort]
    if words and query.sort == "trending":
        order = BEST_MATCHES
    given = {
        **parameters(query),
        **search_parameters(query),
        **(words.parameters if words else {}),
        "now": now,
        "soon": now + ENDING_SOON,
    }
    total = int(fetch_value(SEARCH_TOTAL.format(matches=matches), given))
    if query.status == "open" and conditions == [FOUND] and is_common(query, total):
        part = open_rows(query, words)
    else:
        part = sorted_rows(query, order, matches, given)
    return Page(render_rows(part.rows), total, part.cursor if part.more else None)


def is_common(query: Query, total: int) -> bool:
    """Return whether so many markets match that sorting them would take long; what its first page was, a list stays."""
    return decode_cursor(query.cursor)[:1] == [COMMON] if query.cursor else total == SEARCH_TOTAL_MAX


def sorted_rows(query: Query, order: Order, matches: str, given: dict[str, Any]) -> Rows:
    key, last = key_and_id(query, "search", order)
    after = f"AND {order.after}" if last else ""
    sql = SEARCH.format(key=order.key, matches=matches, after=after, order=order.by, paging=paging(query))
    rows = fetch_all(sql, {**given, "key": key, "id": last})
    return cut_page(rows, query, lambda row: encode_cursor("search", query.sort, row[-2], str(row[0])))


def scope(query: Query) -> list[str]:
    """Return the conditions of status and category: only those that there are, as indexes have them."""
    of_category = ["market.category = %(category)s"] if query.category else []
    match query.status:
        case "all":
            return [*of_category, "NOT (market.status = 'open' AND market.suspended_reason <> '')"]
        case "open":
            return [*of_category, "market.status = 'open' AND market.suspended_reason = ''"]
    return [*of_category, PAST_STATUS]


def search_parameters(query: Query) -> dict[str, Any]:
    return {
        **price_rules(),
        "min_liquidity": query.min_liquidity,
        "spread": query.max_spread,
        "expires_before": query.expires_before,
        "expires_after": query.expires_after,
        "event_id": query.event_id,
    }


def parameters(query: Query) -> dict[str, Any]:
    return {"status": query.status, "category": query.category, "sort": query.sort}


def paging(query: Query) -> str:
    """Return LIMIT and OFFSET. One row more than the page takes tells whether there is a next page.

    Numbers in the statement, not parameters: knowing them, PostgreSQL keeps one plan instead of planning each time.
    """
    return f"LIMIT {query.limit + 1:d}" + (f" OFFSET {query.skip:d}" if query.skip else "")


def cut_page(rows: list[tuple[Any, ...]], query: Query, cursor: Callable[[tuple[Any, ...]], str]) -> Rows:
    """Return the page's rows of those that were read; `cursor` makes a cursor of the last one."""
    kept = rows[: query.limit]
    return Rows(kept, more=len(rows) > query.limit, cursor=cursor(kept[-1]) if kept else None)
