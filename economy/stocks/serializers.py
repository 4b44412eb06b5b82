"""Shapes in, checked; shapes out, for the schema: rows are rendered as the database gives them."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from economy.serializers import CREDITS
from economy.stocks.models import Stock, StockTransaction
from economy.stocks.parsing import Leverage, Shares

SHARES: dict[str, Any] = {"max_digits": 18, "decimal_places": 8, "coerce_to_string": False}
SharesNumber = extend_schema_field(serializers.DecimalField(**SHARES))(Shares)
LeverageNumber = extend_schema_field(OpenApiTypes.INT)(Leverage)


class StockSaleRequest(serializers.Serializer[dict[str, Any]]):
    stockId = serializers.UUIDField(source="stock_id")
    shares = SharesNumber(help_text="Above 0, at most 8 decimals; a number, not a string.")


class StockPurchaseRequest(StockSaleRequest):
    leverage = LeverageNumber(
        default=1, help_text="1 to the stock's maxLeverage, whole; the same for all shares of a holding."
    )


class StockSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    symbol = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    currentPrice = serializers.DecimalField(**SHARES, help_text="Credits a share.")
    totalSupply = serializers.DecimalField(**SHARES)
    circulatingSupply = serializers.DecimalField(**SHARES, help_text="What users hold.")
    availableSupply = serializers.DecimalField(**SHARES, help_text="What can still be bought.")
    marketCap = serializers.DecimalField(**CREDITS, help_text="The price of what users hold, rounded down.")
    maxLeverage = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Stock.Status.choices, help_text="Only an active stock can be bought.")
    priceChange24h = serializers.DecimalField(
        **CREDITS, help_text="In percent of the price 24 hours ago, or of the first price, if that is younger."
    )
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class StockTransactionSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    userId = serializers.UUIDField()
    stockId = serializers.UUIDField()
    type = serializers.ChoiceField(choices=StockTransaction.Type.choices)
    shares = serializers.DecimalField(**SHARES)
    pricePerShare = serializers.DecimalField(**SHARES)
    totalAmount = serializers.DecimalField(**CREDITS, help_text="Credits paid, or received.")
    leverage = serializers.IntegerField()
    transactionHash = serializers.CharField(help_text="Signs the trade and the user's trade before it.")
    signedAt = serializers.DateTimeField()
    balanceBefore = serializers.DecimalField(**CREDITS)
    balanceAfter = serializers.DecimalField(**CREDITS)
    createdAt = serializers.DateTimeField()


class HoldingSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    userId = serializers.UUIDField()
    stockId = serializers.UUIDField()
    shares = serializers.DecimalField(**SHARES)
    averageBuyPrice = serializers.DecimalField(**SHARES)
    totalInvested = serializers.DecimalField(**CREDITS)
    leverage = serializers.IntegerField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class PositionSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    stock = StockSchema()
    shares = serializers.DecimalField(**SHARES)
    averageBuyPrice = serializers.DecimalField(**SHARES)
    totalInvested = serializers.DecimalField(**CREDITS)
    leverage = serializers.IntegerField()
    currentValue = serializers.DecimalField(**CREDITS, help_text="What selling all of it would bring.")
    profit = serializers.DecimalField(**CREDITS)
    profitPercent = serializers.DecimalField(**CREDITS, help_text="Of what was invested.")


class BalancesSchema(serializers.Serializer[dict[str, Any]]):
    creditBalance = serializers.DecimalField(**CREDITS)
    availableCredits = serializers.DecimalField(**CREDITS)
    lockedCredits = serializers.DecimalField(**CREDITS, help_text="The stake in open bets.")
    stockValue = serializers.DecimalField(**CREDITS, help_text="What selling all shares would bring.")
    netWorth = serializers.DecimalField(**CREDITS, help_text="Balance, stake in open bets and stock value together.")


def answer(name: str, **fields: Any) -> serializers.Serializer[Any]:
    """The schema of a success."""
    return inline_serializer(name, {"success": serializers.BooleanField(), **fields})


def amount() -> serializers.DecimalField:
    return serializers.DecimalField(**CREDITS)


StockList = answer("StockList", stocks=StockSchema(many=True))
Bought = answer(
    "BoughtSharesAnswer", transaction=StockTransactionSchema(), holding=HoldingSchema(), newBalance=amount()
)
Sold = answer(
    "SoldSharesAnswer",
    transaction=StockTransactionSchema(),
    holding=HoldingSchema(allow_null=True, help_text="What is left of it; null when all is sold."),
    newBalance=amount(),
    profit=amount(),
)
PortfolioAnswer = answer("PortfolioAnswer", portfolio=PositionSchema(many=True), balances=BalancesSchema())
