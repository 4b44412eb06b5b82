"""Counts what the dashboard shows, a day after the other, and goes on where it stopped."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Min

from economy.models import CreditTransaction
from thisthat.common.transactions import run_transaction
from thisthat.staff import dashboard_sql as sql
from thisthat.staff.models import CountedDay, LedgerDay, MarketExposure

# A row's time is taken before its transaction commits; none of ours runs nearly so long.
LATEST_COMMIT = timedelta(hours=1)
A_DAY = timedelta(days=1)


def count(*, now: datetime) -> dict[str, int]:
    """Reads what happened since the last count, and the open bets of the markets concerned; all of history at first."""
    last = CountedDay.objects.order_by("-day").first()
    since = last.counted_at - LATEST_COMMIT if last else None
    # Before the days, which say since when: dying in between leaves nothing out.
    markets = run_transaction(partial(count_exposures, since))
    days = list(days_to_count(last, now=now))
    for day in days:
        run_transaction(partial(count_day, day, now))
    return {"days": len(days), "markets": markets}


def recount(*, now: datetime) -> dict[str, int]:
    """The same from nothing."""
    run_transaction(empty)
    return count(now=now)


def empty() -> None:
    for table in (CountedDay, LedgerDay, MarketExposure):
        table.objects.all().delete()


def days_to_count(last: CountedDay | None, *, now: datetime) -> Iterator[date]:
    day = min(last.day, day_of(last.counted_at - LATEST_COMMIT)) if last else first_day(now)
    while day <= day_of(now):
        yield day
        day += A_DAY


def first_day(now: datetime) -> date:
    first = CreditTransaction.objects.aggregate(at=Min("created_at"))["at"]
    return day_of(min(first, now) if first else now)


def count_day(day: date, now: datetime) -> None:
    begins = datetime.combine(day, time(), UTC)
    span = {"day": day, "from_at": begins, "until_at": begins + A_DAY}
    execute(sql.ROOM, {})
    execute(sql.COUNT_DAY, span)
    execute(sql.COUNT_ACTIVE, {**span, "deeds": sql.DEEDS, "now": now})


def count_exposures(since: datetime | None) -> int:
    """How many markets' exposures are different now."""
    statement = sql.COUNT_EXPOSURES.format(touched=sql.TOUCHED if since else sql.EVERY)
    return execute(statement, {"since": since} if since else {})


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def execute(statement: str, parameters: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        touched: int = cursor.rowcount
        return touched
