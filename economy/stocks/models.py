from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from core.columns import TOO_MANY_CREDITS, credits_column
from core.db.sql import new_id
from economy.rules import GREATEST_WORTH, LEVERAGE_MAX, TOO_MANY_SHARES


def shares_column(**options: Any) -> "models.DecimalField[Any, Any]":
    """Shares, or a price in credits a share."""
    return models.DecimalField(max_digits=18, decimal_places=8, **options)


def exact_column() -> "models.DecimalField[Any, Any]":
    """Shares times their price, in credits, with all the decimals that the product has."""
    return models.DecimalField(max_digits=36, decimal_places=16)


class Stock(models.Model):
    """What users can own shares of, at a price that staff set. `circulating_supply` is the sum of all holdings."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        HALTED = "halted"  # may be sold, not bought
        DELISTED = "delisted"  # the same, for good

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    symbol = models.CharField(max_length=10, unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    current_price = shares_column()
    price_sequence = models.IntegerField()  # of the row of stock_prices that it is
    total_supply = shares_column()
    circulating_supply = shares_column(default=0, db_default=0)
    max_leverage = models.SmallIntegerField(default=1, db_default=1)
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "stocks"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(current_price__lt=TOO_MANY_SHARES, circulating_supply__lt=TOO_MANY_SHARES),
                name="stocks_hold_numbers",
            ),
            models.CheckConstraint(condition=Q(symbol__regex=r"^[A-Z0-9]{1,10}$"), name="stocks_symbol_valid"),
            models.CheckConstraint(condition=Q(current_price__gt=0), name="stocks_price_positive"),
            models.CheckConstraint(
                condition=Q(circulating_supply__gte=0, circulating_supply__lte=F("total_supply")),
                name="stocks_supply_capped",
            ),
            models.CheckConstraint(
                condition=Q(total_supply__gt=0, total_supply__lt=TOO_MANY_SHARES), name="stocks_supply_positive"
            ),
            models.CheckConstraint(
                condition=Q(max_leverage__gte=1, max_leverage__lte=LEVERAGE_MAX), name="stocks_leverage_in_range"
            ),
            models.CheckConstraint(
                condition=Q(current_price__lt=GREATEST_WORTH / (F("total_supply") * F("max_leverage"))),
                name="stocks_worth_fits",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "halted", "delisted"]), name="stocks_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.current_price}"


class StockPrice(models.Model):
    """A change of a stock's price: when, who and why. The first is the stock's own. Rows are never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    stock = models.ForeignKey(Stock, models.PROTECT, db_index=False, related_name="prices")
    sequence = models.IntegerField()  # 1, 2, 3… of a stock
    price = shares_column()
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+"
    )  # None: the catalogue, or a command
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "stock_prices"
        indexes = [models.Index(F("stock"), F("created_at").desc(), F("sequence").desc(), name="stock_prices_by_time")]
        constraints = [
            models.UniqueConstraint(fields=["stock", "sequence"], name="stock_prices_sequence_unique"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="stock_prices_sequence_positive"),
            models.CheckConstraint(
                condition=Q(price__gt=0, price__lt=TOO_MANY_SHARES), name="stock_prices_price_positive"
            ),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="stock_prices_reason_given"),
        ]

    def __str__(self) -> str:
        return f"{self.price}: {self.reason}"


class StockStatusChange(models.Model):
    """A change of a stock's status by staff: when, who (None: a command) and why. Rows are never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    stock = models.ForeignKey(Stock, models.PROTECT, db_index=False, related_name="status_changes")
    sequence = models.IntegerField()  # 1, 2, 3… of a stock
    status = models.CharField(max_length=8, choices=Stock.Status)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, db_index=False, related_name="+")
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "stock_status_changes"
        constraints = [
            models.UniqueConstraint(fields=["stock", "sequence"], name="stock_status_changes_sequence_unique"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="stock_status_changes_sequence_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["active", "halted", "delisted"]), name="stock_status_changes_status_known"
            ),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="stock_status_changes_reason_given"),
        ]

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"


class StockHolding(models.Model):
    """Shares that a user has of a stock; gone when all are sold.

    `invested` is what was paid for them, `exact_cost` the sum of shares times price before it was rounded up to that:
    divided by the shares, the average price. `economy.stocks.valuation` says what a holding is worth.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="holdings")
    stock = models.ForeignKey(Stock, models.PROTECT, related_name="holdings")
    shares = shares_column()
    invested = credits_column()
    exact_cost = exact_column()
    leverage = models.SmallIntegerField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "stock_holdings"
        constraints = [
            models.UniqueConstraint(fields=["user", "stock"], name="stock_holdings_one_a_stock"),
            models.CheckConstraint(
                condition=Q(shares__gt=0, shares__lt=TOO_MANY_SHARES), name="stock_holdings_shares_positive"
            ),
            models.CheckConstraint(
                condition=Q(invested__gte=0, invested__lt=TOO_MANY_CREDITS), name="stock_holdings_invested_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(exact_cost__gte=0, exact_cost__lt=GREATEST_WORTH),
                name="stock_holdings_cost_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(leverage__gte=1, leverage__lte=LEVERAGE_MAX), name="stock_holdings_leverage_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shares} for {self.invested}"


class StockTransaction(models.Model):
    """A trade, signed and chained to the user's trade before it. Rows are never changed nor deleted.

    `total_amount` is what moved between the user's balance and the counterparty `stocks`. `invested` and `exact_cost`
    are the part of the holding that the trade added or took away.
    """

    class Type(models.TextChoices):
        BUY = "buy"
        SELL = "sell"
        LIQUIDATION = "liquidation"  # the price fell until the holding was worth nothing

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The unique constraint's index begins with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, db_index=False, related_name="+")
    sequence = models.BigIntegerField()  # 1, 2, 3… of a user
    stock = models.ForeignKey(Stock, models.PROTECT, db_index=False, related_name="+")
    type = models.CharField(max_length=11, choices=Type)
    shares = shares_column()
    price_per_share = shares_column()
    total_amount = credits_column()
    invested = credits_column()
    exact_cost = exact_column()
    leverage = models.SmallIntegerField()
    balance_before = credits_column()
    balance_after = credits_column()
    created_at = models.DateTimeField()
    key_id = models.CharField(max_length=32)
    previous_hash = models.CharField(max_length=64, blank=True)  # empty: the user's first
    transaction_hash = models.CharField(max_length=64)

    class Meta:
        db_table = "stock_transactions"
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(total_amount__lt=TOO_MANY_CREDITS), name="stock_transactions_hold_numbers"
            ),
            models.UniqueConstraint(fields=["user", "sequence"], name="stock_transactions_sequence_unique"),
            models.UniqueConstraint(fields=["transaction_hash"], name="stock_transactions_hash_unique"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="stock_transactions_sequence_positive"),
            models.CheckConstraint(
                condition=Q(shares__gt=0, shares__lt=TOO_MANY_SHARES), name="stock_transactions_shares_positive"
            ),
            models.CheckConstraint(
                condition=Q(price_per_share__gt=0, price_per_share__lt=TOO_MANY_SHARES),
                name="stock_transactions_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(invested__gte=0, invested__lt=TOO_MANY_CREDITS, exact_cost__gte=0)
                & Q(exact_cost__lt=GREATEST_WORTH, leverage__gte=1, leverage__lte=LEVERAGE_MAX),
                name="stock_transactions_terms_in_range",
            ),
            models.CheckConstraint(
                condition=Q(type="buy", total_amount__gt=0, invested=F("total_amount"))
                & Q(balance_after=F("balance_before") - F("total_amount"))
                | Q(type="sell", total_amount__gte=0, balance_after=F("balance_before") + F("total_amount"))
                | Q(type="liquidation", total_amount=0, balance_after=F("balance_before")),
                name="stock_transactions_amounts_agree",
            ),
            models.CheckConstraint(
                condition=Q(balance_before__gte=0, balance_before__lt=TOO_MANY_CREDITS)
                & Q(balance_after__gte=0, balance_after__lt=TOO_MANY_CREDITS),
                name="stock_transactions_balances_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(sequence=1, previous_hash="") | Q(sequence__gt=1, previous_hash__regex="^[0-9a-f]{64}$"),
                name="stock_transactions_first_follows_nothing",
            ),
            models.CheckConstraint(
                condition=Q(transaction_hash__regex="^[0-9a-f]{64}$"), name="stock_transactions_hash_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.shares} at {self.price_per_share}"
