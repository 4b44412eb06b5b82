"""Tables derived from users, bets and the ledger; `manage.py update_leaderboard --rebuild` makes them anew.

All but UserTotals, which a trigger keeps.

No foreign key to users: a million look-ups an update, and locks on rows that bets need, for what is derived.
"""

from django.db import models
from django.db.models import F, Q

from core.columns import credits_column
from leaderboard.rules import Period


class UserDay(models.Model):
    """What a user staked on markets, and realized, on a UTC day. Days that nothing shows are added to UserMonth."""

    pk = models.CompositePrimaryKey("day", "user_id")
    day = models.DateField()
    user_id = models.UUIDField()
    volume = credits_column()
    realized_pnl = credits_column()

    class Meta:
        db_table = "user_days"
        indexes = [models.Index(fields=["user_id", "day"], name="user_days_by_user")]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(realized_pnl__lt=10**16), name="user_days_hold_numbers"),
            models.CheckConstraint(condition=Q(volume__gte=0, volume__lt=10**16), name="user_days_volume_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.user_id}"


class UserMonth(models.Model):
    """What a user staked, and realized, on those days of a UTC month that are no longer in `user_days`."""

    pk = models.CompositePrimaryKey("user_id", "month")
    user_id = models.UUIDField()
    month = models.DateField()
    volume = credits_column()
    realized_pnl = credits_column()

    class Meta:
        db_table = "user_months"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(realized_pnl__lt=10**16), name="user_months_hold_numbers"),
            models.CheckConstraint(
                condition=Q(volume__gte=0, volume__lt=10**16), name="user_months_volume_not_negative"
            ),
            models.CheckConstraint(condition=Q(month__day=1), name="user_months_begin_a_month"),
        ]

    def __str__(self) -> str:
        return f"{self.month} {self.user_id}"


class UserTotals(models.Model):
    """How many bets a user placed, and how many of them are won and lost: kept by a trigger of `bets`, never late."""

    user_id = models.UUIDField(primary_key=True)
    bets = models.IntegerField(db_default=0)
    won = models.IntegerField(db_default=0)
    lost = models.IntegerField(db_default=0)

    class Meta:
        db_table = "user_totals"
        constraints = [
            models.CheckConstraint(
                condition=Q(won__gte=0, lost__gte=0, bets__gte=F("won") + F("lost")), name="user_totals_add_up"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.bets}"


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


class Order(models.TextChoices):
    """What the boards of a period are ordered by."""

    PNL = "pnl"
    VOLUME = "volume"


class Standing(models.Model):
    """The figures that a user is ranked by in a period, as of its last count. Ranks follow: docs/adr/0006.

    Negated, so that (figure, created_at, user_id) ascends in the order of the ranks: of equals the earlier account is
    first. A table of its own for each period, `standings_<period>_a` or `_b`.
    """

    pk = models.CompositePrimaryKey("user_id", "period")
    period = models.CharField(max_length=5, choices=Period)
    user_id = models.UUIDField()
    created_at = models.DateTimeField()
    minus_pnl = credits_column()
    minus_volume = credits_column()

    class Meta:
        db_table = "standings"
        indexes = [
            models.Index(fields=["minus_pnl", "created_at", "user_id"], include=["period"], name="standings_by_pnl"),
            models.Index(
                fields=["minus_volume", "created_at", "user_id"], include=["period"], name="standings_by_volume"
            ),
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(minus_pnl__lt=10**16, minus_volume__lt=10**16), name="standings_hold_numbers"
            ),
            models.CheckConstraint(condition=Q(period__in=Period.values), name="standings_period_known"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.user_id}"


class Milestone(models.Model):
    """A place in the order of a board, and how many standings come before it; every so many of them there is one."""

    pk = models.CompositePrimaryKey("period", "order", "figure", "created_at", "user_id")
    period = models.CharField(max_length=5, choices=Period)
    order = models.CharField(max_length=6, choices=Order)
    figure = credits_column()
    created_at = models.DateTimeField()
    user_id = models.UUIDField()
    passed = models.IntegerField()

    class Meta:
        db_table = "milestones"
        indexes = [models.Index(fields=["period", "order", "passed"], name="milestones_by_place")]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(figure__lt=10**16), name="milestones_hold_numbers"),
            models.CheckConstraint(condition=Q(period__in=Period.values), name="milestones_period_known"),
            models.CheckConstraint(condition=Q(order__in=Order.values), name="milestones_order_known"),
            models.CheckConstraint(condition=Q(passed__gte=0), name="milestones_passed_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.order} {self.passed}"


class StaleStanding(models.Model):
    """A user whose standings may differ from what they were counted from; gone once all periods are counted."""

    user_id = models.UUIDField()

    class Meta:
        db_table = "stale_standings"

    def __str__(self) -> str:
        return str(self.user_id)


class LeftOutUser(models.Model):
    """Who was suspended or staff at the last count: whoever no longer is has to be ranked again."""

    user_id = models.UUIDField(primary_key=True)

    class Meta:
        db_table = "left_out_users"

    def __str__(self) -> str:
        return str(self.user_id)
