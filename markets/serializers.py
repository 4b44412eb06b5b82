"""Shapes in, checked; shapes out, for the schema: rows are rendered as the database gives them."""

import re
from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from core.api.serializers import ClampedIntegerField
from markets.listings import ORDERS, STATUSES
from markets.models import Market
from markets.rules import (
    CATEGORY_LIMIT,
    CATEGORY_LIMIT_MAX,
    EXCLUDE_MAX,
    LIST_LIMIT,
    LIST_LIMIT_MAX,
    RANDOM_COUNT,
    RANDOM_COUNT_MAX,
    SKIP_MAX,
)

ODDS: dict[str, Any] = {"max_digits": 5, "decimal_places": 4, "coerce_to_string": False, "min_value": 0, "max_value": 1}
FIGURE: dict[str, Any] = {"max_digits": 18, "decimal_places": 2, "coerce_to_string": False, "min_value": 0}


class LowerCase(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).lower()


class ListQuery(serializers.Serializer[dict[str, Any]]):
    status = serializers.ChoiceField(choices=[*STATUSES, "all"], default="open")
    category = LowerCase(max_length=50, required=False, help_text="In any case.")
    q = serializers.CharField(max_length=100, required=False, help_text="Words, or beginnings of words, of the title.")
    sort = serializers.ChoiceField(choices=list(ORDERS), default="trending")
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    skip = serializers.IntegerField(min_value=0, max_value=SKIP_MAX, default=0)
    cursor = serializers.CharField(max_length=300, required=False, help_text="`nextCursor` of the page before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["skip"] and "cursor" in attrs:
            raise serializers.ValidationError({"skip": "Give either skip or cursor."}, code="conflict")
        return attrs


class RandomQuery(serializers.Serializer[dict[str, Any]]):
    count = ClampedIntegerField(low=1, high=RANDOM_COUNT_MAX, default=RANDOM_COUNT)
    category = LowerCase(max_length=50, required=False)
    exclude = serializers.CharField(required=False, help_text="Ids, separated by commas.")

    def validate_exclude(self, text: str) -> frozenset[str]:
        ids = [part.strip() for part in re.split(r"[,\s]+", text) if part.strip()]
        if len(ids) > EXCLUDE_MAX:
            raise serializers.ValidationError(f"At most {EXCLUDE_MAX} ids.", code="max_length")
        return frozenset(name.lower() for name in ids)


class CategoryLimit(serializers.Serializer[dict[str, Any]]):
    limit = ClampedIntegerField(low=1, high=CATEGORY_LIMIT_MAX, default=CATEGORY_LIMIT)


class CategoryQuery(CategoryLimit):
    category = LowerCase()


class IngestRequest(serializers.Serializer[dict[str, Any]]):
    limit = serializers.IntegerField(min_value=1, required=False)
    category = LowerCase(max_length=50, required=False, allow_null=True)
    force = serializers.BooleanField(default=False, help_text="Staff only: not to be answered from the last run.")

    def validate_limit(self, limit: int) -> int:
        if limit > self.context["highest"]:
            raise serializers.ValidationError(f"At most {self.context['highest']}.", code="max_value")
        return limit


class MarketSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    polymarketId = serializers.CharField(allow_null=True, help_text="Null for house markets.")
    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    thisOption = serializers.CharField()
    thatOption = serializers.CharField()
    thisOdds = serializers.DecimalField(**ODDS)
    thatOdds = serializers.DecimalField(**ODDS)
    liquidity = serializers.DecimalField(**FIGURE)
    volume = serializers.DecimalField(**FIGURE)
    volume24hr = serializers.DecimalField(**FIGURE)
    category = serializers.CharField()
    author = serializers.CharField(allow_null=True)
    imageUrl = serializers.URLField()
    status = serializers.ChoiceField(choices=Market.Status.choices)
    resolution = serializers.ChoiceField(choices=Market.Resolution.choices, allow_null=True)
    marketType = serializers.ChoiceField(choices=Market.Type.choices)
    expiresAt = serializers.DateTimeField(allow_null=True)
    resolvedAt = serializers.DateTimeField(allow_null=True)
    oddsUpdatedAt = serializers.DateTimeField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class LiveSchema(serializers.Serializer[dict[str, Any]]):
    polymarketId = serializers.CharField()
    thisOdds = serializers.DecimalField(**ODDS)
    thatOdds = serializers.DecimalField(**ODDS)
    liquidity = serializers.DecimalField(**FIGURE)
    volume = serializers.DecimalField(**FIGURE)
    volume24hr = serializers.DecimalField(**FIGURE)
    acceptingOrders = serializers.BooleanField()
    asOf = serializers.DateTimeField()
    stale = serializers.BooleanField(help_text="The order book couldn't be asked again since `asOf`.")


class FullMarketSchema(MarketSchema):
    live = LiveSchema(allow_null=True, help_text="Null when Polymarket can't be asked.")


def answer(name: str, **fields: serializers.Field[Any, Any, Any, Any]) -> serializers.Serializer[Any]:
    """The schema of a success: `{"success": true, …fields}`."""
    return inline_serializer(name, {"success": serializers.BooleanField(), **fields})


count = serializers.IntegerField
MarketList = answer(
    "MarketList",
    count=count(),
    total=count(help_text="How many match in all; of a search, up to 10,000."),
    nextCursor=serializers.CharField(allow_null=True),
    data=MarketSchema(many=True),
)
MarketSample = answer("MarketSample", count=count(), data=MarketSchema(many=True))
CategoryMarkets = answer(
    "CategoryMarkets", count=count(), category=serializers.CharField(), data=MarketSchema(many=True)
)
Categories = answer(
    "Categories",
    data=serializers.ListField(child=serializers.CharField()),
    counts=serializers.DictField(child=serializers.IntegerField()),
)
MarketDetail = answer("MarketDetail", data=MarketSchema())
MarketLive = answer("MarketLive", marketId=serializers.UUIDField(), data=LiveSchema())
MarketFull = answer("MarketFull", data=FullMarketSchema())


IngestAnswer = answer(
    "IngestAnswer",
    data=inline_serializer(
        "IngestResult",
        {
            "total": count(help_text="Market objects judged."),
            "created": count(),
            "updated": count(),
            "skipped": count(),
            "errors": count(help_text="Broken objects."),
            "unchanged": count(),
            "reasons": serializers.DictField(child=count(), help_text="What was left out, by reason."),
            "coalesced": serializers.BooleanField(help_text="A recent run's result; nothing was asked upstream."),
        },
    ),
)
