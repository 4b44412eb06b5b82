"""Shapes of requests and answers. Orders are checked in `betting.orders`: of theirs only the schema is made here."""

from typing import Any

from rest_framework import serializers

from betting.models import Bet
from betting.rules import LIST_LIMIT, LIST_LIMIT_MAX, OFFSET_MAX
from core.api.serializers import response_schema as answer
from markets.models import Market
from markets.selectors import CONDITION_ID, as_uuid

ODDS: dict[str, Any] = {"max_digits": 5, "decimal_places": 4, "coerce_to_string": False, "min_value": 0, "max_value": 1}
CREDITS: dict[str, Any] = {"max_digits": 18, "decimal_places": 2, "coerce_to_string": False}


class BetsQuery(serializers.Serializer[dict[str, Any]]):
    status = serializers.ChoiceField(choices=Bet.Status.choices, required=False)
    marketId = serializers.CharField(
        source="market", max_length=200, required=False, help_text="Our UUID or the condition id."
    )
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)

    def validate_marketId(self, text: str) -> str:  # noqa: N802 - the contract's name
        if not as_uuid(text) and not CONDITION_ID.fullmatch(text):
            raise serializers.ValidationError("This names no market.", code="invalid")
        return text


class QuoteRequest(serializers.Serializer[dict[str, Any]]):
    marketId = serializers.CharField(max_length=200, help_text="Our UUID or Polymarket's condition id.")
    side = serializers.ChoiceField(choices=Bet.Side.choices)
    amount = serializers.DecimalField(**CREDITS, help_text="10 to 10,000, at most 2 decimals; a number, not a string.")
    minOdds = serializers.DecimalField(**ODDS, required=False, allow_null=True, help_text="Refused below them.")
    maxOdds = serializers.DecimalField(**ODDS, required=False, allow_null=True, help_text="Refused above them.")


class BetRequest(QuoteRequest):
    """The same: what is quoted can be placed."""


class SaleRequest(serializers.Serializer[dict[str, Any]]):
    amount = serializers.DecimalField(
        **CREDITS, required=False, allow_null=True, help_text="How much of the stake; without it, all that is left."
    )


class BetMarketSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    thisOption = serializers.CharField()
    thatOption = serializers.CharField()
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)
    resolvedAt = serializers.DateTimeField(allow_null=True)
    expiresAt = serializers.DateTimeField(allow_null=True)
    imageUrl = serializers.URLField()


class BetSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    userId = serializers.UUIDField()
    marketId = serializers.UUIDField()
    side = serializers.ChoiceField(choices=Bet.Side.choices)
    amount = serializers.DecimalField(**CREDITS)
    oddsAtBet = serializers.DecimalField(**ODDS)
    potentialPayout = serializers.DecimalField(**CREDITS, help_text="Of the whole stake, when none of it is sold.")
    actualPayout = serializers.DecimalField(**CREDITS, allow_null=True, help_text="What settlement paid.")
    status = serializers.ChoiceField(choices=Bet.Status.choices)
    placedAt = serializers.DateTimeField()
    resolvedAt = serializers.DateTimeField(allow_null=True, help_text="When it was settled, or the last of it sold.")
    soldAmount = serializers.DecimalField(**CREDITS, help_text="How much of the stake has been sold.")
    soldPayout = serializers.DecimalField(**CREDITS, help_text="What those sales brought.")
    currentOdds = serializers.DecimalField(**ODDS)
    currentValue = serializers.DecimalField(**CREDITS, help_text="Of what is still at stake, at `currentOdds`.")
    market = BetMarketSchema()


class QuoteSchema(serializers.Serializer[dict[str, Any]]):
    odds = serializers.DecimalField(**ODDS)
    potentialPayout = serializers.DecimalField(**CREDITS)
    profit = serializers.DecimalField(**CREDITS)
    asOf = serializers.DateTimeField()
    validFor = serializers.IntegerField(help_text="Seconds after which the odds count as too old.")


def credit() -> serializers.DecimalField:
    return serializers.DecimalField(**CREDITS)


def count() -> serializers.IntegerField:
    return serializers.IntegerField()


QuoteAnswer = answer("QuoteAnswer", quote=QuoteSchema())
BetAnswer = answer("BetAnswer", bet=BetSchema())
PlacedAnswer = answer("PlacedBetAnswer", bet=BetSchema(), newBalance=credit(), potentialPayout=credit())
SoldAnswer = answer(
    "SoldBetAnswer", bet=BetSchema(), creditsReturned=credit(), newBalance=credit(), currentValue=credit()
)
BetList = answer("BetList", bets=BetSchema(many=True), total=count(), limit=count(), offset=count())
