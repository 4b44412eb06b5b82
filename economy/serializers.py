"""Requests and responses of the economy; each resource's fields are declared once here."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from core.api.serializers import (
    CreditsField,
    ResourceSerializer,
    SharesField,
    next_page_schema,
    offset_page_schema,
    response_schema,
)
from economy.models import Counterparty, TransactionType
from economy.rules import LEVERAGE_MAX, TOO_MANY_SHARES
from economy.stocks.models import Stock, StockTransaction
from economy.stocks.price_policy import leverage_limit
from economy.stocks.valuation import SHARE, percent

# The ledger, rewards and referrals


class TransactionSerializer(ResourceSerializer):
    """A ledger entry, as its user sees it."""

    id = serializers.UUIDField()
    amount = CreditsField(help_text="Positive to the user, negative from the user.")
    transactionType = serializers.ChoiceField(source="transaction_type", choices=TransactionType.choices)
    referenceId = serializers.UUIDField(
        source="reference_id", help_text="The bet, purchase, reward, trade or user it is about."
    )
    balanceAfter = CreditsField(source="balance_after")
    description = serializers.CharField()
    createdAt = serializers.DateTimeField(source="created_at")
    sequence = serializers.IntegerField(help_text="1, 2, 3 … of the user's entries.")
    counterparty = serializers.ChoiceField(choices=Counterparty.choices)
    occurrence = serializers.IntegerField(help_text="Numbers what may happen to a reference again.")
    hash = serializers.CharField(
        help_text="SHA-256, in hexadecimal, of this entry and the hash of the entry before: docs/ledger.md."
    )

    class Meta:
        alias = "entry"
        expressions = {"hash": "encode(entry.hash, 'hex')"}


class ReferredUserSerializer(ResourceSerializer):
    """A user who signed up with the current user's code."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    joinedAt = serializers.DateTimeField(source="created_at")


count = serializers.IntegerField
TRANSACTION_LIST_ALIASES = {"data": "transactions"}
TransactionListResponse = response_schema(
    "TransactionListResponse",
    TRANSACTION_LIST_ALIASES,
    transactions=TransactionSerializer(many=True),
    **offset_page_schema(),
    **next_page_schema(),
)
DailyCreditsResponse = response_schema(
    "DailyCreditsResponse",
    creditsAwarded=CreditsField(help_text="0 where this UTC day was rewarded already."),
    consecutiveDays=count(),
    nextAvailableAt=serializers.DateTimeField(help_text="The next midnight, UTC."),
    newBalance=CreditsField(),
)
ReferralsResponse = response_schema(
    "ReferralsResponse",
    referralCode=serializers.CharField(),
    referralCount=count(),
    referralCreditsEarned=CreditsField(),
    referredUsers=ReferredUserSerializer(many=True),
)

# Proof of the ledger


class InvariantSerializer(ResourceSerializer):
    """What the last audit found about an invariant; docs/ledger.md says what each is."""

    name = serializers.CharField()
    holds = serializers.BooleanField()
    checked = serializers.IntegerField(help_text="How many were examined.")


class AnchorSerializer(ResourceSerializer):
    """An anchor: an hourly hash over every user's last entry, and over the anchor before."""

    sequence = serializers.IntegerField()
    hash = serializers.CharField(help_text="SHA-256, in hexadecimal.")
    anchoredAt = serializers.DateTimeField(source="anchored_at")


CounterpartiesSerializer = inline_serializer(
    "Counterparties", {str(account): CreditsField(max_digits=24) for account in Counterparty}
)
ProofResponse = response_schema(
    "ProofResponse",
    asOf=serializers.DateTimeField(
        allow_null=True, help_text="The time of the newest anchor, whose numbers these are; null before the first."
    ),
    circulation=CreditsField(max_digits=24, help_text="What all users have; with the counterparties it adds up to 0."),
    counterparties=CounterpartiesSerializer,
    entries=count(),
    users=count(),
    invariants=InvariantSerializer(many=True),
    auditedAt=serializers.DateTimeField(allow_null=True),
    head=AnchorSerializer(allow_null=True),
    previous=AnchorSerializer(many=True, help_text="The anchors before, newest first."),
)
MyProofResponse = response_schema(
    "MyProofResponse",
    userId=serializers.UUIDField(help_text="What the hash of the first entry begins with."),
    balance=CreditsField(),
    entries=count(),
    head=serializers.CharField(allow_null=True, help_text="The hash of the newest entry; null without entries."),
)

# Orders of stocks: numbers are JSON numbers, read exactly, and never a float on the way


class ExactNumberField(serializers.Field[Decimal, Any, Decimal, Any]):
    """A JSON number from `low` to `high`; raises ValidationError for anything else, a text of digits too."""

    default_error_messages = serializers.DecimalField.default_error_messages

    def __init__(self, *, low: Decimal, high: Decimal, **options: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, Decimal):
            self.fail("invalid")
        # Before anything is computed with it: it may have any number of digits.
        if data < self.low:
            self.fail("min_value", min_value=f"{self.low:f}")
        if data > self.high:
            self.fail("max_value", max_value=f"{self.high:f}")
        return data

    def to_representation(self, value: Decimal) -> Decimal:
        return value


@extend_schema_field(SharesField(min_value=SHARE))
class OrderedSharesField(ExactNumberField):
    """How many shares: at least the smallest part of one, at most 8 decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(low=SHARE, high=Decimal(TOO_MANY_SHARES) - SHARE, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        shares = super().to_internal_value(data)
        rounded = shares.quantize(SHARE)
        if rounded != shares:
            self.fail("max_decimal_places", max_decimal_places=8)
        return rounded


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": LEVERAGE_MAX})
class LeverageField(ExactNumberField):
    """A whole number, from 1 to what a stock may allow at most."""

    default_error_messages = {"not_whole": serializers.IntegerField.default_error_messages["invalid"]}

    def __init__(self, **options: Any) -> None:
        super().__init__(low=Decimal(1), high=Decimal(LEVERAGE_MAX), **options)

    def to_internal_value(self, data: Any) -> Decimal:
        leverage = super().to_internal_value(data)
        if leverage != int(leverage):
            self.fail("not_whole")
        return leverage


class StockSaleRequest(serializers.Serializer[dict[str, Any]]):
    stockId = serializers.UUIDField(source="stock_id")
    shares = OrderedSharesField(help_text="Above 0, at most 8 decimals; a number, not a string.")


class StockPurchaseRequest(StockSaleRequest):
    leverage = LeverageField(
        default=1, help_text="1 to the stock's maxLeverage, whole; the same for all shares of a holding."
    )


# Stocks


class StockSerializer(ResourceSerializer):
    """A stock that users can own shares of."""

    # Statements that select it join its prices `first` and `earlier`: `economy.selectors.STOCKS`.
    id = serializers.UUIDField()
    symbol = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    currentPrice = SharesField(source="current_price", help_text="Credits a share.")
    totalSupply = SharesField(source="total_supply")
    circulatingSupply = SharesField(source="circulating_supply", help_text="What users hold.")
    availableSupply = SharesField(source="available_supply", help_text="What can still be bought.")
    marketCap = CreditsField(source="market_cap", help_text="The price of what users hold, rounded down.")
    maxLeverage = serializers.IntegerField(source="max_leverage")
    status = serializers.ChoiceField(choices=Stock.Status.choices, help_text="Only an active stock can be bought.")
    priceChange24h = CreditsField(
        source="price_24h_ago",
        help_text="In percent of the price 24 hours ago, or of the first price, if that is younger.",
    )
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        alias = "stock"
        expressions = {
            "available_supply": "stock.total_supply - stock.circulating_supply",
            "market_cap": "trunc(stock.current_price * stock.circulating_supply, 2)",
            "price_24h_ago": "coalesce(earlier.price, first.price)",
        }

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> dict[str, Any]:
        """Return the stock as JSON values; the change of its price is computed from the price that was selected."""
        stock = super().from_row(row)
        price, before = stock["currentPrice"], stock["priceChange24h"]
        stock["maxLeverage"] = leverage_limit(stock["maxLeverage"])
        return stock | {"priceChange24h": percent(price - before, before)}


class StockTransactionSerializer(ResourceSerializer):
    """A trade, signed and chained to the user's trade before it."""

    id = serializers.UUIDField()
    userId = serializers.UUIDField(source="user_id")
    stockId = serializers.UUIDField(source="stock_id")
    type = serializers.ChoiceField(choices=StockTransaction.Type.choices)
    shares = SharesField()
    pricePerShare = SharesField(source="price_per_share")
    totalAmount = CreditsField(source="total_amount", help_text="Credits paid, or received.")
    leverage = serializers.IntegerField()
    transactionHash = serializers.CharField(
        source="transaction_hash", help_text="Signs the trade and the user's trade before it."
    )
    signedAt = serializers.DateTimeField(source="created_at")
    balanceBefore = CreditsField(source="balance_before")
    balanceAfter = CreditsField(source="balance_after")
    createdAt = serializers.DateTimeField(source="created_at")


class HoldingSerializer(ResourceSerializer):
    """What the user has of a stock after a trade."""

    id = serializers.UUIDField(source="holding_id")
    userId = serializers.UUIDField(source="user_id")
    stockId = serializers.UUIDField(source="stock_id")
    shares = SharesField()
    averageBuyPrice = SharesField(source="average_price")
    totalInvested = CreditsField(source="invested")
    leverage = serializers.IntegerField()
    createdAt = serializers.DateTimeField(source="opened_at")
    updatedAt = serializers.DateTimeField(source="traded_at")


class PositionSerializer(ResourceSerializer):
    """A holding in the portfolio, with its stock and what it is worth."""

    id = serializers.UUIDField(source="holding_id")
    stock = StockSerializer()
    shares = SharesField()
    averageBuyPrice = SharesField(source="average_price")
    totalInvested = CreditsField(source="invested")
    leverage = serializers.IntegerField()
    currentValue = CreditsField(source="current_value", help_text="What selling all of it would bring.")
    profit = CreditsField()
    profitPercent = CreditsField(source="profit_percent", help_text="Of what was invested.")

    @classmethod
    def from_object(cls, instance: Any, **values: Any) -> dict[str, Any]:
        """Return the position as JSON values, its stock where the contract has it rather than at the end."""
        position = super().from_object(instance, **values)
        return {name: position[name] for name in cls._declared_fields}


class BalancesSerializer(serializers.Serializer[dict[str, Any]]):
    creditBalance = CreditsField()
    availableCredits = CreditsField()
    lockedCredits = CreditsField(help_text="The stake in open bets.")
    stockValue = CreditsField(help_text="What selling all shares would bring.")
    netWorth = CreditsField(help_text="Balance, stake in open bets and stock value together.")


StockListResponse = response_schema("StockListResponse", stocks=StockSerializer(many=True))
BoughtSharesResponse = response_schema(
    "BoughtSharesResponse",
    transaction=StockTransactionSerializer(),
    holding=HoldingSerializer(),
    newBalance=CreditsField(),
)
SoldSharesResponse = response_schema(
    "SoldSharesResponse",
    transaction=StockTransactionSerializer(),
    holding=HoldingSerializer(allow_null=True, help_text="What is left of it; null when all is sold."),
    newBalance=CreditsField(),
    profit=CreditsField(),
)
PortfolioResponse = response_schema(
    "PortfolioResponse", portfolio=PositionSerializer(many=True), balances=BalancesSerializer()
)
