"""The recount: days, then each period's ranks, then the users' cached ranks.

Bets are never waited for nor made to wait: ranks are counted from a snapshot into tables that bets don't touch, and
the ranks on users follow in small batches of short row locks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Max, Min

from betting.models import Bet
from economy.models import CreditTransaction
from leaderboard import recount_sql as sql
from leaderboard.models import Board, Rank, UserDay
from leaderboard.periods import Period, day_of, first_day
from thisthat.common.transactions import run_transaction

# A row's time is taken before its transaction commits; none of ours runs nearly so long.
LATEST_COMMIT = timedelta(hours=1)
# Rows of users that are locked together, for some tens of milliseconds.
BATCH = 1_000
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Recount:
    """Rows written. `cached`: ranks on users; `passed_over`: those whose row somebody held, left to the next time."""

    days: int
    ranks: dict[str, int]
    cached: int
    passed_over: int

    def as_dict(self) -> dict[str, Any]:
        return {"days": self.days, "ranks": self.ranks, "cached": self.cached, "passedOver": self.passed_over}


def recount(*, now: datetime) -> Recount:
    """Brings days, ranks and the users' cached ranks up to date, reading what happened since the last recount only."""
    days = sum(count_days(first, last) for first, last in days_to_count(now=now))
    ranks = {str(period): count_ranks(period, now=now) for period in Period}
    cached, passed_over = cache_ranks()
    return Recount(days, ranks, cached, passed_over)


def rebuild(*, now: datetime) -> Recount:
    """The same from nothing: reads all of history."""
    run_transaction(empty)
    return recount(now=now)


def empty() -> None:
    for table in (Board, Rank, UserDay):
        table.objects.all().delete()


def days_to_count(*, now: datetime) -> Iterator[tuple[date, date]]:
    """First and last days of the spans that may have changed since the last recount; all of history at first."""
    today = day_of(now)
    last = Board.objects.filter(period=Period.ALL).aggregate(at=Max("updated_at"))["at"]
    if last is None:
        yield earliest_day(today), today
        return
    since = last - LATEST_COMMIT
    yield min(day_of(since), today), today
    yield from fetch(sql.REVERSED, {"since": since})


def earliest_day(today: date) -> date:
    begun = [
        CreditTransaction.objects.aggregate(at=Min("created_at"))["at"],
        Bet.objects.aggregate(at=Min("placed_at"))["at"],
    ]
    return min([today, *(day_of(moment) for moment in begun if moment)])


def count_days(first: date, last: date) -> int:
    """Counts whole days again; returns how many users' days are different now."""
    span = {"from_at": midnight(first), "until_at": midnight(last + A_DAY)}
    return run_transaction(partial(execute, sql.COUNT_DAYS, span))


def count_ranks(period: Period, *, now: datetime) -> int:
    """Ranks everybody (of a shorter period: who staked or realized something in it); returns how many rows changed."""
    today = day_of(now)
    facts = {"period": str(period), "first_day": first_day(period, today), "today": today, "now": now}
    statement = sql.COUNT_RANKS.format(figures=sql.EVER if period == Period.ALL else sql.SINCE)

    def count() -> int:
        fetch(sql.ROOM, {})
        ((changed,),) = fetch(statement, facts)
        return int(changed)

    return run_transaction(count)


def cache_ranks() -> tuple[int, int]:
    """Copies the ranks of all time to users, where they differ; returns how many, and how many had to wait."""
    differing = run_transaction(find_differences)
    cached = 0
    for after in range(0, differing, BATCH):
        cached += run_transaction(partial(cache_batch, after))
    execute(sql.FORGET_DIFFERENCES)
    return cached, differing - cached


def find_differences() -> int:
    fetch(sql.ROOM, {})
    for statement in (sql.FORGET_DIFFERENCES, sql.FIND_DIFFERENCES, sql.INDEX_DIFFERENCES, sql.ANALYZE_DIFFERENCES):
        execute(statement)
    ((differing,),) = fetch(sql.COUNT_DIFFERENCES, {})
    return int(differing)


def cache_batch(after: int) -> int:
    fetch(sql.LAZILY, {})
    return execute(sql.CACHE_RANKS, {"after": after, "until": after + BATCH})


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def execute(statement: str, parameters: dict[str, Any] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        touched: int = cursor.rowcount
        return touched


def fetch(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
