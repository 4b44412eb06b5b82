"""Format credits, odds, times, schedules, links and status labels for tables and facts."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import product

from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from accounts.models import User

DASH = "\N{EN DASH}"
# The words of all statuses there are, in the label's colours.
COLOURS = {
    "open": "info",
    "pending": "info",
    "active": "success",
    "won": "success",
    "resolved": "success",
    "finished": "success",
    "succeeded": "success",
    "running": "info",
    "failed": "danger",
    "abandoned": "danger",
    "closed": "warning",
    "halted": "warning",
    "unfinished": "warning",
    "reversed": "danger",
    "delisted": "danger",
    "needs staff": "danger",
    "staff": "primary",
    "applied": "success",
    "approved": "success",
    "completed": "success",
    "started": "info",
    "declined": "warning",
    "withdrawn": "warning",
    "refunded": "warning",
    "disputed": "danger",
    "suspended": "danger",
    "leaving": "warning",
    "far from 100%": "danger",
}


def user_status(user: User) -> str:
    """Return the user's status in a word, for a label."""
    if user.erased_at:
        return "erased"
    if user.is_leaving:
        return "leaving"
    return "active" if user.is_active else "suspended"


def format_credits(amount: Decimal | None) -> str:
    """Format credits with both decimals: "1,234.50"."""
    return DASH if amount is None else f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")


def format_percent(odds: Decimal) -> str:
    """Format odds, which are probabilities, as "62.5%"."""
    return f"{(odds * 100).normalize():f}%"


def format_time(moment: datetime | None, *, otherwise: str = DASH) -> str:
    """Format a time in UTC, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else otherwise


def format_minute(moment: datetime | None) -> str:
    """Format a time in UTC, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else DASH


def link_to(page: str, text: object, *args: object, query: str = "") -> SafeString:
    """Return a link to a page of the admin, by its URL's name and arguments."""
    address = reverse(f"admin:{page}", args=args) + (query and f"?{query}")
    return format_html('<a href="{}" class="font-medium text-primary-600 dark:text-primary-500">{}</a>', address, text)


@cache
def status_label(status: str) -> SafeString:
    """Return a status as a coloured label."""
    text = status.replace("_", " ")
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": COLOURS.get(text, "default")})


def change_url(thing: Model) -> str:
    """Return the address of a row's page."""
    opts = thing._meta  # noqa: SLF001 - Django's, for everybody
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[thing.pk])


def list_url(model: type[Model]) -> str:
    """Return the address of a model's list."""
    opts = model._meta  # noqa: SLF001 - Django's, for everybody
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")


STEPS = (
    (timedelta(days=1), "day", "d"),
    (timedelta(hours=1), "hour", "h"),
    (timedelta(minutes=1), "minute", "min"),
    (timedelta(seconds=1), "second", "s"),
)


def format_integer(number: Decimal | int) -> str:
    """Format credits beside a unit: whole, with commas."""
    return f"{number:,.0f}".replace("-", "\N{MINUS SIGN}")


def plural(thing: str, number: Decimal | int) -> str:
    """Return the noun for one thing or for many things."""
    return thing if number == 1 else f"{thing}s"


def count_of(number: int, thing: str) -> str:
    return f"{number:,} {plural(thing, number)}"


def largest_unit(length: timedelta) -> str:
    """Format a duration in its largest unit, rounded down: "3 min"."""
    step, _, unit = largest(length)
    return f"{max(length // step, 0):,} {unit}"


def largest(length: timedelta) -> tuple[timedelta, str, str]:
    return next((step for step in STEPS if length >= step[0]), STEPS[-1])


def time_ago(moment: datetime | None, *, now: datetime) -> str:
    return f"{largest_unit(now - moment)} ago" if moment else "never"


def format_duration(length: timedelta | None) -> str:
    """Format how long a run took."""
    if length is None:
        return ""
    seconds = length.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 60 else largest_unit(length)  # noqa: PLR2004


def when(job: PeriodicTask) -> str:
    """Format a job's schedule."""
    if job.interval:
        return every(job.interval)
    return at(job.crontab) if job.crontab else "never"


def every(interval: IntervalSchedule) -> str:
    length = timedelta(**{interval.period: interval.every})
    step, name, _ = largest(length)
    return f"every {name}" if length == step else f"every {count_of(length // step, name)}"


def at(times: CrontabSchedule) -> str:
    """Format a crontab: once or a few times a day, else the cron expression."""
    minutes, hours = times.minute.split(","), times.hour.split(",")
    days = (times.day_of_month, times.month_of_year, times.day_of_week)
    if not all(number.isdigit() for number in (*minutes, *hours)) or days != ("*", "*", "*"):
        said: str = times.human_readable.removesuffix(f" {times.timezone}")
        return said[:1].lower() + said[1:]
    times_of_day = [f"{int(hour):02}:{int(minute):02}" for hour, minute in product(hours, minutes)]
    return f"daily at {' and '.join(times_of_day)} {times.timezone}"
