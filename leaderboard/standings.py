"""Bringing the standings of a period up to date: a building block of the update (docs/adr/0006).

Standings keep figures in the order of ranks; milestones say how many stand before some of them. A user whose figure
moves is one row written, and a sum added to the milestones in between, however many ranks that changes. In statements
`{order}` is pnl or volume.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.days import day_of
from core.db.sql import analyze, execute, fetch_all, fetch_value
from core.db.transactions import require_transaction
from leaderboard.models import Board, Order
from leaderboard.rules import FARTHEST_APART, SPACING, Period, first_day

# Up to this share of a board's rows, or this many where that is more, changing rows in place is cheaper than writing
# the whole table anew.
IN_PLACE_SHARE, IN_PLACE_ROWS = 0.2, 10_000

FIGURES_EVER = "SELECT id, created_at, overall_pnl, total_volume FROM users WHERE is_active AND NOT is_staff"
# Those whom the count of all time has just ranked: a narrower table than users.
FIGURES_SINCE = """
SELECT ranked.user_id AS id, ranked.created_at, summed.overall_pnl, summed.total_volume
FROM (
    SELECT user_id, sum(realized_pnl) AS overall_pnl, sum(volume) AS total_volume FROM user_days
    WHERE day >= %(first_day)s AND day <= %(today)s GROUP BY user_id
) AS summed JOIN standings AS ranked ON ranked.period = 'all' AND ranked.user_id = summed.user_id
"""
# The two statements above for a single user: the row named `stale` of the query that uses them.
FIGURES_EVER_OF_ONE = f"{FIGURES_EVER} AND id = stale.user_id"
FIGURES_SINCE_OF_ONE = """
SELECT ranked.created_at, sum(realized_pnl) AS overall_pnl, sum(volume) AS total_volume
FROM user_days JOIN standings AS ranked ON ranked.period = 'all' AND ranked.user_id = user_days.user_id
WHERE user_days.user_id = stale.user_id AND day >= %(first_day)s AND day <= %(today)s
GROUP BY ranked.created_at
"""

# Besides those whose days differ: who signed up, who is suspended or staff or no longer is, and whose bets are open
# again.
NEWEST_STALE = "SELECT coalesce(max(id), 0) FROM stale_standings"
MARK_NEW = "INSERT INTO stale_standings (user_id) SELECT id FROM users WHERE created_at >= %(since)s"
# What a reversed settlement takes back may be of days that are no longer kept.
MARK_REVERSED = """
INSERT INTO stale_standings (user_id)
SELECT DISTINCT user_id FROM bets JOIN settlements USING (market_id) WHERE reversed_at >= %(since)s
"""
MARK_LEFT_OUT = """
WITH left_out AS MATERIALIZED (SELECT id FROM users WHERE NOT is_active OR is_staff),
came AS (
    INSERT INTO left_out_users (user_id) SELECT id FROM left_out
    WHERE NOT EXISTS (SELECT FROM left_out_users WHERE user_id = left_out.id)
    RETURNING user_id
), gone AS (
    DELETE FROM left_out_users WHERE NOT EXISTS (SELECT FROM left_out WHERE left_out.id = user_id) RETURNING user_id
)
INSERT INTO stale_standings (user_id) SELECT user_id FROM came UNION ALL SELECT user_id FROM gone
"""
DELETE_STALE = "DELETE FROM stale_standings WHERE id <= %(newest)s"

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
    user_id uuid NOT NULL, was_at timestamptz, was_pnl numeric, was_volume numeric,
    now_at timestamptz, now_pnl numeric, now_volume numeric
) ON COMMIT DROP
"""
COMPARE_ALL = """
INSERT INTO pg_temp.moves (user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT coalesce(user_id, id), known.created_at, minus_pnl, minus_volume,
    figures.created_at, -overall_pnl, -total_volume
FROM (SELECT * FROM standings WHERE period = %(period)s) AS known
FULL JOIN ({figures}) AS figures ON figures.id = known.user_id
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
COMPARE_STALE = """
INSERT INTO pg_temp.moves (user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT stale.user_id, known.created_at, minus_pnl, minus_volume, figures.created_at, -overall_pnl, -total_volume
FROM (SELECT DISTINCT user_id FROM stale_standings WHERE id <= %(newest)s) AS stale
LEFT JOIN standings AS known ON known.period = %(period)s AND known.user_id = stale.user_id
LEFT JOIN LATERAL ({figures}) AS figures ON true
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
ANALYZE_MOVES = "ANALYZE pg_temp.moves"
COUNT_MOVES = "SELECT count(*), count(now_at) - count(was_at) FROM pg_temp.moves"

UPDATE_STANDINGS = """
UPDATE standings SET created_at = now_at, minus_pnl = now_pnl, minus_volume = now_volume FROM pg_temp.moves
WHERE standings.user_id = moves.user_id AND period = %(period)s AND was_at IS NOT NULL AND now_at IS NOT NULL
"""
DELETE_STANDINGS = """
DELETE FROM standings USING pg_temp.moves
WHERE standings.user_id = moves.user_id AND period = %(period)s AND now_at IS NULL
"""
INSERT_STANDINGS = """
INSERT INTO standings (period, user_id, created_at, minus_pnl, minus_volume)
SELECT %(period)s, user_id, now_at, now_pnl, now_volume FROM pg_temp.moves WHERE was_at IS NULL
"""
# Who came to stand before a milestone, less who no longer does. Who is at its very place isn't before it.
SHIFT_MILESTONES = """
WITH steps AS (
    SELECT now_{order} AS figure, now_at AS created_at, user_id, 1 AS step FROM pg_temp.moves WHERE now_at IS NOT NULL
    UNION ALL SELECT was_{order}, was_at, user_id, -1 FROM pg_temp.moves WHERE was_at IS NOT NULL
    UNION ALL SELECT figure, created_at, user_id, 0 FROM milestones
        WHERE period = %(period)s AND milestones.order = '{order}'
), summed AS (
    SELECT *, sum(step) OVER (ORDER BY figure, created_at, user_id, abs(step) ROWS UNBOUNDED PRECEDING) AS shift
    FROM steps
)
UPDATE milestones SET passed = passed + shift FROM summed
WHERE step = 0 AND shift <> 0 AND period = %(period)s AND milestones.order = '{order}'
AND (milestones.figure, milestones.created_at, milestones.user_id) = (summed.figure, summed.created_at, summed.user_id)
"""
# Every other one of those that stand close: never two neighbours, so that what is left apart is bounded.
THIN_MILESTONES = """
DELETE FROM milestones USING (
    SELECT figure, created_at, user_id, row_number() OVER places AS place,
        lead(passed) OVER places - lag(passed) OVER places AS apart
    FROM milestones WHERE period = %(period)s AND milestones.order = '{order}'
    WINDOW places AS (ORDER BY figure, created_at, user_id)
) AS close
WHERE apart <= %(spacing)s AND place %% 2 = 0 AND period = %(period)s AND milestones.order = '{order}'
AND (milestones.figure, milestones.created_at, milestones.user_id) = (close.figure, close.created_at, close.user_id)
"""
# The start of the order: nobody's figure is so good.
DELETE_MILESTONES = "DELETE FROM milestones WHERE period = %(period)s"
FIRST_MILESTONE = """
INSERT INTO milestones (period, "order", figure, created_at, user_id, passed)
VALUES (%(period)s, '{order}', -9999999999999999.99, '0001-01-01Z', '00000000-0000-0000-0000-000000000000', 0)
"""
# Where milestones are too far apart, new ones between them, each at the place of a standing of the table.
ADD_MILESTONES = """
INSERT INTO milestones (period, "order", figure, created_at, user_id, passed)
SELECT %(period)s, '{order}', behind.figure, behind.created_at, behind.user_id, gap.passed + behind.place - 1
FROM (
    SELECT figure, created_at, user_id, passed, lead(passed, 1, %(total)s) OVER (ORDER BY figure, created_at, user_id)
        - passed AS width
    FROM milestones WHERE period = %(period)s AND milestones.order = '{order}'
) AS gap CROSS JOIN LATERAL (
    SELECT minus_{order} AS figure, created_at, user_id,
        row_number() OVER (ORDER BY minus_{order}, created_at, user_id) AS place
    FROM {table}
    WHERE period = %(period)s AND (minus_{order}, created_at, user_id) >= (gap.figure, gap.created_at, gap.user_id)
    ORDER BY minus_{order}, created_at, user_id LIMIT gap.width
) AS behind
WHERE gap.width > %(farthest)s AND behind.place > 1 AND behind.place %% %(spacing)s = 1
"""

RECORD_BOARD = """
INSERT INTO boards (period, first_day, total, updated_at) VALUES (%(period)s, %(first_day)s, %(total)s, %(now)s)
ON CONFLICT (period) DO UPDATE
SET first_day = excluded.first_day, total = excluded.total, updated_at = excluded.updated_at
"""

# A whole table anew: with most figures different that is far cheaper than changing its rows. Tables are made and put in
# place by functions of their owner's (migration 0005).
BEGIN_TABLE = "SELECT standings_begin_table(%(period)s)"
# Who reads waits for as long as the last part of this takes: some milliseconds.
PUT_IN_PLACE = "SELECT standings_put_in_place(%(period)s)"
FILL_TABLE = """
INSERT INTO {new} (period, user_id, created_at, minus_pnl, minus_volume)
SELECT %(period)s, id, created_at, -overall_pnl, -total_volume FROM ({figures}) AS figures
"""


@dataclass(frozen=True, slots=True)
class Count:
    """One count of one period."""

    period: Period
    now: datetime
    newest: int

    @property
    def facts(self) -> dict[str, Any]:
        today = day_of(self.now)
        first = first_day(self.period, today)
        apart = {"spacing": SPACING, "farthest": FARTHEST_APART}
        days = {"first_day": first, "today": today, "now": self.now}
        return {"period": str(self.period), "newest": self.newest, **days, **apart}

    @property
    def figures(self) -> str:
        return FIGURES_EVER if self.period == Period.ALL else FIGURES_SINCE

    @property
    def figures_of_one(self) -> str:
        return FIGURES_EVER_OF_ONE if self.period == Period.ALL else FIGURES_SINCE_OF_ONE


def mark_stale(*, since: datetime) -> int:
    """Note who came or went since, besides those whose days differ; return the id of the newest note."""
    require_transaction("mark_stale")
    execute(MARK_NEW, {"since": since})
    execute(MARK_REVERSED, {"since": since})
    execute(MARK_LEFT_OUT)
    analyze("stale_standings")
    ((newest,),) = fetch_all(NEWEST_STALE)
    return int(newest)


def delete_stale(newest: int) -> None:
    """Delete the notes up to the newest that was counted."""
    execute(DELETE_STALE, {"newest": newest})


def update_standings(period: Period, *, newest: int, now: datetime) -> int:
    """Count a period; return how many standings were written. Locks no row of users.

    Looks at those who were noted as stale, up to the newest note; on the first count of a day at everybody.
    """
    require_transaction("update_standings")
    count = Count(period, now, newest)
    execute(LOCK_BOARDS)
    fetch_all(SET_MEMORY)
    board = Board.objects.filter(period=period).first()
    done = update_in_place(count, board) if board else None
    if done is None:
        done = rebuild_table(count)
    total, written = done
    execute(RECORD_BOARD, count.facts | {"total": total})
    return written


def update_in_place(count: Count, board: Board) -> tuple[int, int] | None:
    """Write what differs; return how many users are ranked now, and how many rows that was. None for too many."""
    most = max(IN_PLACE_ROWS, int(board.total * IN_PLACE_SHARE))
    everybody = day_of(board.updated_at) != day_of(count.now)
    moved, growth = find_moves(count, everybody=everybody, limit=most + 1)
    if moved > most:
        return None
    total = board.total + growth
    if moved:
        apply_moves(count, total=total)
    return total, moved


def find_moves(count: Count, *, everybody: bool, limit: int) -> tuple[int, int]:
    """Return how many figures differ from the last count, up to the limit, and how many users more there are."""
    execute(DROP_MOVES)
    execute(CREATE_MOVES)
    if everybody:
        execute(COMPARE_ALL.format(figures=count.figures), count.facts | {"limit": limit})
    else:
        with nested_loops():
            execute(COMPARE_STALE.format(figures=count.figures_of_one), count.facts | {"limit": limit})
    execute(ANALYZE_MOVES)
    ((moved, growth),) = fetch_all(COUNT_MOVES)
    return moved, growth


def apply_moves(count: Count, *, total: int) -> None:
    """Write the figures that differ, and move the milestones."""
    with nested_loops():
        for statement in (UPDATE_STANDINGS, DELETE_STANDINGS, INSERT_STANDINGS):
            execute(statement, count.facts)
    for order in Order:
        execute(SHIFT_MILESTONES.format(order=order), count.facts)
        execute(THIN_MILESTONES.format(order=order), count.facts)
        add_milestones(count, order, table="standings", total=total)


def rebuild_table(count: Count) -> tuple[int, int]:
    """Write all standings of the period into a new table, and put that in the old one's place as the last thing."""
    new: str = fetch_value(BEGIN_TABLE, count.facts)
    total = execute(FILL_TABLE.format(new=new, figures=count.figures), count.facts)
    execute(DELETE_MILESTONES, count.facts)
    for order in Order:
        execute(FIRST_MILESTONE.format(order=order), count.facts)
        # Before there is an index to walk through: sorting all of it is faster.
        add_milestones(count, order, table=new, total=total)
    analyze("milestones")
    fetch_value(PUT_IN_PLACE, count.facts)
    return total, total


@contextmanager
def nested_loops() -> Iterator[None]:
    """Allow nested loops, which are right for few rows."""
    fetch_all(NESTED_LOOPS, {"on": "on"})
    yield
    fetch_all(NESTED_LOOPS, {"on": "off"})


def add_milestones(count: Count, order: Order, *, table: str, total: int) -> None:
    execute(ADD_MILESTONES.format(order=order, table=table), count.facts | {"total": total})
