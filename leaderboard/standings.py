"""Bringing the standings of a period up to date: a building block of the recount.

Standings keep figures in the order of ranks; milestones say how many stand before some of them. A user whose figure
moves is one row written, and a sum added to the milestones in between, however many ranks that changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.db.transactions import require_transaction
from leaderboard import standings_sql as sql
from leaderboard.models import Board, Order
from leaderboard.periods import Period, day_of, first_day
from leaderboard.rules import FARTHEST_APART, SPACING
from leaderboard.statements import execute, fetch

# Of a table's rows, what is cheaper to change in place than to write anew with the whole table.
PART_IN_PLACE, LEAST_IN_PLACE = 0.2, 10_000


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
        return sql.EVER if self.period == Period.ALL else sql.SINCE

    @property
    def figures_of_one(self) -> str:
        return sql.EVER_OF_ONE if self.period == Period.ALL else sql.SINCE_OF_ONE


def mark_stale(*, since: datetime) -> int:
    """Notes who came or went since, beside those whose days differ; returns the number of the newest note."""
    require_transaction("mark_stale")
    execute(sql.MARK_NEW, {"since": since})
    execute(sql.MARK_REVERSED, {"since": since})
    execute(sql.MARK_LEFT_OUT)
    execute(sql.ANALYZE_STALE)
    ((newest,),) = fetch(sql.NEWEST)
    return int(newest)


def forget_stale(newest: int) -> None:
    execute(sql.COUNTED, {"newest": newest})


def update_standings(period: Period, *, newest: int, now: datetime) -> int:
    """Counts a period; returns how many standings were written. Locks no row of users.

    Looks at those who were noted as stale, up to the newest note; on the first count of a day at everybody.
    """
    require_transaction("update_standings")
    count = Count(period, now, newest)
    execute(sql.TAKE_TURNS)
    fetch(sql.ROOM)
    board = Board.objects.filter(period=period).first()
    total, written = (board and amend(count, board)) or replace(count)
    execute(sql.RECORD, count.facts | {"total": total})
    return written


def amend(count: Count, board: Board) -> tuple[int, int] | None:
    """Writes what differs; returns how many users are ranked now, and how many rows that was. None for too many."""
    most = max(LEAST_IN_PLACE, int(board.total * PART_IN_PLACE))
    everybody = day_of(board.updated_at) != day_of(count.now)
    moved, growth = find_moves(count, everybody=everybody, limit=most + 1)
    if moved > most:
        return None
    total = board.total + growth
    if moved:
        move(count, total=total)
    return total, moved


def find_moves(count: Count, *, everybody: bool, limit: int) -> tuple[int, int]:
    """How many figures differ from those of the last count, up to the limit, and how many users more there are."""
    execute(sql.FORGET_MOVES)
    execute(sql.MAKE_MOVES)
    if everybody:
        execute(sql.COMPARE_ALL.format(figures=count.figures), count.facts | {"limit": limit})
    else:
        with nested_loops():
            execute(sql.COMPARE_STALE.format(figures=count.figures_of_one), count.facts | {"limit": limit})
    execute(sql.ANALYZE_MOVES)
    ((moved, growth),) = fetch(sql.COUNT_MOVES)
    return moved, growth


def move(count: Count, *, total: int) -> None:
    with nested_loops():
        for statement in (sql.MOVE, sql.LEAVE, sql.JOIN):
            execute(statement, count.facts)
    for order in Order:
        execute(sql.SHIFT.format(order=order), count.facts)
        execute(sql.THIN.format(order=order), count.facts)
        lay(count, order, table="standings", total=total)


def replace(count: Count) -> tuple[int, int]:
    """Writes all standings of the period into a new table, and puts that in the old one's place as the last thing."""
    old, new = tables(count.period)
    names = {"old": old, "new": new, "period": count.period, "figures": count.figures}
    execute(sql.CREATE.format(**names))
    total = execute(sql.FILL.format(**names), count.facts)
    execute(sql.FORGET_MILESTONES, count.facts)
    for order in Order:
        execute(sql.BEGIN.format(order=order), count.facts)
        # Before there is an index to walk through: sorting all of it is faster.
        lay(count, order, table=new, total=total)
    execute(sql.ANALYZE_MILESTONES)
    execute(sql.INDEX.format(**names))
    execute(sql.SWAP.format(**names))
    return total, total


@contextmanager
def nested_loops() -> Iterator[None]:
    fetch(sql.NESTED_LOOPS, {"on": "on"})
    yield
    fetch(sql.NESTED_LOOPS, {"on": "off"})


def lay(count: Count, order: Order, *, table: str, total: int) -> None:
    execute(sql.LAY.format(order=order, table=table), count.facts | {"total": total})


def tables(period: Period) -> tuple[str, str]:
    """The name of the period's table, and the one that is free."""
    a, b = f"standings_{period}_a", f"standings_{period}_b"
    ((old,),) = fetch(sql.TABLE_IN_USE, {"a": a, "b": b})
    return old, b if old == a else a
