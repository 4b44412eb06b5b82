"""The recount: days, then the standings of each period.

Bets are never waited for nor made to wait: of what bets write the recount only reads, from snapshots.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from core.db.transactions import run_transaction
from leaderboard import days_sql as sql
from leaderboard.models import Board, LeftOutUser, StaleStanding, UserDay
from leaderboard.periods import Period, day_of
from leaderboard.rules import KEPT_DAYS
from leaderboard.standings import forget_stale, mark_stale, update_standings
from leaderboard.statements import execute, fetch

# A row's time is taken before its transaction commits; none of ours runs nearly so long.
LATEST_COMMIT = timedelta(hours=1)
A_DAY = timedelta(days=1)
# Rows after which the planner's idea of a table is out of date; otherwise its own housekeeping is soon enough.
MANY = 10_000
# Told what was counted and how many rows that wrote.
Progress = Callable[[str, int], None]


def silently(what: str, rows: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Recount:
    """Rows written: of days, and of each period's standings."""

    days: int
    standings: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {"days": self.days, "standings": self.standings}


def recount(*, now: datetime, progress: Progress = silently) -> Recount:
    """Brings days and standings up to date, reading what happened since the last recount and whom it concerns."""
    last = last_count()
    since = last - LATEST_COMMIT if last else None
    days = 0
    for first_day, last_day in days_to_count(since=since, now=now):
        days += count_days(first_day, last_day)
        progress(f"{first_day} to {last_day}", days)
    newest = run_transaction(partial(mark_stale, since=since or now))
    if days > MANY:
        execute(sql.ANALYZE)
    standings = {}
    # That of all time comes first: the others rank those whom it ranks.
    for period in Period:
        standings[str(period)] = run_transaction(partial(update_standings, period, newest=newest, now=now))
        progress(str(period), standings[period])
    run_transaction(partial(forget_stale, newest))
    return Recount(days, standings)


def rebuild(*, now: datetime, progress: Progress = silently) -> Recount:
    """The same from nothing, reading the history of all days that are kept."""
    run_transaction(forget)
    return recount(now=now, progress=progress)


def forget() -> None:
    """Without a board all standings are written anew, whatever they were."""
    for table in (Board, UserDay, StaleStanding, LeftOutUser):
        table.objects.all().delete()


def last_count() -> datetime | None:
    return Board.objects.filter(period=Period.ALL).values_list("updated_at", flat=True).first()


def days_to_count(*, since: datetime | None, now: datetime) -> Iterator[tuple[date, date]]:
    """First and last days of the spans that may have changed since then; without it all that are kept."""
    today = day_of(now)
    yield max(min(day_of(since), today), first_kept(today)) if since else first_kept(today), today
    for first, until in fetch(sql.REVERSED, {"since": since}):
        if until >= first_kept(today):
            yield max(first, first_kept(today)), until


def first_kept(today: date) -> date:
    return today - KEPT_DAYS * A_DAY


def count_days(first: date, last: date) -> int:
    """Counts whole days again; returns how many users' days are different now."""
    span = {"from_at": midnight(first), "until_at": midnight(last + A_DAY)}
    return run_transaction(partial(execute, sql.COUNT_DAYS, span))


def purge_days(*, now: datetime) -> int:
    """Deletes the days that no period reads any more; returns how many users' days that were."""
    return run_transaction(partial(execute, sql.PURGE, {"first_kept": first_kept(day_of(now))}))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
