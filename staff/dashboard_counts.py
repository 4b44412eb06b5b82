"""Counts what the dashboard shows: the hours since the last count, their days, and goes on where it stopped."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Min

from core.db.transactions import run_transaction
from economy.models import CreditTransaction
from staff import dashboard_sql as sql
from staff.models import ActiveUser, CountedDay, LedgerDay, LedgerHour, MarketExposure

# A row's time is taken before its transaction commits; none of ours runs nearly so long.
LATEST_COMMIT = timedelta(hours=1)
A_DAY = timedelta(days=1)


def count(*, now: datetime) -> dict[str, int]:
    """Reads what happened since the last count, and the open bets of the markets concerned; all of history at first."""
    last = CountedDay.objects.order_by("-day").first()
    # Before the days, which say since when: dying in between leaves nothing out.
    since = last.counted_at - LATEST_COMMIT if last else None
    markets = run_transaction(partial(count_exposures, since))
    spans = list(spans_to_count(start_after(last) if last else first_moment(now), now=now))
    for from_at, until_at in spans:
        run_transaction(partial(count_span, from_at, until_at, now))
    run_transaction(partial(forget, day_of(now) - A_DAY))
    return {"days": len(spans), "markets": markets}


def recount(*, now: datetime) -> dict[str, int]:
    """The same from nothing."""
    run_transaction(empty)
    return count(now=now)


def empty() -> None:
    for table in (CountedDay, LedgerDay, LedgerHour, ActiveUser, MarketExposure):
        table.objects.all().delete()


def start_after(last: CountedDay) -> datetime:
    """The hour in which something may have come since; `last`: the last day that was counted, when it was."""
    return hour_of(min(midnight(last.day + A_DAY), last.counted_at) - LATEST_COMMIT)


def first_moment(now: datetime) -> datetime:
    first = CreditTransaction.objects.aggregate(at=Min("created_at"))["at"]
    return midnight(day_of(min(first, now) if first else now))


def spans_to_count(from_at: datetime, *, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A day each, the first from its hour on."""
    while from_at <= now:
        until_at = midnight(day_of(from_at) + A_DAY)
        yield from_at, until_at
        from_at = until_at


def count_span(from_at: datetime, until_at: datetime, now: datetime) -> None:
    """The hours from then to the day's end, and the day, whose earlier hours are known."""
    day = day_of(from_at)
    span = {"day": day, "begins_at": midnight(day), "from_at": from_at, "until_at": until_at}
    for statement in (sql.COUNT_HOURS, sql.NOTE_ACTIVE, sql.COUNT_DAY, sql.COUNT_ACTIVE):
        execute(statement, {**span, "deeds": sql.DEEDS, "now": now})


def forget(day: date) -> None:
    """What only served to sum the days before; those won't change any more."""
    execute(sql.FORGET_HOURS, {"before": midnight(day)})
    execute(sql.FORGET_ACTIVE, {"day": day})


def count_exposures(since: datetime | None) -> int:
    """How many markets' exposures are different now."""
    statement = sql.COUNT_EXPOSURES.format(touched=sql.TOUCHED if since else sql.EVERY)
    return execute(statement, {"since": since} if since else {})


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def execute(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        touched: int = cursor.rowcount
        return touched
