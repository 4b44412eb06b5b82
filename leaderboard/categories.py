"""Bringing the boards of market categories up to date: a building block of the update (docs/adr/0006).

A bet counts for the category that its market has, also if that changes later: all bets on it move. Figures are added up
again from all bets of whom something happened to; nothing is counted while users bet or markets are settled.
"""

from datetime import datetime
from typing import Any

from core.days import LATEST_COMMIT
from core.db.sql import analyze, execute, fetch_all
from core.db.transactions import require_transaction
from leaderboard.models import CategoryBoard, Order, Scope
from leaderboard.moves import apply_moves, begin_count, begin_milestones, nested_loops, new_moves

# Of markets that were bet on, which have their row of terms since the first bet. Whose bets are on one that had another
# category has to be counted again.
RECATEGORIZE = """
WITH differing AS MATERIALIZED (
    SELECT market_id, market.category, known.category AS former
    FROM (SELECT DISTINCT market_id FROM market_terms) AS bet_on JOIN markets AS market ON market.id = market_id
    LEFT JOIN market_categories AS known USING (market_id)
    WHERE known.category IS DISTINCT FROM market.category
), written AS (
    INSERT INTO market_categories (market_id, category) SELECT market_id, category FROM differing
    ON CONFLICT (market_id) DO UPDATE SET category = excluded.category
)
INSERT INTO pg_temp.stale (user_id)
SELECT user_id FROM bets WHERE market_id IN (SELECT market_id FROM differing WHERE former IS NOT NULL)
"""
DROP_STALE = "DROP TABLE IF EXISTS pg_temp.stale"
CREATE_STALE = "CREATE TEMPORARY TABLE stale (user_id uuid NOT NULL) ON COMMIT DROP"
# Also who bet, sold or was settled: profits of two categories may even out in a user's day, which then isn't different.
FIND_STALE = """
INSERT INTO pg_temp.stale (user_id)
SELECT user_id FROM stale_standings WHERE id <= %(newest)s
UNION SELECT user_id FROM credit_transactions WHERE transaction_type = 'bet_placed' AND created_at >= %(since)s
UNION SELECT user_id FROM bets WHERE status IN ('won', 'lost') AND resolved_at >= %(since)s
UNION SELECT user_id FROM bet_sales AS sale JOIN bets ON bets.id = sale.bet_id WHERE sale.created_at >= %(since)s
"""
ANALYZE_STALE = "ANALYZE pg_temp.stale"

# What the period of all time counts of bets, by category: leaderboard/services.py. Of those whom it has just ranked.
FIGURES = """
SELECT ranked.user_id, category, ranked.created_at, -sum(amount) AS minus_volume, -sum(sold_payout - sold_amount
    + CASE WHEN status IN ('won', 'lost') THEN actual_payout - (amount - sold_amount) ELSE 0 END) AS minus_pnl
FROM {users} JOIN bets USING (user_id) JOIN market_categories USING (market_id)
JOIN standings AS ranked ON ranked.period = 'all' AND ranked.user_id = bets.user_id
GROUP BY ranked.user_id, category, ranked.created_at
"""
STALE = "(SELECT DISTINCT user_id FROM pg_temp.stale) AS stale"
COMPARE_STALE = f"""
INSERT INTO pg_temp.moves (scope, user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT category, user_id, known.created_at, known.minus_pnl, known.minus_volume,
    figures.created_at, figures.minus_pnl, figures.minus_volume
FROM (SELECT known.* FROM {STALE} JOIN category_standings AS known USING (user_id)) AS known
FULL JOIN ({FIGURES.format(users=STALE)}) AS figures USING (category, user_id)
WHERE (known.created_at, known.minus_pnl, known.minus_volume)
    IS DISTINCT FROM (figures.created_at, figures.minus_pnl, figures.minus_volume)
"""  # noqa: S608 - constants of this module
FIND_ALL = f"""
INSERT INTO pg_temp.moves (scope, user_id, now_at, now_pnl, now_volume)
SELECT category, user_id, created_at, minus_pnl, minus_volume
FROM ({FIGURES.format(users="(SELECT id AS user_id FROM users) AS everybody")}) AS figures
"""  # noqa: S608 - constants of this module
COUNT_MOVES = """
SELECT moves.scope, coalesce(max(board.total), 0) + count(now_at) - count(was_at), count(*)
FROM pg_temp.moves LEFT JOIN category_boards AS board ON board.category = moves.scope
GROUP BY moves.scope ORDER BY moves.scope
"""
DELETE_ALL = ("DELETE FROM category_standings", "DELETE FROM category_milestones")
RECORD_TOTAL = """
INSERT INTO category_boards (category, total, updated_at) VALUES (%(category)s, %(total)s, %(now)s)
ON CONFLICT (category) DO UPDATE SET total = excluded.total
"""


def update_categories(*, newest: int, now: datetime) -> int:
    """Count all categories; return how many standings were written. Locks no row of users.

    Looks at those who were noted as stale, up to the newest note, who bet or were settled since the last count, and
    who bet on a market that has another category now; at everybody where no category has been counted yet.
    """
    require_transaction("update_categories")
    begin_count()
    last = CategoryBoard.objects.values_list("updated_at", flat=True).first()
    find_stale(since=last - LATEST_COMMIT if last else now, newest=newest)
    written = apply_to_boards(find_moves(), now=now) if last else rebuild_boards(now=now)
    CategoryBoard.objects.update(updated_at=now)
    return written


def find_stale(*, since: datetime, newest: int) -> None:
    """Have the users whose figures may differ in `pg_temp.stale`, and the categories of markets up to date."""
    execute(DROP_STALE)
    execute(CREATE_STALE)
    execute(RECATEGORIZE)
    execute(FIND_STALE, {"since": since, "newest": newest})
    execute(ANALYZE_STALE)


def find_moves() -> list[tuple[Any, ...]]:
    """Return the categories in which figures differ; of each how many users it ranks now, and how many differ."""
    with new_moves(), nested_loops():
        execute(COMPARE_STALE)
    return fetch_all(COUNT_MOVES)


def rebuild_boards(*, now: datetime) -> int:
    """Count everybody anew. Who reads sees what was there until the transaction ends."""
    for statement in DELETE_ALL:
        execute(statement)
    analyze("market_categories")
    with new_moves():
        execute(FIND_ALL)
    written = apply_to_boards(fetch_all(COUNT_MOVES), now=now)
    analyze("category_standings", "category_milestones")
    return written


def apply_to_boards(categories: list[tuple[Any, ...]], *, now: datetime) -> int:
    """Write what differs; return how many standings that was."""
    for category, total, _ in categories:
        scope = Scope.of_category(category)
        for order in Order:
            begin_milestones(scope, order)
        apply_moves(scope, total=total)
        execute(RECORD_TOTAL, {"category": category, "total": total, "now": now})
    return sum(moved for _, _, moved in categories)
