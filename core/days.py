"""UTC days, by which leaderboards and the dashboard count. Their SQL has them as `AT TIME ZONE 'UTC'`."""

from datetime import UTC, date, datetime, time, timedelta

A_DAY = timedelta(days=1)
# A row's time is taken before its transaction commits; none of ours runs nearly so long.
LATEST_COMMIT = timedelta(hours=1)


def day_of(moment: datetime) -> date:
    """Return the UTC day of a moment."""
    return moment.astimezone(UTC).date()


def midnight(day: date) -> datetime:
    """Return the moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)
