"""What markets' odds were: points of every minute, points of every hour, and which markets were backfilled.

Both tables of points are partitioned by time; Django knows no such tables, so a migration makes them. No foreign key
to markets, of which none is ever deleted: it would cost a look-up a point.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

# Odds are stored as whole numbers of 1/10000, in two bytes each.
UNIT = 10_000


class Point(models.Model):
    """Odds, bid and ask of THIS at a time. Rows are added, never changed.

    `bid`, `ask`: null where only the odds are known, and of house markets, whose prices follow from the odds.
    `is_backfilled`: what Polymarket says it was, not what was seen here.
    """

    pk = models.CompositePrimaryKey("market_id", "recorded_at")
    market_id = models.UUIDField()
    recorded_at = models.DateTimeField()
    this_odds = models.SmallIntegerField()
    bid = models.SmallIntegerField(null=True)
    ask = models.SmallIntegerField(null=True)
    is_backfilled = models.BooleanField(default=False, db_default=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.market_id} at {self.recorded_at}: {self.this_odds}"


def in_range(table: str) -> models.CheckConstraint:
    condition = Q(this_odds__range=(0, UNIT), bid__range=(0, UNIT), ask__range=(0, UNIT))
    return models.CheckConstraint(condition=condition, name=f"{table}_in_range")


class MarketPoint(Point):
    """At most one a minute, none while nothing changes, and one for each change of a house market's odds.

    A partition a week, thinned to hours and dropped after two weeks.
    """

    class Meta:
        db_table = "market_points"
        # Points come in the order of time: a few bytes for each range of pages find those of an hour.
        indexes = [
            BrinIndex(fields=["recorded_at"], name="market_points_by_time", pages_per_range=32, autosummarize=True)
        ]
        constraints = [in_range("market_points")]


class MarketHourlyPoint(Point):
    """The last point of each hour that has any, and the first and the last of a market. Kept for ever.

    A partition a quarter.
    """

    class Meta:
        db_table = "market_hourly_points"
        constraints = [in_range("market_hourly_points")]


class MarketBackfill(models.Model):
    """When a market's history was last requested from Polymarket, and whether it was sent."""

    market = models.OneToOneField("markets.Market", models.CASCADE, primary_key=True, related_name="backfill")
    tried_at = models.DateTimeField()
    is_done = models.BooleanField()

    class Meta:
        db_table = "market_backfills"

    def __str__(self) -> str:
        return f"{self.market_id} at {self.tried_at}"
