"""Requests and responses of markets. MarketSerializer is the one declaration of a market's fields."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from core.api.serializers import CreditsField, LowerCaseField, OddsField, ResourceSerializer, response_schema
from markets.models import Market


class IngestRequest(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, required=False)
    category = LowerCaseField(max_length=50, required=False, allow_null=True)
    force = serializers.BooleanField(default=False, help_text="Staff only: never the last run's result.")

    def validate_limit(self, limit: int) -> int:
        if limit > self.context["highest"]:
            raise serializers.ValidationError(f"At most {self.context['highest']}.", code="max_value")
        return limit


class UsdField(CreditsField):
    """US dollars on Polymarket, never below zero."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, **kwargs})


class MarketSerializer(ResourceSerializer):
    """A market. To add a mirrored field: the model (and its migration), the parser, and a line here."""

    id = serializers.UUIDField()
    polymarketId = serializers.CharField(source="polymarket_id", allow_null=True, help_text="Null for house markets.")
    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    thisOption = serializers.CharField(source="this_option")
    thatOption = serializers.CharField(source="that_option")
    thisOdds = OddsField(source="this_odds")
    thatOdds = OddsField(source="that_odds")
    liquidity = UsdField()
    volume = UsdField()
    volume24hr = UsdField(source="volume_24hr")
    category = serializers.CharField()
    author = serializers.CharField(allow_null=True)
    imageUrl = serializers.URLField(source="image_url")
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)
    marketType = serializers.ChoiceField(source="market_type", choices=Market.Type.choices)
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    oddsUpdatedAt = serializers.DateTimeField(source="odds_updated_at")
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        alias = "market"


class LiveSerializer(ResourceSerializer):
    """The odds are of `asOf`, liquidity and volume are the catalogue's."""

    polymarketId = serializers.CharField(source="polymarket_id")
    thisOdds = OddsField(source="this")
    thatOdds = OddsField(source="that")
    liquidity = UsdField()
    volume = UsdField()
    volume24hr = UsdField(source="volume_24hr")
    acceptingOrders = serializers.BooleanField(source="accepting_orders")
    asOf = serializers.DateTimeField(source="as_of")
    stale = serializers.BooleanField(help_text="The order book couldn't be requested again since `asOf`.")


class FullMarketSerializer(MarketSerializer):
    live = LiveSerializer(allow_null=True, help_text="Null when Polymarket can't be reached.")


count = serializers.IntegerField
MarketListResponse = response_schema(
    "MarketListResponse",
    count=count(),
    total=count(help_text="How many match in all; of a search, up to 10,000."),
    nextCursor=serializers.CharField(allow_null=True),
    data=MarketSerializer(many=True),
)
MarketSampleResponse = response_schema("MarketSampleResponse", count=count(), data=MarketSerializer(many=True))
CategoryMarketsResponse = response_schema(
    "CategoryMarketsResponse", count=count(), category=serializers.CharField(), data=MarketSerializer(many=True)
)
CategoriesResponse = response_schema(
    "CategoriesResponse",
    data=serializers.ListField(child=serializers.CharField()),
    counts=serializers.DictField(child=serializers.IntegerField()),
)
MarketDetailResponse = response_schema("MarketDetailResponse", data=MarketSerializer())
MarketLiveResponse = response_schema("MarketLiveResponse", marketId=serializers.UUIDField(), data=LiveSerializer())
MarketFullResponse = response_schema("MarketFullResponse", data=FullMarketSerializer())


IngestResponse = response_schema(
    "IngestResponse",
    data=inline_serializer(
        "IngestResult",
        {
            "total": count(help_text="Market objects read."),
            "created": count(),
            "updated": count(),
            "skipped": count(),
            "errors": count(help_text="Broken objects."),
            "unchanged": count(),
            "reasons": serializers.DictField(child=count(), help_text="What was left out, by reason."),
            "coalesced": serializers.BooleanField(help_text="A recent run's result; nothing was requested upstream."),
        },
    ),
)
