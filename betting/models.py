from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q

from core.columns import TOO_MANY_CREDITS, credits_column
from core.db.sql import new_id
from markets.models import Market


def odds_column() -> "models.DecimalField[Any, Any]":
    """Return a column for a probability between 0 and 1, both excluded."""
    return models.DecimalField(max_digits=5, decimal_places=4)


def rounded_down(exact: Any) -> Func:
    """Return an expression rounded as `betting.pricing` rounds credits: down, to 2 decimals."""
    return Func(exact, function="trunc", template="trunc(%(expressions)s, 2)", output_field=credits_column())


def rounded_up_odds(exact: Any) -> Func:
    """Return an expression rounded as `betting.pricing` rounds an average price that is paid: up, to 4 decimals."""
    return Func(
        exact,
        function="ceil",
        template="(ceil((%(expressions)s) * 10000) / 10000)",
        output_field=models.DecimalField(max_digits=5, decimal_places=4),
    )


OPEN_STAKE = F("amount") - F("sold_amount")
OPEN_SHARES = F("shares") - F("sold_shares")


class Bet(models.Model):
    """A bet on one side of a market. Its terms never change (a trigger refuses it); what became of it may.

    It bought `shares`, which pay 1 credit each if the side wins; those that are open are `shares - sold_shares`, what
    they cost, the stake, `amount - sold_amount`. `sold_amount`, `sold_shares` and `sold_payout` are the sums of its
    sales. `on_curve`: bought from a market maker, so that `odds_at_bet` is an average price, rounded up to be shown;
    otherwise the odds are exact, and shares are what the stake buys at them, rounded down.
    `actual_payout` is what settlement paid for the stake. `sale_count` and `settlement_count` number what may happen
    again: the `occurrence` of the next sale, or settlement, in the ledger.
    """

    class Side(models.TextChoices):
        THIS = "this"
        THAT = "that"

    class Status(models.TextChoices):
        PENDING = "pending"
        WON = "won"
        LOST = "lost"
        SOLD = "sold"  # all of it
        CANCELLED = "cancelled"  # the market was invalid: the stake was refunded

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The indexes below begin with these.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="bets")
    market = models.ForeignKey(Market, models.PROTECT, db_index=False, related_name="bets")
    side = models.CharField(max_length=4, choices=Side)
    amount = credits_column()
    odds_at_bet = odds_column()
    shares = credits_column()
    on_curve = models.BooleanField(default=False, db_default=False)
    actual_payout = credits_column(null=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING, db_default=Status.PENDING)
    placed_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    sold_amount = credits_column(default=0, db_default=0)
    sold_shares = credits_column(default=0, db_default=0)
    sold_payout = credits_column(default=0, db_default=0)
    sale_count = models.IntegerField(default=0, db_default=0)
    settlement_count = models.IntegerField(default=0, db_default=0)

    class Meta:
        db_table = "bets"
        # Ids grow with time: newest first is by id.
        indexes = [
            models.Index("user", F("id").desc(), name="bets_of_user"),
            models.Index("user", "status", F("id").desc(), name="bets_of_user_by_status"),
            models.Index("user", "market", F("id").desc(), name="bets_of_user_by_market"),
            models.Index("market", F("id").desc(), name="bets_of_market"),
            models.Index(fields=["market", "id"], condition=Q(status="pending"), name="bets_pending_of_market"),
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(
                    shares__lt=TOO_MANY_CREDITS,
                    sold_amount__lt=TOO_MANY_CREDITS,
                    sold_shares__lt=TOO_MANY_CREDITS,
                    sold_payout__lt=TOO_MANY_CREDITS,
                    actual_payout__lt=TOO_MANY_CREDITS,
                ),
                name="bets_hold_numbers",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lt=TOO_MANY_CREDITS), name="bets_amount_positive"),
            models.CheckConstraint(condition=Q(odds_at_bet__gt=0, odds_at_bet__lt=1), name="bets_odds_in_range"),
            models.CheckConstraint(
                condition=Q(on_curve=False, shares=rounded_down(F("amount") / F("odds_at_bet")))
                | Q(on_curve=True, shares__gt=F("amount"), odds_at_bet=rounded_up_odds(F("amount") / F("shares"))),
                name="bets_payout_is_stake_over_odds",
            ),
            # What is open: at exact odds what the rest of the stake buys, else its part of the shares; rounded down.
            models.CheckConstraint(
                condition=Q(on_curve=False, sold_shares=F("shares") - rounded_down(OPEN_STAKE / F("odds_at_bet")))
                | Q(on_curve=True, sold_shares=F("shares") - rounded_down(F("shares") * OPEN_STAKE / F("amount"))),
                name="bets_sold_shares_follow_the_stake",
            ),
            models.CheckConstraint(condition=Q(side__in=["this", "that"]), name="bets_side_known"),
            # "Not null" is to be said: a check that is NULL lets the row in.
            models.CheckConstraint(
                condition=Q(status="pending", actual_payout__isnull=True, resolved_at__isnull=True)
                | Q(status="sold", actual_payout__isnull=True, resolved_at__isnull=False)
                | Q(
                    status="won",
                    actual_payout__isnull=False,
                    actual_payout=F("shares") - F("sold_shares"),
                    resolved_at__isnull=False,
                )
                | Q(status="lost", actual_payout__isnull=False, actual_payout=0, resolved_at__isnull=False)
                | Q(
                    status="cancelled",
                    actual_payout__isnull=False,
                    actual_payout=F("amount") - F("sold_amount"),
                    resolved_at__isnull=False,
                )
                # Where sales brought more than the subsidy, there is less than the stakes to return.
                | Q(
                    status="cancelled",
                    on_curve=True,
                    actual_payout__isnull=False,
                    actual_payout__range=(0, F("amount") - F("sold_amount")),
                    resolved_at__isnull=False,
                ),
                name="bets_status_and_outcome",
            ),
            models.CheckConstraint(
                condition=Q(status="sold", sold_amount=F("amount"))
                | (~Q(status="sold") & Q(sold_amount__lt=F("amount"))),
                name="bets_sold_means_nothing_at_stake",
            ),
            models.CheckConstraint(
                condition=Q(sale_count=0, sold_amount=0, sold_payout=0)
                | Q(
                    sale_count__gt=0,
                    sold_amount__gt=0,
                    sold_amount__lte=F("amount"),
                    sold_payout__gte=0,
                    sold_payout__lte=F("sold_shares"),
                ),
                name="bets_sales_in_range",
            ),
            models.CheckConstraint(
                condition=Q(settlement_count__gt=0)
                | (Q(settlement_count=0) & ~Q(status__in=["won", "lost", "cancelled"])),
                name="bets_settlements_counted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} on {self.side} at {self.odds_at_bet}"


class BetSale(models.Model):
    """The sale of a part of a bet, or of all that was left of it. Rows are never changed nor deleted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it.
    bet = models.ForeignKey(Bet, models.PROTECT, db_index=False, related_name="sales")
    occurrence = models.IntegerField()  # 0, 1, 2… of a bet; the same in the ledger
    amount = credits_column()  # of the stake
    shares = credits_column()
    odds = odds_column()
    payout = credits_column()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "bet_sales"
        constraints = [
            models.UniqueConstraint(fields=["bet", "occurrence"], name="bet_sales_once"),
            models.CheckConstraint(condition=Q(occurrence__gte=0), name="bet_sales_occurrence_not_negative"),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=TOO_MANY_CREDITS), name="bet_sales_amount_positive"
            ),
            models.CheckConstraint(
                condition=Q(shares__gte=0, shares__lt=TOO_MANY_CREDITS), name="bet_sales_shares_not_negative"
            ),
            models.CheckConstraint(condition=Q(odds__gt=0, odds__lt=1), name="bet_sales_odds_in_range"),
            models.CheckConstraint(
                condition=Q(payout__gte=0, payout__lt=TOO_MANY_CREDITS), name="bet_sales_payout_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} at {self.odds} for {self.payout}"


class MarketMaker(models.Model):
    """What prices a house market (`betting.lmsr`): changed by each bet and sale, under the market's exclusive lock.

    `b`, `tilt`: the curve. `subsidy`: the most that the house can lose, which lies in escrow (`HouseEntry`). `q_this`,
    `q_that`: the shares that aren't sold. `collected`: what was paid for bets, less what sales brought. `open_stake`:
    the stakes that aren't sold. Settlement changes none of it.
    """

    # Kept as digits, since every price follows from them.
    market = models.OneToOneField(Market, models.PROTECT, primary_key=True, related_name="maker")
    b = models.DecimalField(max_digits=24, decimal_places=8)
    tilt = models.DecimalField(max_digits=30, decimal_places=20)
    subsidy = credits_column()
    q_this = credits_column(default=0, db_default=0)
    q_that = credits_column(default=0, db_default=0)
    collected = credits_column(default=0, db_default=0)
    open_stake = credits_column(default=0, db_default=0)

    class Meta:
        db_table = "market_makers"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(b__gt=0, b__lt=TOO_MANY_CREDITS, subsidy__gt=0, subsidy__lt=TOO_MANY_CREDITS)
                & Q(tilt__gt=-(10**9), tilt__lt=10**9, collected__lt=TOO_MANY_CREDITS)
                & Q(q_this__gte=0, q_this__lt=TOO_MANY_CREDITS, q_that__gte=0, q_that__lt=TOO_MANY_CREDITS)
                & Q(open_stake__gte=0, open_stake__lt=TOO_MANY_CREDITS),
                name="market_makers_hold_numbers",
            ),
            models.CheckConstraint(
                condition=Q(q_this__lte=F("collected") + F("subsidy"), q_that__lte=F("collected") + F("subsidy")),
                name="market_makers_lose_the_subsidy_at_most",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}: {self.subsidy}"


class Settlement(models.Model):
    """The settlement of a market: how many bets were settled how, and what was paid, so far.

    A market that is over has one; another, of the next `generation`, where the one before was reversed. It is
    unfinished while there are bets to settle that haven't failed (SettlementFailure).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it.
    market = models.ForeignKey(Market, models.PROTECT, db_index=False, related_name="settlements")
    generation = models.IntegerField()
    resolution = models.CharField(max_length=7, choices=Market.Resolution)
    won = models.IntegerField(default=0)
    lost = models.IntegerField(default=0)
    cancelled = models.IntegerField(default=0)
    paid = credits_column(default=0)  # to those that won
    refunded = credits_column(default=0)  # stakes returned
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    reversed_at = models.DateTimeField(null=True)
    # Null also for a reversal by whoever has the command line.
    reversed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False)
    reversal_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "settlements"
        indexes = [
            models.Index(
                fields=["market"],
                condition=Q(finished_at__isnull=True, reversed_at__isnull=True),
                name="settlements_unfinished",
            )
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(paid__lt=TOO_MANY_CREDITS, refunded__lt=TOO_MANY_CREDITS), name="settlements_hold_numbers"
            ),
            models.UniqueConstraint(fields=["market", "generation"], name="settlements_once"),
            models.UniqueConstraint(
                fields=["market"], condition=Q(reversed_at__isnull=True), name="settlements_one_in_force"
            ),
            models.CheckConstraint(
                condition=Q(generation__gte=0, won__gte=0, lost__gte=0, cancelled__gte=0, paid__gte=0, refunded__gte=0),
                name="settlements_figures_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(resolution="invalid", won=0, lost=0, paid=0)
                | Q(resolution__in=["this", "that"], cancelled=0, refunded=0),
                name="settlements_figures_fit_resolution",
            ),
            models.CheckConstraint(
                condition=Q(reversed_at__isnull=True, reversed_by__isnull=True, reversal_reason="")
                | (Q(reversed_at__isnull=False) & ~Q(reversal_reason="")),
                name="settlements_reversed_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resolution}: {self.won} won, {self.lost} lost, {self.cancelled} cancelled"


class SettlementRecord(models.Model):
    """What a settlement came to when it was finished, or reversed: a chain of all of them, written by triggers alone.

    `state` is the settlement's row; `hash`: SHA-256 of this row and the hash before. Evidence, which stays as it is
    whatever becomes of the settlement: it has no foreign key.
    """

    sequence = models.BigIntegerField(primary_key=True)
    settlement_id = models.UUIDField(db_index=True)
    state = models.JSONField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "settlement_records"

    def __str__(self) -> str:
        return f"{self.sequence}: {self.settlement_id}"


class SettlementFailure(models.Model):
    """A failed settlement: a bet that the database refused to settle, skipped until staff have it retried."""

    bet = models.OneToOneField(Bet, models.PROTECT, primary_key=True, related_name="settlement_failure")
    market = models.ForeignKey(Market, models.PROTECT, related_name="settlement_failures")
    error = models.CharField(max_length=500)
    failed_at = models.DateTimeField()

    class Meta:
        db_table = "settlement_failures"

    def __str__(self) -> str:
        return f"{self.bet_id}: {self.error}"
