"""Whose figures moved since the last count, and applying that to a board: building blocks of a count (docs/adr/0006).

Standings keep figures in the order of ranks; milestones say how many stand before some of them. A user whose figure
moves is one row written, and a sum added to the milestones in between, however many ranks that changes. In statements
`{order}` is pnl or volume, and `{standings}`, `{milestones}` and `{scope}` are the tables of a Scope and its column.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.db.sql import execute, fetch_all
from leaderboard.models import Order, Scope
from leaderboard.rules import FARTHEST_APART, SPACING

# One count at a time; boards are read meanwhile.
LOCK_BOARDS = "LOCK TABLE boards IN SHARE ROW EXCLUSIVE MODE"
# Hashing and sorting a million rows in memory. Other joins read each row by itself: right for few rows alone, and
# estimates of what is summed are too wrong to tell.
SET_MEMORY = """
SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true),
    set_config('jit', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_nestloop', 'off', true)
"""
NESTED_LOOPS = "SELECT set_config('enable_nestloop', %(on)s, true)"

DROP_MOVES = "DROP TABLE IF EXISTS pg_temp.moves"
# Whose figures differ from those of the last count: before, where there were any, and now, where there are.
CREATE_MOVES = """
CREATE TEMPORARY TABLE moves (
    scope text NOT NULL, user_id uuid NOT NULL, was_at timestamptz, was_pnl numeric, was_volume numeric,
    now_at timestamptz, now_pnl numeric, now_volume numeric
) ON COMMIT DROP
"""
ANALYZE_MOVES = "ANALYZE pg_temp.moves"

UPDATE_STANDINGS = """
UPDATE {standings} AS standing SET created_at = now_at, minus_pnl = now_pnl, minus_volume = now_volume
FROM pg_temp.moves WHERE moves.scope = %(scope)s AND standing.{scope} = %(scope)s
AND standing.user_id = moves.user_id AND was_at IS NOT NULL AND now_at IS NOT NULL
"""
DELETE_STANDINGS = """
DELETE FROM {standings} AS standing USING pg_temp.moves WHERE moves.scope = %(scope)s AND standing.{scope} = %(scope)s
AND standing.user_id = moves.user_id AND now_at IS NULL
"""
INSERT_STANDINGS = """
INSERT INTO {standings} ({scope}, user_id, created_at, minus_pnl, minus_volume)
SELECT scope, user_id, now_at, now_pnl, now_volume FROM pg_temp.moves WHERE scope = %(scope)s AND was_at IS NULL
"""
# Who came to stand before a milestone, less who no longer does. Who is at its very place isn't before it.
SHIFT_MILESTONES = """
WITH steps AS (
    SELECT now_{order} AS figure, now_at AS created_at, user_id, 1 AS step FROM pg_temp.moves
        WHERE scope = %(scope)s AND now_at IS NOT NULL
    UNION ALL SELECT was_{order}, was_at, user_id, -1 FROM pg_temp.moves WHERE scope = %(scope)s AND was_at IS NOT NULL
    UNION ALL SELECT figure, created_at, user_id, 0 FROM {milestones} AS milestone
        WHERE milestone.{scope} = %(scope)s AND milestone.order = '{order}'
), summed AS (
    SELECT *, sum(step) OVER (ORDER BY figure, created_at, user_id, abs(step) ROWS UNBOUNDED PRECEDING) AS shift
    FROM steps
)
UPDATE {milestones} AS milestone SET passed = passed + shift FROM summed
WHERE step = 0 AND shift <> 0 AND milestone.{scope} = %(scope)s AND milestone.order = '{order}'
AND (milestone.figure, milestone.created_at, milestone.user_id) = (summed.figure, summed.created_at, summed.user_id)
"""
# Every other one of those that stand close: never two neighbours, so that what is left apart is bounded.
THIN_MILESTONES = """
DELETE FROM {milestones} AS milestone USING (
    SELECT figure, created_at, user_id, row_number() OVER places AS place,
        lead(passed) OVER places - lag(passed) OVER places AS apart
    FROM {milestones} AS laid WHERE laid.{scope} = %(scope)s AND laid.order = '{order}'
    WINDOW places AS (ORDER BY figure, created_at, user_id)
) AS close
WHERE apart <= %(spacing)s AND place %% 2 = 0 AND milestone.{scope} = %(scope)s AND milestone.order = '{order}'
AND (milestone.figure, milestone.created_at, milestone.user_id) = (close.figure, close.created_at, close.user_id)
"""
DELETE_MILESTONES = "DELETE FROM {milestones} WHERE {scope} = %(scope)s"
# The start of the order: nobody's figure is so good.
FIRST_MILESTONE = """
INSERT INTO {milestones} ({scope}, "order", figure, created_at, user_id, passed)
VALUES (%(scope)s, '{order}', -9999999999999999.99, '0001-01-01Z', '00000000-0000-0000-0000-000000000000', 0)
ON CONFLICT DO NOTHING
"""
# Where milestones are too far apart, new ones between them, each at the place of a standing of the table.
ADD_MILESTONES = """
INSERT INTO {milestones} ({scope}, "order", figure, created_at, user_id, passed)
SELECT %(scope)s, '{order}', behind.figure, behind.created_at, behind.user_id, gap.passed + behind.place - 1
FROM (
    SELECT figure, created_at, user_id, passed, lead(passed, 1, %(total)s) OVER (ORDER BY figure, created_at, user_id)
        - passed AS width
    FROM {milestones} AS milestone WHERE milestone.{scope} = %(scope)s AND milestone.order = '{order}'
) AS gap CROSS JOIN LATERAL (
    SELECT minus_{order} AS figure, created_at, user_id,
        row_number() OVER (ORDER BY minus_{order}, created_at, user_id) AS place
    FROM {table}
    WHERE {scope} = %(scope)s AND (minus_{order}, created_at, user_id) >= (gap.figure, gap.created_at, gap.user_id)
    ORDER BY minus_{order}, created_at, user_id LIMIT gap.width
) AS behind
WHERE gap.width > %(farthest)s AND behind.place > 1 AND behind.place %% %(spacing)s = 1
"""


def begin_count() -> None:
    """Wait for another count to end, and prepare the transaction for joins of very many rows."""
    execute(LOCK_BOARDS)
    fetch_all(SET_MEMORY)


@contextmanager
def nested_loops() -> Iterator[None]:
    """Allow nested loops, which are right for few rows."""
    fetch_all(NESTED_LOOPS, {"on": "on"})
    yield
    fetch_all(NESTED_LOOPS, {"on": "off"})


@contextmanager
def new_moves() -> Iterator[None]:
    """Have an empty table `pg_temp.moves`, which the block fills; it is gone when the transaction ends."""
    execute(DROP_MOVES)
    execute(CREATE_MOVES)
    yield
    execute(ANALYZE_MOVES)


def apply_moves(scope: Scope, *, total: int) -> None:
    """Write the figures that differ, and move the milestones. `total`: how many users are ranked then."""
    with nested_loops():
        for statement in (UPDATE_STANDINGS, DELETE_STANDINGS, INSERT_STANDINGS):
            execute(scope.sql(statement), {"scope": scope.key})
    for order in Order:
        execute(scope.sql(SHIFT_MILESTONES, order=order), facts(scope))
        execute(scope.sql(THIN_MILESTONES, order=order), facts(scope))
        add_milestones(scope, order, table=scope.standings, total=total)


def begin_milestones(scope: Scope, order: Order) -> None:
    """Lay the first milestone, unless it is there."""
    execute(scope.sql(FIRST_MILESTONE, order=order), facts(scope))


def delete_milestones(scope: Scope) -> None:
    execute(scope.sql(DELETE_MILESTONES), facts(scope))


def add_milestones(scope: Scope, order: Order, *, table: str, total: int) -> None:
    execute(scope.sql(ADD_MILESTONES, order=order, table=table), facts(scope) | {"total": total})


def facts(scope: Scope) -> dict[str, Any]:
    return {"scope": scope.key, "spacing": SPACING, "farthest": FARTHEST_APART}
