"""The spans of time that a leaderboard may cover. Days are UTC's, weeks begin on Monday, months on the first."""

from datetime import UTC, date, datetime, timedelta

from django.db import models


class Period(models.TextChoices):
    ALL = "all"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


THE_FIRST_DAY = date.min


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def first_day(period: Period, today: date) -> date:
    """The day that the period of which `today` is part began on."""
    match period:
        case Period.DAY:
            return today
        case Period.WEEK:
            return today - timedelta(days=today.weekday())
        case Period.MONTH:
            return today.replace(day=1)
        case _:
            return THE_FIRST_DAY
