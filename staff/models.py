"""Counts for the dashboard, derived from ledger entries and open bets by a job, so that no page reads those."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django_celery_beat.models import PeriodicTask

from core.columns import credits_column
from markets.models import Market


def sum_column(**options: Any) -> "models.DecimalField[Any, Any]":
    """Return a column for a sum of many users' credits."""
    return credits_column(max_digits=20, **options)


class Job(PeriodicTask):  # type: ignore[misc]
    """An entry of beat's schedule, by the name that staff read."""

    class Meta:
        proxy = True
        default_permissions = ()

    def __str__(self) -> str:
        words: str = self.name.replace("-", " ")
        return words[:1].upper() + words[1:]

    @property
    def switch_label(self) -> str:
        """Return what the button that switches it is called."""
        return "Switch off" if self.enabled else "Switch on"


class CountedDay(models.Model):
    """A UTC day of the ledger: when it was last counted, and how many users bet, traded or bought on it."""

    day = models.DateField(primary_key=True)
    active_users = models.IntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        db_table = "counted_days"
        constraints = [
            models.CheckConstraint(condition=Q(active_users__gte=0), name="counted_days_users_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.day}"


class LedgerDay(models.Model):
    """Sums of a UTC day's ledger entries by type and counterparty account: credits given to users, taken from them."""

    pk = models.CompositePrimaryKey("day", "transaction_type", "counterparty")
    day = models.DateField()
    transaction_type = models.CharField(max_length=20)
    counterparty = models.CharField(max_length=10)
    transfers = models.BigIntegerField()
    given = sum_column()
    taken = sum_column()

    class Meta:
        db_table = "ledger_days"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(given__lt=10**18, taken__lt=10**18), name="ledger_days_hold_numbers"),
            models.CheckConstraint(
                condition=Q(transfers__gte=1, given__gte=0, taken__gte=0), name="ledger_days_sums_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.transaction_type}"


class LedgerHour(models.Model):
    """The same of an hour, for as long as its day may still change: a day is summed from its hours."""

    pk = models.CompositePrimaryKey("begins_at", "transaction_type", "counterparty")
    begins_at = models.DateTimeField()
    transaction_type = models.CharField(max_length=20)
    counterparty = models.CharField(max_length=10)
    transfers = models.BigIntegerField()
    given = sum_column()
    taken = sum_column()

    class Meta:
        db_table = "ledger_hours"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(condition=Q(given__lt=10**18, taken__lt=10**18), name="ledger_hours_hold_numbers"),
        ]

    def __str__(self) -> str:
        return f"{self.begins_at} {self.transaction_type}"


class ActiveUser(models.Model):
    """Who did something on a UTC day, for as long as that day may still change."""

    pk = models.CompositePrimaryKey("day", "user_id")
    day = models.DateField()
    user_id = models.UUIDField()

    class Meta:
        db_table = "active_users"

    def __str__(self) -> str:
        return f"{self.day} {self.user_id}"


class MarketExposure(models.Model):
    """The open bets on a market that isn't over: their stakes, and what is owed if THIS or if THAT wins."""

    # Derived: no lock on a market that a bet needs.
    market = models.OneToOneField(
        Market, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="exposure"
    )
    bets = models.BigIntegerField()
    stake = sum_column()
    this_payout = sum_column()
    that_payout = sum_column()
    worst = models.GeneratedField(
        expression=Greatest("this_payout", "that_payout"), output_field=sum_column(), db_persist=True
    )

    class Meta:
        db_table = "market_exposures"
        indexes = [models.Index(F("worst").desc(), name="market_exposures_worst")]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(stake__lt=10**18, this_payout__lt=10**18, that_payout__lt=10**18, worst__lt=10**18),
                name="market_exposures_hold_numbers",
            ),
            models.CheckConstraint(
                condition=Q(bets__gte=1, stake__gt=0, this_payout__gte=0, that_payout__gte=0),
                name="market_exposures_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worst} on {self.market_id}"
