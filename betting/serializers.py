"""Bets as the contract shows them, and the schemas of requests and responses.

Orders are validated in `betting.orders`; their serializers here only describe them in OpenAPI. Times of rows come from
PostgreSQL as text; current odds and values are those of the stored odds.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from betting.models import Bet
from betting.orders import MarketSnapshot, position_value
from betting.rules import LIST_LIMIT, LIST_LIMIT_MAX, OFFSET_MAX
from core.api.json import iso_utc
from core.api.requests import parse_uuid
from core.api.serializers import response_schema as answer
from markets.models import Market
from markets.selectors import CONDITION_ID

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
        if not parse_uuid(text) and not CONDITION_ID.fullmatch(text):
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


# -- Rendering

ISO_UTC = """to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
ODDS_NOW = "CASE bet.side WHEN 'this' THEN market.this_odds ELSE market.that_odds END"
# The contract's names, in its order, and where they come from.
BET_FIELDS = {
    "id": "bet.id",
    "userId": "bet.user_id",
    "marketId": "bet.market_id",
    "side": "bet.side",
    "amount": "bet.amount",
    "oddsAtBet": "bet.odds_at_bet",
    "potentialPayout": "bet.potential_payout",
    "actualPayout": "bet.actual_payout",
    "status": "bet.status",
    "placedAt": ISO_UTC.format(column="bet.placed_at"),
    "resolvedAt": ISO_UTC.format(column="bet.resolved_at"),
    "soldAmount": "bet.sold_amount",
    "soldPayout": "bet.sold_payout",
    "currentOdds": ODDS_NOW,
    # `orders.position_value` of the stake; a bet that is over has none.
    "currentValue": "CASE bet.status WHEN 'pending' THEN "
    f"trunc((bet.amount - bet.sold_amount) * {ODDS_NOW} / bet.odds_at_bet, 2) ELSE 0.00 END",
}
MARKET_FIELDS = {
    "id": "market.id",
    "title": "market.title",
    "thisOption": "market.this_option",
    "thatOption": "market.that_option",
    "status": "market.status",
    "resolution": "market.resolution",
    "resolvedAt": ISO_UTC.format(column="market.resolved_at"),
    "expiresAt": ISO_UTC.format(column="market.expires_at"),
    "imageUrl": "market.image_url",
}
BET_COLUMNS = ", ".join((*BET_FIELDS.values(), *MARKET_FIELDS.values()))
BET_NAMES, MARKET_NAMES = tuple(BET_FIELDS), tuple(MARKET_FIELDS)


def render_bet(row: Sequence[Any]) -> dict[str, Any]:
    """Return a row of BET_COLUMNS as the contract's Bet."""
    bet = dict(zip(BET_NAMES, row, strict=False))
    bet["market"] = dict(zip(MARKET_NAMES, row[len(BET_NAMES) :], strict=True))
    return bet


def render_placed_bet(bet: dict[str, Any], market: MarketSnapshot, *, placed_at: datetime) -> dict[str, Any]:
    """Return a bet that was just placed as the contract's Bet, without reading it again: its odds are the current."""
    current = {"current_odds": bet["odds_at_bet"], "odds_at_bet": bet["odds_at_bet"]}
    return {
        "id": bet["id"],
        "userId": bet["user_id"],
        "marketId": market.id,
        "side": bet["side"],
        "amount": bet["amount"],
        "oddsAtBet": bet["odds_at_bet"],
        "potentialPayout": bet["potential_payout"],
        "actualPayout": None,
        "status": "pending",
        "placedAt": iso_utc(placed_at),
        "resolvedAt": None,
        "soldAmount": Decimal("0.00"),
        "soldPayout": Decimal("0.00"),
        "currentOdds": bet["odds_at_bet"],
        "currentValue": position_value(bet["amount"], **current),
        "market": render_bet_market(market),
    }


def render_bet_market(market: MarketSnapshot) -> dict[str, Any]:
    return {
        "id": market.id,
        "title": market.title,
        "thisOption": market.this_option,
        "thatOption": market.that_option,
        "status": market.status,
        "resolution": market.resolution,
        "resolvedAt": market.resolved_at,
        "expiresAt": market.expires_at,
        "imageUrl": market.image_url,
    }


# -- Responses


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
