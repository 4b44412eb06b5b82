"""The numbers of the leaderboards, and the periods that they cover."""

from datetime import date, timedelta

from django.db import models

LIMIT, LIMIT_MAX = 100, 1_000
OFFSET_MAX = 2_000_000_000  # what a rank may be; any page costs the same
SURROUNDING = 10  # how many others are shown around the current user
CACHED_SECONDS = 10  # a page; a changed name, or a suspended user, may show for so long
SPACING = 128  # from one milestone to the next when they are laid: who is read to find one place
FARTHEST_APART = 4 * SPACING  # where others have come between them
KEPT_DAYS = 400  # of user_days: a history goes back a year; what is older is added up by month


class Period(models.TextChoices):
    """Days are UTC's, weeks begin on Monday, months on the first."""

    ALL = "all"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


# The names that older clients have for the periods.
TIME_FILTERS = {"all": Period.ALL, "daily": Period.DAY, "weekly": Period.WEEK, "monthly": Period.MONTH}


class Interval(models.TextChoices):
    """Of a user's history of profit: the last 7, 30 or 365 UTC days, or all its months, under two names."""

    WEEK = "1w"
    MONTH = "1m"
    YEAR = "1y"
    ALL = "all"
    MAX = "max"


INTERVAL_DAYS = {Interval.WEEK: 7, Interval.MONTH: 30, Interval.YEAR: 365}


def first_day(period: Period, today: date) -> date:
    """Return the day on which the period that `today` is part of began."""
    match period:
        case Period.DAY:
            return today
        case Period.WEEK:
            return today - timedelta(days=today.weekday())
        case Period.MONTH:
            return today.replace(day=1)
        case _:
            return date.min
