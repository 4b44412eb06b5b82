"""Numbers, times and schedules as a person reads them."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

STEPS = (
    (timedelta(days=1), "day", "d"),
    (timedelta(hours=1), "hour", "h"),
    (timedelta(minutes=1), "minute", "min"),
    (timedelta(seconds=1), "second", "s"),
)


def thousands(number: Decimal | int) -> str:
    """Whole, with commas: credits beside a unit."""
    return f"{number:,.0f}".replace("-", "\N{MINUS SIGN}")


def named(thing: str, number: Decimal | int) -> str:
    """One thing, or many things."""
    return thing if number == 1 else f"{thing}s"


def how_many(number: int, thing: str) -> str:
    return f"{number:,} {named(thing, number)}"


def lasting(length: timedelta) -> str:
    """In its largest unit, rounded down: "3 min"."""
    step, _, unit = largest(length)
    return f"{max(length // step, 0):,} {unit}"


def largest(length: timedelta) -> tuple[timedelta, str, str]:
    return next((step for step in STEPS if length >= step[0]), STEPS[-1])


def ago(moment: datetime | None, *, now: datetime) -> str:
    return f"{lasting(now - moment)} ago" if moment else "never"


def taking(length: timedelta | None) -> str:
    """How long a run took."""
    if length is None:
        return ""
    seconds = length.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else lasting(length)  # noqa: PLR2004


def when(job: PeriodicTask) -> str:
    """A job's schedule."""
    if job.interval:
        return every(job.interval)
    return at(job.crontab) if job.crontab else "never"


def every(interval: IntervalSchedule) -> str:
    length = timedelta(**{interval.period: interval.every})
    step, name, _ = largest(length)
    return f"every {name}" if length == step else f"every {how_many(length // step, name)}"


def at(times: CrontabSchedule) -> str:
    """Once or a few times a day, or as the cron expression says."""
    minutes, hours = times.minute.split(","), times.hour.split(",")
    days = (times.day_of_month, times.month_of_year, times.day_of_week)
    if not all(number.isdigit() for number in (*minutes, *hours)) or days != ("*", "*", "*"):
        said: str = times.human_readable.removesuffix(f" {times.timezone}")
        return said[:1].lower() + said[1:]
    clock = [f"{int(hour):02}:{int(minute):02}" for hour, minute in product(hours, minutes)]
    return f"daily at {' and '.join(clock)} {times.timezone}"
