"""Bringing the standings of a period up to date: a building block of the update (docs/adr/0006)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.days import day_of
from core.db.sql import analyze, execute, fetch_all, fetch_value
from core.db.transactions import require_transaction
from leaderboard.models import Board, Order, Scope
from leaderboard.moves import (
    add_milestones,
    apply_moves,
    begin_count,
    begin_milestones,
    delete_milestones,
    nested_loops,
    new_moves,
)
from leaderboard.rules import Period, first_day

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

COMPARE_ALL = """
INSERT INTO pg_temp.moves (scope, user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT %(period)s, coalesce(user_id, id), known.created_at, minus_pnl, minus_volume,
    figures.created_at, -overall_pnl, -total_volume
FROM (SELECT * FROM standings WHERE period = %(period)s) AS known
FULL JOIN ({figures}) AS figures ON figures.id = known.user_id
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
COMPARE_STALE = """
INSERT INTO pg_temp.moves (scope, user_id, was_at, was_pnl, was_volume, now_at, now_pnl, now_volume)
SELECT %(period)s, stale.user_id, known.created_at, minus_pnl, minus_volume,
    figures.created_at, -overall_pnl, -total_volume
FROM (SELECT DISTINCT user_id FROM stale_standings WHERE id <= %(newest)s) AS stale
LEFT JOIN standings AS known ON known.period = %(period)s AND known.user_id = stale.user_id
LEFT JOIN LATERAL ({figures}) AS figures ON true
WHERE (known.created_at, minus_pnl, minus_volume) IS DISTINCT FROM (figures.created_at, -overall_pnl, -total_volume)
LIMIT %(limit)s
"""
COUNT_MOVES = "SELECT count(*), count(now_at) - count(was_at) FROM pg_temp.moves"

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
    def scope(self) -> Scope:
        return Scope.of_period(self.period)

    @property
    def facts(self) -> dict[str, Any]:
        today = day_of(self.now)
        days = {"first_day": first_day(self.period, today), "today": today, "now": self.now}
        return {"period": str(self.period), "newest": self.newest, **days}

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
    begin_count()
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
        apply_moves(count.scope, total=total)
    return total, moved


def find_moves(count: Count, *, everybody: bool, limit: int) -> tuple[int, int]:
    """Return how many figures differ from the last count, up to the limit, and how many users more there are."""
    facts = count.facts | {"limit": limit}
    with new_moves():
        if everybody:
            execute(COMPARE_ALL.format(figures=count.figures), facts)
        else:
            with nested_loops():
                execute(COMPARE_STALE.format(figures=count.figures_of_one), facts)
    ((moved, growth),) = fetch_all(COUNT_MOVES)
    return moved, growth


def rebuild_table(count: Count) -> tuple[int, int]:
    """Write all standings of the period into a new table, and put that in the old one's place as the last thing."""
    new: str = fetch_value(BEGIN_TABLE, count.facts)
    total = execute(FILL_TABLE.format(new=new, figures=count.figures), count.facts)
    delete_milestones(count.scope)
    for order in Order:
        begin_milestones(count.scope, order)
        # Before there is an index to walk through: sorting all of it is faster.
        add_milestones(count.scope, order, table=new, total=total)
    analyze("milestones")
    fetch_value(PUT_IN_PLACE, count.facts)
    return total, total
