"""Tables derived from users, bets and the ledger; `manage.py update_leaderboard --rebuild` makes them anew.

All but UserTotals, which a trigger keeps.

No foreign key to users: a million look-ups an update, and locks on rows that bets need, for what is derived.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import F, Q

from core.columns import credits_column
from leaderboard.rules import Period
from markets.polymarket.parsing import CATEGORY_MAX


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


class MilestoneFields(models.Model):
    """A place in the order of a board, and how many standings come before it; every so many of them there is one."""

    order = models.CharField(max_length=6, choices=Order)
    figure = credits_column()
    created_at = models.DateTimeField()
    user_id = models.UUIDField()
    passed = models.IntegerField()

    class Meta:
        abstract = True


class Milestone(MilestoneFields):
    """A milestone of the board of a period."""

    pk = models.CompositePrimaryKey("period", "order", "figure", "created_at", "user_id")
    period = models.CharField(max_length=5, choices=Period)

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


# Boards of market categories, of all time: the same tables, by category instead of by period


class MarketCategory(models.Model):
    """The category that bets on a market count for: the market's own, as of the last count. Of markets bet on alone."""

    market_id = models.UUIDField(primary_key=True)
    category = models.CharField(max_length=CATEGORY_MAX)

    class Meta:
        db_table = "market_categories"

    def __str__(self) -> str:
        return f"{self.market_id}: {self.category}"


class CategoryBoard(models.Model):
    """When the ranks of a category were counted, and how many users they rank."""

    category = models.CharField(max_length=CATEGORY_MAX, primary_key=True)
    total = models.IntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "category_boards"
        constraints = [models.CheckConstraint(condition=Q(total__gte=0), name="category_boards_total_not_negative")]

    def __str__(self) -> str:
        return f"{self.category}: {self.total}"


class CategoryStanding(models.Model):
    """The figures of a user's bets on markets of a category; as Standing otherwise."""

    pk = models.CompositePrimaryKey("user_id", "category")
    category = models.CharField(max_length=CATEGORY_MAX)
    user_id = models.UUIDField()
    created_at = models.DateTimeField()
    minus_pnl = credits_column()
    minus_volume = credits_column()

    class Meta:
        db_table = "category_standings"
        indexes = [
            models.Index(fields=["category", "minus_pnl", "created_at", "user_id"], name="category_standings_by_pnl"),
            models.Index(
                fields=["category", "minus_volume", "created_at", "user_id"], name="category_standings_by_volume"
            ),
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(minus_pnl__lt=10**16, minus_volume__lt=10**16), name="category_standings_hold_numbers"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.user_id}"


class CategoryMilestone(MilestoneFields):
    """A milestone of the board of a category."""

    pk = models.CompositePrimaryKey("category", "order", "figure", "created_at", "user_id")
    category = models.CharField(max_length=CATEGORY_MAX)

    class Meta:
        db_table = "category_milestones"
        indexes = [models.Index(fields=["category", "order", "passed"], name="category_milestones_by_place")]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(figure__lt=10**16), name="category_milestones_hold_numbers"),
            models.CheckConstraint(condition=Q(order__in=Order.values), name="category_milestones_order_known"),
            models.CheckConstraint(condition=Q(passed__gte=0), name="category_milestones_passed_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.order} {self.passed}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a board covers, and where it is: rows of these tables that have `key` in the column `column`."""

    column: str
    key: str
    boards: type[Board | CategoryBoard]
    standings: str
    milestones: str

    @classmethod
    def of_period(cls, period: Period) -> "Scope":
        """Return the scope of all that users did in a period."""
        return cls("period", str(period), Board, "standings", "milestones")

    @classmethod
    def of_category(cls, category: str) -> "Scope":
        """Return the scope of bets on markets of a category, whenever placed. The category is in lower case."""
        return cls("category", category, CategoryBoard, "category_standings", "category_milestones")

    def find_board(self) -> "Board | CategoryBoard | None":
        """Return the board; None where it hasn't been counted yet, or there is no such category."""
        return self.boards.objects.filter(pk=self.key).first()

    def sql(self, template: str, **parts: Any) -> str:
        """Return a statement with the scope's tables, and `parts`, in the places that the template has for them."""
        boards = self.boards._meta.db_table  # noqa: SLF001 - Django's documented API
        tables = {"boards": boards, "standings": self.standings, "milestones": self.milestones}
        return template.format(scope=self.column, **tables, **parts)


EVER = Scope.of_period(Period.ALL)
