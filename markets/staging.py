"""The tables' side of ingestion: what was read is staged, then applied in a few statements, however many rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from core.api.json import dumps
from core.db.sql import new_id
from core.db.transactions import require_transaction
from markets.polymarket.parsing import ParsedMarket

# Polymarket's edge may serve the catalogue's prices this much later than the order book's.
CATALOGUE_LAG = timedelta(minutes=5)

# Copied as they are: a change in any of them is worth writing a row for.
OWN = (
    "upstream_id", "slug", "title", "description", "this_option", "that_option", "this_token_id", "that_token_id",
    "expires_at", "accepting_orders", "group_title", "upstream_facts",
)  # fmt: skip
# Known only where a market is listed with its event: one asked for by its id comes without tags.
FROM_EVENT = ("category", "tags", "image_url", "event_id", "event_slug", "event_title", "neg_risk", "neg_risk_id")
COPIED = (*OWN, *FROM_EVENT)
# Kept as they were when they weren't sent.
FIGURES = ("liquidity", "volume", "volume_24hr")
ODDS = ("this_odds", "that_odds")
STAGED = ("id", "ordinal", "listed", "polymarket_id", "closed", *COPIED, *FIGURES, *ODDS)

# One market may come twice, in two events or on two pages: the first place counts.
BEST = "SELECT DISTINCT ON (polymarket_id) * FROM market_staging ORDER BY polymarket_id, ordinal"


def columns(names: Iterable[str], table: str = "") -> str:
    return ", ".join(f"{table}.{name}" if table else name for name in names)


# What open markets are to say. The catalogue's prices lag behind the order book's: they don't replace odds that came
# from there just now.
FRESH = f"""
SELECT
    stored.id AS market_id,
    {columns(OWN, "best")},
    {", ".join(f"CASE WHEN best.listed THEN best.{name} ELSE stored.{name} END AS {name}" for name in FROM_EVENT)},
    {", ".join(f"coalesce(best.{name}, stored.{name}) AS {name}" for name in FIGURES)},
    CASE WHEN odds.taken THEN best.this_odds ELSE stored.this_odds END AS this_odds,
    CASE WHEN odds.taken THEN best.that_odds ELSE stored.that_odds END AS that_odds,
    stored.odds_live AND NOT odds.taken AS odds_live,
    CASE WHEN best.closed THEN 'closed' ELSE stored.status END AS status
FROM ({BEST}) AS best
JOIN markets AS stored USING (polymarket_id)
CROSS JOIN LATERAL (SELECT
    best.this_odds IS NOT NULL AND NOT (stored.odds_live AND stored.odds_updated_at > %(lag_start)s) AS taken
) AS odds
WHERE stored.status = 'open'
"""  # noqa: S608 - made of the constants above
COMPARED = (*COPIED, *FIGURES, *ODDS, "status")
CHANGED = f"({columns(COMPARED, 'market')}) IS DISTINCT FROM ({columns(COMPARED, 'fresh')})"

# Those that change, and those asked about, of which it is noted. In the order of ids, like all who lock several, so
# that none wait for each other in a circle.
LOCK = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM markets WHERE status = 'open' AND id IN (
        SELECT market.id FROM ({FRESH}) AS fresh JOIN markets AS market ON market.id = fresh.market_id WHERE {CHANGED}
        UNION ALL
        SELECT id FROM markets WHERE polymarket_id = ANY(%(checked)s)
    ) ORDER BY id FOR NO KEY UPDATE
), noted AS (
    UPDATE markets SET upstream_checked_at = %(now)s
    FROM locked WHERE markets.id = locked.id AND polymarket_id = ANY(%(checked)s)
)
SELECT id FROM locked
"""  # noqa: S608 - made of the constants above
# Compared again: what came while the locks were waited for isn't undone.
UPDATE = f"""
UPDATE markets AS market SET
    {", ".join(f"{name} = fresh.{name}" for name in (*COPIED, *FIGURES, *ODDS))},
    status = fresh.status,
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
"""  # noqa: S608 - made of the constants above

INSERT = f"""
INSERT INTO markets (
    id, market_type, status, polymarket_id, {columns((*COPIED, *ODDS, *FIGURES))},
    odds_live, odds_updated_at, upstream_seen_at, created_at, updated_at
)
SELECT
    best.id, 'polymarket', 'open', best.polymarket_id, {columns((*COPIED, *ODDS), "best")},
    {", ".join(f"coalesce(best.{name}, 0)" for name in FIGURES)},
    false, %(now)s, %(now)s, %(now)s, %(now)s
FROM ({BEST}) AS best
WHERE best.listed AND NOT best.closed AND best.this_odds IS NOT NULL
ON CONFLICT (polymarket_id) DO NOTHING
"""  # noqa: S608

LEFT_THE_LIST = """
SELECT market.polymarket_id FROM markets AS market
WHERE market.status = 'open' AND market.market_type = 'polymarket'
AND NOT EXISTS (SELECT FROM market_staging AS staged WHERE staged.polymarket_id = market.polymarket_id)
ORDER BY market.upstream_checked_at NULLS FIRST, market.id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Applied:
    """Rows of `markets`."""

    created: int
    updated: int


def clear() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE market_staging")


def stage(markets: Sequence[ParsedMarket], *, first_ordinal: int, listed: bool) -> None:
    """Adds what was read, in its order; one COPY. `listed`: with its event, not asked for by its id."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY market_staging ({columns(STAGED)}) FROM STDIN") as copy,
    ):
        for ordinal, market in enumerate(markets, first_ordinal):
            copy.write_row(staged_row(market, ordinal, listed))


def staged_row(market: ParsedMarket, ordinal: int, listed: bool) -> tuple[Any, ...]:  # noqa: FBT001 - a column
    special = {
        "id": new_id(),
        "ordinal": ordinal,
        "listed": listed,
        "tags": list(market.tags),
        "upstream_facts": Jsonb(market.raw_facts, dumps=dumps),
        "this_odds": market.odds.this if market.odds else None,
        "that_odds": market.odds.that if market.odds else None,
    }
    return tuple(special[name] if name in special else getattr(market, name) for name in STAGED)


def count_up() -> None:
    """Statistics of what was staged, for the joins that follow."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE market_staging")


def left_the_list(*, limit: int) -> list[str]:
    """Condition ids of open markets that this run hasn't read, those asked about longest ago first."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT_THE_LIST, {"limit": limit})
        return [polymarket_id for (polymarket_id,) in cursor.fetchall()]


def apply(*, now: datetime, checked: Sequence[str]) -> Applied:
    """Makes `markets` say what was staged: a row is written only if something in it changed. One transaction's work.

    Markets that are no longer open here are left alone: how they end is the resolution's business.
    """
    require_transaction("apply")
    facts: dict[str, Any] = {"now": now, "lag_start": now - CATALOGUE_LAG, "checked": list(checked)}
    with connection.cursor() as cursor:
        cursor.execute(LOCK, facts)
        cursor.execute(UPDATE, facts | {"locked": [market_id for (market_id,) in cursor.fetchall()]})
        updated = cursor.rowcount
        cursor.execute(INSERT, facts)
        created = cursor.rowcount
    return Applied(created=created, updated=updated)
