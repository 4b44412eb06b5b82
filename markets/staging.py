"""The staging table of ingestion, and the few statements that bring `markets` up to what was staged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from core.api.json import dumps
from core.db.sql import analyze, execute, fetch_all, new_id
from core.db.transactions import require_transaction
from markets import identity, rules
from markets.changes import publish_markets, publish_odds
from markets.models import EventFields, MarketFields
from markets.polymarket.books import is_narrow
from markets.polymarket.parsing import Odds, ParsedMarket
from markets.resolution.policy import OPEN_UPSTREAM


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A market that Polymarket knows no more, or no longer as a market; `problem` says so to staff."""

    polymarket_id: str
    problem: str


Read = ParsedMarket | Withdrawn


# Polymarket's edge may serve the catalogue's prices this much later than the order book's.
CATALOGUE_LAG = timedelta(minutes=5)
# For so long the order book's odds are kept fresh where the catalogue's prices can't be right.
BOOK_ASKED_FOR = timedelta(minutes=10)

# Why a market closed or opened. Where the resolution finds it open as well, that has nothing to add.
REASONS = {"closed": "Polymarket's catalogue has it as closed.", "open": OPEN_UPSTREAM}


def names_of(fields: type[MarketFields | EventFields]) -> tuple[str, ...]:
    return tuple(declared.name for declared in fields._meta.fields)  # noqa: SLF001 - Django's documented API


# Copied as they are: a change in any of them is worth writing a row for. A model's fields are columns of the staging
# table and attributes of ParsedMarket under the same names.
OWN = names_of(MarketFields)
# One requested by its id comes without its event: what is stored of that stays.
FROM_EVENT = names_of(EventFields)
COPIED = (*OWN, *FROM_EVENT)
# Of these the market has what `market_events` has, not what came with the market: one event may come twice.
OF_EVENT = {
    "event_id": "event.id",
    "event_slug": "coalesce(event.slug, '')",
    "event_title": "coalesce(event.title, '')",
}
# What an event's row is made of, beside the market's category, tags and texts where the event has none.
EVENT_STAGED = ("upstream_event_id", "event_image_url", "event_expires_at", "event_neg_risk")
# Kept as they were when they weren't sent.
AMOUNTS = ("liquidity", "volume", "volume_24hr")
ODDS = ("this_odds", "that_odds")
BEST_PRICES = {"bid": "ask", "ask": "bid"}  # each with the one that it mirrors in the book of the other token
PRICES = (*ODDS, *BEST_PRICES)
STAGED = ("id", "ordinal", "listed", "polymarket_id", "closed", "problem", *COPIED, *EVENT_STAGED, *AMOUNTS, *PRICES)
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("expires_at", "event_expires_at", *AMOUNTS, *PRICES)),
    **dict.fromkeys(("closed", "accepting_orders", "is_placeholder", "neg_risk", "event_neg_risk"), False),
    "tags": [],
    "upstream_facts": Jsonb({}),
}

# One market may come twice, in two events or on two pages, and two under one id: the first place counts of those that
# have the stored tokens, or else of all that are markets.
BEST = """
SELECT DISTINCT ON (staged.polymarket_id) staged.*
FROM market_staging AS staged LEFT JOIN markets AS known USING (polymarket_id)
ORDER BY staged.polymarket_id, staged.problem <> '', known.id IS NOT NULL AND NOT (
    staged.this_token_id IN (known.this_token_id, known.that_token_id)
    AND staged.that_token_id IN (known.this_token_id, known.that_token_id)
), staged.ordinal
"""


# Events as they are to be, of those that have a market here. One that comes with several markets, as one that is on two
# pages, is as it came first.
FRESH_EVENTS = f"""
SELECT DISTINCT ON (best.upstream_event_id)
    best.upstream_event_id AS polymarket_id, best.event_slug AS slug,
    coalesce(nullif(best.event_title, ''), best.title) AS title,
    coalesce(nullif(best.event_image_url, ''), best.image_url) AS image_url,
    best.category, best.tags, best.event_neg_risk AS neg_risk,
    coalesce(best.event_expires_at, best.expires_at) AS expires_at
FROM ({BEST}) AS best
WHERE best.listed AND best.problem = '' AND best.upstream_event_id <> '' AND (
    best.this_odds IS NOT NULL OR EXISTS (SELECT FROM markets AS known WHERE known.polymarket_id = best.polymarket_id)
)
ORDER BY best.upstream_event_id, best.ordinal
"""  # noqa: S608 - made of the constant above
EVENT_FIELDS = ("slug", "title", "image_url", "category", "tags", "neg_risk", "expires_at")


def columns(names: Iterable[str], table: str = "") -> str:
    """Return a list of columns in SQL."""
    return ", ".join(f"{table}.{name}" if table else name for name in names)


EVENTS = f"""
WITH fresh AS MATERIALIZED ({FRESH_EVENTS}), updated AS (
    UPDATE market_events AS event
    SET {", ".join(f"{name} = fresh.{name}" for name in EVENT_FIELDS)}, updated_at = %(now)s
    FROM fresh WHERE event.polymarket_id = fresh.polymarket_id
    AND ({columns(EVENT_FIELDS, "event")}) IS DISTINCT FROM ({columns(EVENT_FIELDS, "fresh")})
    RETURNING event.id
), inserted AS (
    INSERT INTO market_events (id, polymarket_id, {columns(EVENT_FIELDS)}, created_at, updated_at)
    SELECT new_id(), polymarket_id, {columns(EVENT_FIELDS)}, %(now)s, %(now)s FROM fresh
    WHERE NOT EXISTS (SELECT FROM market_events AS known WHERE known.polymarket_id = fresh.polymarket_id)
    RETURNING id
)
SELECT (SELECT count(*) FROM inserted), ARRAY(SELECT id FROM updated)
"""  # noqa: S608 - made of the constants above
# Also markets that this run hasn't read, and those that are over.
RENAME_EVENTS = """
UPDATE markets AS market SET event_slug = event.slug, event_title = event.title, updated_at = %(now)s
FROM market_events AS event
WHERE event.id = ANY(%(changed_events)s::uuid[]) AND market.event_id = event.id
AND (market.event_slug, market.event_title) IS DISTINCT FROM (event.slug, event.title)
"""

# Whom staff closed, or whose result they undid, stays closed until they open it.
CLOSED_BY_STAFF = """coalesce((
    SELECT decision FROM market_resolutions AS record WHERE record.market_id = stored.id AND record.source = 'staff'
    ORDER BY record.id DESC LIMIT 1
), '') IN ('closed', 'reopened')"""
GIVES_WAY = """(
    (terms.market_id IS NULL AND NOT said.same_tokens)
    OR NOT (stored.odds_live AND stored.odds_updated_at > %(lag_start)s)
)"""
USABLE = f"best.this_odds IS NOT NULL AND {GIVES_WAY}"


def taken(name: str) -> str:
    """Return a column as it is to be: what was read, unless there is a problem."""
    return f"CASE WHEN judged.problem = '' THEN best.{name} ELSE stored.{name} END AS {name}"


def other(name: str) -> str:
    return name.replace("this_", "that_") if name.startswith("this_") else name.replace("that_", "this_")


# Markets as they are to be: open ones, and closed ones that Polymarket opened again. With a problem (see `identity`)
# they stay as they are, suspended. The catalogue's prices lag behind the order book's: they don't replace odds that
# came from there just now. Odds that stay stay with their token. A bid and ask that weren't sent aren't known any more:
# beside other odds the stored ones would be wrong. Of a market that closed they stay: it may open again. OFFSET 0:
# computed once a row.
FRESH = f"""
SELECT
    stored.id AS market_id, stored.status AS former_status,
    stored.this_odds AS former_odds, stored.bid AS former_bid, stored.ask AS former_ask,
    {
    ", ".join(
        f"CASE WHEN terms.market_id IS NULL AND judged.problem = '' THEN best.{name} ELSE stored.{name} END AS {name}"
        for name in identity.TERMS
    )
},
    {", ".join(taken(name) for name in OWN if name not in identity.TERMS)},
    {
    ", ".join(
        f"CASE WHEN best.listed AND judged.problem = '' THEN best.{name} ELSE stored.{name} END AS {name}"
        for name in FROM_EVENT
        if name not in OF_EVENT
    )
},
    {
    ", ".join(
        f"CASE WHEN best.listed AND judged.problem = '' THEN {its} ELSE stored.{name} END AS {name}"
        for name, its in OF_EVENT.items()
    )
},
    {
    ", ".join(
        f"CASE WHEN judged.problem = '' THEN coalesce(best.{name}, stored.{name}) ELSE stored.{name} END AS {name}"
        for name in AMOUNTS
    )
},
    {
    ", ".join(
        f'''CASE
            WHEN odds.taken AND terms.market_id IS NOT NULL AND said.swapped_tokens THEN best.{other(name)}
            WHEN odds.taken THEN best.{name}
            WHEN judged.moved AND said.swapped_tokens THEN stored.{other(name)}
            ELSE stored.{name} END AS {name}'''
        for name in ODDS
    )
},
    {
    ", ".join(
        f'''CASE
            WHEN odds.give_way AND terms.market_id IS NOT NULL AND said.swapped_tokens THEN 1 - best.{mirror}
            WHEN odds.give_way THEN best.{name}
            ELSE stored.{name} END AS {name}'''
        for name, mirror in BEST_PRICES.items()
    )
},
    stored.odds_live AND NOT odds.taken AND NOT judged.moved AS odds_live,
    CASE WHEN judged.problem <> '' THEN stored.status WHEN best.closed THEN 'closed' ELSE 'open' END AS status,
    judged.problem AS suspended_reason
FROM ({BEST}) AS best
JOIN markets AS stored USING (polymarket_id)
LEFT JOIN market_events AS event ON event.polymarket_id = best.upstream_event_id
LEFT JOIN (SELECT DISTINCT market_id FROM market_terms) AS terms ON terms.market_id = stored.id
CROSS JOIN LATERAL (
    SELECT {identity.SAME_TOKENS} AS same_tokens, {identity.SWAPPED_TOKENS} AS swapped_tokens OFFSET 0
) AS said
CROSS JOIN LATERAL (SELECT
    {identity.PROBLEM.format(usable=USABLE)} AS problem,
    best.problem = '' AND terms.market_id IS NULL AND NOT said.same_tokens AS moved OFFSET 0
) AS judged
CROSS JOIN LATERAL (SELECT
    judged.problem = '' AND {USABLE} AS taken,
    judged.problem = '' AND {GIVES_WAY} AND (judged.moved OR NOT best.closed) AS give_way OFFSET 0
) AS odds
WHERE (stored.status = 'open' OR (
    stored.status = 'closed' AND NOT best.closed AND judged.problem = '' AND NOT {CLOSED_BY_STAFF}
))
"""  # noqa: S608 - made of the constants above
COMPARED = (*COPIED, "event_id", *AMOUNTS, *PRICES, "status", "suspended_reason")
CHANGED = f"({columns(COMPARED, 'market')}) IS DISTINCT FROM ({columns(COMPARED, 'fresh')})"

# Those that change, also by their event, and those that were checked, which is noted. Locked in the order of ids, like
# everywhere, so that no two transactions wait for each other.
LOCK = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM markets
    WHERE (status IN ('open', 'closed') OR event_id = ANY(%(changed_events)s::uuid[])) AND id IN (
        SELECT market.id FROM ({FRESH}) AS fresh JOIN markets AS market ON market.id = fresh.market_id WHERE {CHANGED}
        UNION ALL
        SELECT id FROM markets WHERE polymarket_id = ANY(%(checked)s)
        UNION ALL
        SELECT id FROM markets WHERE event_id = ANY(%(changed_events)s::uuid[])
    ) ORDER BY id FOR NO KEY UPDATE
), noted AS (
    UPDATE markets SET upstream_checked_at = %(now)s
    FROM locked WHERE markets.id = locked.id AND polymarket_id = ANY(%(checked)s)
)
SELECT id FROM locked
"""  # noqa: S608 - made of the constants above
# Compared again: what was written while the locks were waited for isn't undone. Where the prices seem to have swapped
# places the order book is asked for the odds, by those who refresh them. What closed or opened is recorded for staff.
UPDATE = f"""
WITH updated AS (UPDATE markets AS market SET
    {", ".join(f"{name} = fresh.{name}" for name in (*COPIED, "event_id", *AMOUNTS, *PRICES))},
    status = fresh.status,
    suspended_reason = fresh.suspended_reason,
    odds_live = fresh.odds_live,
    odds_updated_at = CASE
        WHEN ({columns(ODDS, "market")}) IS DISTINCT FROM ({columns(ODDS, "fresh")}) THEN %(now)s
        ELSE market.odds_updated_at END,
    upstream_seen_at = CASE
        WHEN market.upstream_facts IS DISTINCT FROM fresh.upstream_facts THEN %(now)s
        ELSE market.upstream_seen_at END,
    updated_at = %(now)s
FROM ({FRESH} AND stored.id = ANY(%(locked)s::uuid[])) AS fresh
WHERE market.id = fresh.market_id AND {CHANGED}
RETURNING market.id, market.suspended_reason, market.status, fresh.former_status,
    (market.this_odds, market.bid, market.ask)
        IS DISTINCT FROM (fresh.former_odds, fresh.former_bid, fresh.former_ask) AS other_prices,
    CASE WHEN market.status <> fresh.former_status THEN market.upstream_facts END AS facts
), recorded AS (
    INSERT INTO market_resolutions (market_id, decision, source, reason, facts, seen_at)
    SELECT id, status, 'catalogue', %(reasons)s::jsonb ->> status, jsonb_build_object('gamma', facts), %(now)s
    FROM updated WHERE status <> former_status ORDER BY id
), watched AS (
    INSERT INTO market_watches AS watch (market_id, watched_until)
    SELECT id, %(watched_until)s FROM updated WHERE suspended_reason = %(prices_reordered)s ORDER BY id
    ON CONFLICT (market_id) DO UPDATE SET watched_until = greatest(watch.watched_until, excluded.watched_until)
)
SELECT count(*), array_agg(id) FILTER (WHERE other_prices), array_agg(id) FILTER (WHERE status <> former_status)
FROM updated
"""  # noqa: S608

NEW = [name for name in (*COPIED, *PRICES) if name not in OF_EVENT]
INSERT = f"""
INSERT INTO markets (
    id, market_type, status, polymarket_id, {columns(NEW)}, {columns(OF_EVENT)}, {columns(AMOUNTS)},
    odds_live, odds_updated_at, upstream_seen_at, created_at, updated_at
)
SELECT
    best.id, 'polymarket', 'open', best.polymarket_id, {columns(NEW, "best")}, {columns(OF_EVENT.values())},
    {", ".join(f"coalesce(best.{name}, 0)" for name in AMOUNTS)},
    false, %(now)s, %(now)s, %(now)s, %(now)s
FROM ({BEST}) AS best LEFT JOIN market_events AS event ON event.polymarket_id = best.upstream_event_id
WHERE best.listed AND NOT best.closed AND best.problem = '' AND best.this_odds IS NOT NULL
ON CONFLICT (polymarket_id) DO NOTHING
"""  # noqa: S608

UNLISTED = """
SELECT market.polymarket_id FROM markets AS market
WHERE market.status = 'open' AND market.market_type = 'polymarket'
AND NOT EXISTS (SELECT FROM market_staging AS staged WHERE staged.polymarket_id = market.polymarket_id)
ORDER BY market.upstream_checked_at NULLS FIRST, market.id LIMIT %(limit)s
"""
# All rows of one market: where one can't be applied, its copies are not to be trusted.
REMOVE_STAGED = """
DELETE FROM market_staging
WHERE polymarket_id = (SELECT polymarket_id FROM market_staging WHERE ordinal = %(ordinal)s)
RETURNING polymarket_id
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """Numbers of rows of `markets`; `events`: how many events are new or changed."""

    created: int
    updated: int
    events: int = 0


def clear_staging() -> None:
    # TRUNCATE is its owner's, and waits for the disk to have the new files: bench/README.md.
    execute("DELETE FROM market_staging")


def stage(markets: Sequence[Read], *, first_ordinal: int, listed: bool) -> None:
    """Add what was read, in its order, by one COPY. `listed`: with its event, not requested by its id."""
    with (
        transaction.atomic(),
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY market_staging ({columns(STAGED)}) FROM STDIN") as copy,
    ):
        for ordinal, market in enumerate(markets, first_ordinal):
            copy.write_row(staged_row(market, ordinal, listed))


def staged_row(market: Read, ordinal: int, listed: bool) -> tuple[Any, ...]:  # noqa: FBT001 - a column
    place = {"id": new_id(), "ordinal": ordinal, "listed": listed}
    if isinstance(market, Withdrawn):
        given = {**NOTHING, **place, "polymarket_id": market.polymarket_id, "problem": market.problem}
        return tuple(given.get(name, "") for name in STAGED)
    odds = shown_odds(market)
    special = {
        **place,
        "problem": "",
        "tags": list(market.tags),
        "upstream_facts": Jsonb(market.upstream_facts, dumps=dumps),
        "this_odds": odds.this if odds else None,
        "that_odds": odds.that if odds else None,
    }
    return tuple(special[name] if name in special else getattr(market, name) for name in STAGED)


def shown_odds(market: ParsedMarket) -> Odds | None:
    """Return the odds that the catalogue gives the market; None where it gives none.

    Its prices are half way between bid and ask, also where that says nothing: then the last trade counts.
    """
    if market.odds is None or market.last_trade is None:
        return market.odds
    if is_narrow(market.bid, market.ask, max_spread=rules.MAX_SPREAD):
        return market.odds
    return Odds(this=market.last_trade, that=1 - market.last_trade)


def analyze_staging() -> None:
    """Collect statistics of what was staged, for the joins that follow."""
    analyze("market_staging")


def find_unlisted(*, limit: int) -> list[str]:
    """Return condition ids of open markets that this run hasn't read, those checked longest ago first."""
    return [polymarket_id for (polymarket_id,) in fetch_all(UNLISTED, {"limit": limit})]


def apply_staged(*, now: datetime, checked: Sequence[str]) -> Applied:
    """Bring `markets` and `market_events` up to what was staged. One transaction's work.

    A row is written only if something in it changed.

    `checked` are the condition ids that were requested by id. Markets that are no longer open here are left alone,
    unless Polymarket opened them again: how they end is the resolution's business.
    """
    require_transaction("apply_staged")
    facts: dict[str, Any] = {"now": now, "lag_start": now - CATALOGUE_LAG, "checked": list(checked)}
    ((new_events, changed_events),) = fetch_all(EVENTS, facts)
    facts |= {"changed_events": changed_events}
    locked = [market_id for (market_id,) in fetch_all(LOCK, facts)]
    facts |= {"prices_reordered": identity.PRICES_REORDERED, "watched_until": now + BOOK_ASKED_FOR, "locked": locked}
    facts |= {"reasons": Jsonb(REASONS)}
    ((updated, other_prices, other_status),) = fetch_all(UPDATE, facts)
    publish_odds(other_prices or [])
    publish_markets(other_status or [])
    if changed_events:
        execute(RENAME_EVENTS, facts)
    created = execute(INSERT, facts)
    return Applied(created=created, updated=updated, events=new_events + len(changed_events))


def try_to_apply(first: int, last: int, *, now: datetime) -> None:
    """Apply the rows staged from one ordinal to another, to see whether they can be, and undo it."""
    require_transaction("try_to_apply")
    execute("DELETE FROM market_staging WHERE ordinal NOT BETWEEN %s AND %s", [first, last])
    apply_staged(now=now, checked=[])
    transaction.set_rollback(True)
