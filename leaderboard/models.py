"""What is derived here from users, bets and the journal; `manage.py update_leaderboard --rebuild` makes it anew.

No foreign key to users: a million look-ups a recompute, and locks on rows that bets need, for what is derived.
"""

from typing import Any

from django.db import models
from django.db.models import Q

from leaderboard.periods import Period


def credits_column() -> "models.DecimalField[Any, Any]":
    return models.DecimalField(max_digits=18, decimal_places=2)


class UserDay(models.Model):
    """What a user staked on markets, and realized, on a UTC day. Over all days: the user's volume and overall_pnl."""

    pk = models.CompositePrimaryKey("day", "user_id")
    day = models.DateField()
    user_id = models.UUIDField()
    volume = credits_column()
    realized_pnl = credits_column()

    class Meta:
        db_table = "user_days"
        constraints = [
            models.CheckConstraint(condition=Q(volume__gte=0, volume__lt=10**16), name="user_days_volume_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.user_id}"


class Board(models.Model):
    """When the ranks of a period were counted, for which span, and how many users they rank."""

    period = models.CharField(max_length=5, choices=Period, primary_key=True)
    first_day = models.DateField()
    total = models.IntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "boards"
        constraints = [
            models.CheckConstraint(condition=Q(period__in=Period.values), name="boards_period_known"),
            models.CheckConstraint(condition=Q(total__gte=0), name="boards_total_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.period}: {self.total}"


class Rank(models.Model):
    """A user's place in a period: 1 to the board's total, without gaps, and the figures that it was given for.

    That no place is given twice is no constraint: while places change, rows pass through each other's.
    """

    pk = models.CompositePrimaryKey("period", "user_id")
    period = models.CharField(max_length=5, choices=Period)
    user_id = models.UUIDField()
    rank_by_pnl = models.IntegerField()
    rank_by_volume = models.IntegerField()
    overall_pnl = credits_column()
    total_volume = credits_column()

    class Meta:
        db_table = "ranks"
        indexes = [
            models.Index(fields=["period", "rank_by_pnl"], name="ranks_by_pnl"),
            models.Index(fields=["period", "rank_by_volume"], name="ranks_by_volume"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(period__in=Period.values), name="ranks_period_known"),
            models.CheckConstraint(condition=Q(rank_by_pnl__gte=1, rank_by_volume__gte=1), name="ranks_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.user_id}"
