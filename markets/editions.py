"""Editions: an ordering of all open markets, frozen at one instant, for every sort.

Volumes change with every ingestion. A list that went on in a changed order would repeat some markets and leave out
others; one that stays on its edition does neither. Positions without gaps also make a fair sample cheap.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

KEPT_FOR = timedelta(minutes=30)

ORDERS = {
    "trending": "volume_24hr DESC, id DESC",
    "newest": "created_at DESC, id DESC",
    # Soonest first; those without an end after all dates, those past theirs last.
    "ending": "coalesce(expires_at, 'infinity') <= %(now)s, coalesce(expires_at, 'infinity'), id",
    "liquidity": "liquidity DESC, id DESC",
    "volume": "volume DESC, id DESC",
}

RANKED = " UNION ALL ".join(
    f"""
    SELECT '{sort}' AS sort, row_number() OVER (ORDER BY {order}) AS position, category,
           row_number() OVER (PARTITION BY category ORDER BY {order}) AS category_position, id
    FROM markets WHERE status = 'open'
    """  # noqa: S608 - made of the constants above
    for sort, order in ORDERS.items()
)

PUBLISH = f"""
WITH edition AS (INSERT INTO market_editions (published_at) VALUES (%(now)s) RETURNING id)
INSERT INTO market_rankings (edition, sort, position, category, category_position, market_id)
SELECT edition.id, ranked.sort, ranked.position, ranked.category, ranked.category_position, ranked.id
FROM edition, ({RANKED}) AS ranked
"""  # noqa: S608

# Says, too, whether the planner knows nothing of so many rows: it then reads all markets where a few are asked for.
FORGET = """
WITH old AS (
    DELETE FROM market_editions
    WHERE published_at < %(before)s AND id < (SELECT max(id) FROM market_editions)
    RETURNING id
), forgotten AS (
    DELETE FROM market_rankings USING old WHERE market_rankings.edition = old.id
)
SELECT reltuples < %(rows)s OR 2 > (
    SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename IN ('markets', 'market_rankings')
) FROM pg_class WHERE oid = 'market_rankings'::regclass
"""

# Positions have no gaps, so an edition's last one is its count. As many may be open as before, and yet others.
IS_CURRENT = """
SELECT coalesce((SELECT sum(markets) FROM market_tallies WHERE status = 'open'), 0) = coalesce((
    SELECT position FROM market_rankings
    WHERE edition = (SELECT max(id) FROM market_editions) AND sort = 'trending'
    ORDER BY position DESC LIMIT 1
), 0) AND NOT EXISTS (
    SELECT FROM markets AS market WHERE market.status = 'open' AND NOT EXISTS (
        SELECT FROM market_rankings AS ranking
        WHERE ranking.edition = (SELECT max(id) FROM market_editions) AND ranking.sort = 'trending'
        AND ranking.market_id = market.id
    )
)
"""


def publish(*, now: datetime) -> None:
    """Makes a new edition of the open markets, and forgets those older than half an hour. Runs in a transaction."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("publish runs inside the caller's transaction")
    with connection.cursor() as cursor:
        cursor.execute(PUBLISH, {"now": now})
        cursor.execute(FORGET, {"before": now - KEPT_FOR, "rows": cursor.rowcount})
        (unknown,) = cursor.fetchone()
        if unknown:
            cursor.execute("ANALYZE markets, market_rankings")


def is_current() -> bool:
    """Whether the newest edition holds the markets that are open, and no other."""
    with connection.cursor() as cursor:
        cursor.execute(IS_CURRENT)
        (current,) = cursor.fetchone()
    return bool(current)
