"""Requests and responses of bets. BetSerializer is the one declaration of a bet's fields.

Orders are validated in `betting.orders`; their serializers here only describe them in OpenAPI.
"""

from typing import Any

from rest_framework import serializers

from betting import rules
from betting.models import Bet
from betting.orders import CENT, REFERENCE_MAX
from core.api.serializers import CreditsField, OddsField, ResourceSerializer, offset_page_schema, response_schema
from markets.models import Market

CURRENT_ODDS = "CASE bet.side WHEN 'this' THEN market.this_odds ELSE market.that_odds END"


class QuoteRequest(serializers.Serializer[dict[str, Any]]):
    marketId = serializers.CharField(
        max_length=REFERENCE_MAX, trim_whitespace=False, help_text="Our UUID or Polymarket's condition id."
    )
    side = serializers.ChoiceField(choices=Bet.Side.choices)
    amount = CreditsField(
        min_value=rules.MIN_BET_AMOUNT,
        max_value=rules.MAX_BET_AMOUNT,
        help_text=f"{rules.MIN_BET_AMOUNT:,} to {rules.MAX_BET_AMOUNT:,}, at most 2 decimals; a number, not a string.",
    )
    minOdds = OddsField(required=False, allow_null=True, help_text="Refused below them.")
    maxOdds = OddsField(
        required=False,
        allow_null=True,
        help_text="Refused above them. Where `pricing` is `lmsr` they bound the average price, which without them may "
        f"be {rules.MAX_SLIPPAGE} above the price before the bet.",
    )


class BetRequest(QuoteRequest):
    """The same: what is quoted can be placed."""


class SaleRequest(serializers.Serializer[dict[str, Any]]):
    amount = CreditsField(
        min_value=CENT,
        required=False,
        allow_null=True,
        help_text="How much of the stake; without it, all that is left.",
    )
    minOdds = OddsField(required=False, allow_null=True, help_text="Refused below them.")


class SaleQuoteRequest(SaleRequest):
    """The same: what is quoted can be sold."""


class BetMarketSerializer(ResourceSerializer):
    """What a bet shows of its market."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    thisOption = serializers.CharField(source="this_option")
    thatOption = serializers.CharField(source="that_option")
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    imageUrl = serializers.URLField(source="image_url")
    thisOdds = OddsField(source="this_odds")
    thatOdds = OddsField(source="that_odds")
    category = serializers.CharField()

    class Meta:
        alias = "market"


class BetSerializer(ResourceSerializer):
    """A bet. Its current odds and value are those of the market's stored odds."""

    # To add a field: a line here, and its SQL below where it is no column of `bets`.
    id = serializers.UUIDField()
    userId = serializers.UUIDField(source="user_id")
    marketId = serializers.UUIDField(source="market_id")
    side = serializers.ChoiceField(choices=Bet.Side.choices)
    amount = CreditsField()
    oddsAtBet = OddsField(source="odds_at_bet")
    potentialPayout = CreditsField(source="shares", help_text="Of the whole stake, when none of it is sold.")
    actualPayout = CreditsField(source="actual_payout", allow_null=True, help_text="What settlement paid.")
    status = serializers.ChoiceField(choices=Bet.Status.choices)
    placedAt = serializers.DateTimeField(source="placed_at")
    resolvedAt = serializers.DateTimeField(
        source="resolved_at", allow_null=True, help_text="When it was settled, or the last of it sold."
    )
    soldAmount = CreditsField(source="sold_amount", help_text="How much of the stake has been sold.")
    soldPayout = CreditsField(source="sold_payout", help_text="What those sales brought.")
    currentOdds = OddsField(source="current_odds")
    currentValue = CreditsField(source="current_value", help_text="Of the stake that is left, at `currentOdds`.")
    shares = CreditsField(help_text="Contracts bought, which pay 1 credit each.")
    remainingAmount = CreditsField(source="remaining_amount", help_text="The stake that is still open.")
    remainingPayout = CreditsField(source="remaining_payout", help_text="What it pays if the side wins.")
    market = BetMarketSerializer()

    class Meta:
        alias = "bet"
        aliases = {"sharesReceived": "shares", "priceAtBet": "oddsAtBet"}
        expressions = {
            "remaining_amount": "CASE bet.status WHEN 'pending' THEN bet.amount - bet.sold_amount ELSE 0.00 END",
            "remaining_payout": "CASE bet.status WHEN 'pending' THEN bet.shares - bet.sold_shares ELSE 0.00 END",
            "current_odds": CURRENT_ODDS,
            # `pricing.position_value` of the stake, or of the shares; a bet that is over has none.
            "current_value": f"""CASE WHEN bet.status <> 'pending' THEN 0.00
                WHEN bet.on_curve THEN trunc((bet.shares - bet.sold_shares) * {CURRENT_ODDS}, 2)
                ELSE trunc((bet.amount - bet.sold_amount) * {CURRENT_ODDS} / bet.odds_at_bet, 2) END""",
        }


class QuoteSerializer(serializers.Serializer[dict[str, Any]]):
    odds = OddsField(help_text="What a share costs; on average, where `pricing` is `lmsr`, rounded up.")
    potentialPayout = CreditsField()
    profit = CreditsField()
    bid = OddsField(help_text="At which the side could be sold.")
    ask = OddsField(help_text="At which it is bought: `odds`, or where `pricing` is `lmsr`, the next share.")
    spread = OddsField()
    shares = CreditsField(help_text="Contracts that pay 1 credit each: `potentialPayout`.")
    oddsAfter = OddsField(help_text="What the next share would cost after the bet: `odds`, unless `pricing` is `lmsr`.")
    priceImpact = OddsField(
        max_value=None, max_digits=9, help_text="How far `odds`, the average price, are above `ask`, as a part of it."
    )
    asOf = serializers.DateTimeField()
    validFor = serializers.IntegerField(help_text="Seconds after which the odds count as too old.")


class SaleQuoteSerializer(serializers.Serializer[dict[str, Any]]):
    creditsReturned = CreditsField()
    odds = OddsField(help_text="What a share brings; on average, where `pricing` is `lmsr`.")
    oddsAfter = OddsField(help_text="What the next share would bring.")
    asOf = serializers.DateTimeField()
    validFor = serializers.IntegerField(help_text="Seconds after which the odds count as too old.")


SaleQuoteResponse = response_schema("SaleQuoteResponse", quote=SaleQuoteSerializer())
QuoteResponse = response_schema("QuoteResponse", quote=QuoteSerializer())
BetResponse = response_schema("BetResponse", bet=BetSerializer())
PlacedBetResponse = response_schema(
    "PlacedBetResponse", bet=BetSerializer(), newBalance=CreditsField(), potentialPayout=CreditsField()
)
SALE_ALIASES = {"creditsReceived": "creditsReturned"}
SoldBetResponse = response_schema(
    "SoldBetResponse",
    SALE_ALIASES,
    bet=BetSerializer(),
    creditsReturned=CreditsField(),
    newBalance=CreditsField(),
    currentValue=CreditsField(help_text="Of the stake that is left, at the odds of this sale."),
    profit=CreditsField(help_text="What the sale brought, less the part of the stake that was sold."),
    priceImpact=OddsField(
        min_value=None,
        max_value=None,
        max_digits=9,
        help_text="How much less than at the odds shown the sale was priced at, as a part of those: 0.02 is 2 %. "
        "Below 0 where it was more.",
    ),
)
BetListResponse = response_schema("BetListResponse", bets=BetSerializer(many=True), **offset_page_schema())
