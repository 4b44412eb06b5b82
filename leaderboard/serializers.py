"""Query parameters, and the schemas of responses: rows are rendered as the database gives them."""

from typing import Any

from rest_framework import serializers

from core.api.serializers import ClampedIntegerField, CreditsField, offset_page_schema, response_schema
from leaderboard.models import Order
from leaderboard.rules import LIMIT, LIMIT_MAX, OFFSET_MAX, Period

IN_PERIOD = "Days are UTC's, weeks begin on Monday, months on the first."


class PageQuery(serializers.Serializer[dict[str, Any]]):
    period = serializers.ChoiceField(choices=Period.choices, default=Period.ALL, help_text=IN_PERIOD)
    limit = ClampedIntegerField(low=1, high=LIMIT_MAX, default=LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)


class RankingQuery(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=Order.choices, default=Order.PNL)
    period = serializers.ChoiceField(choices=Period.choices, default=Period.ALL, help_text=IN_PERIOD)


class RankedUserSerializer(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    avatarUrl = serializers.CharField(allow_null=True)


class LeaderboardEntrySerializer(serializers.Serializer[dict[str, Any]]):
    rank = serializers.IntegerField(help_text="From 1; of equals the earlier account is first.")
    user = RankedUserSerializer()
    overallPnL = CreditsField(help_text="Realized in the period.")
    totalVolume = CreditsField(help_text="Staked on markets in the period.")


class RankingSerializer(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=Order.choices)
    rank = serializers.IntegerField(allow_null=True, help_text="By `type`; null: not ranked in the period (yet).")
    rankByPnL = serializers.IntegerField(allow_null=True)
    rankByVolume = serializers.IntegerField(allow_null=True)
    totalUsers = serializers.IntegerField()
    overallPnL = CreditsField()
    totalVolume = CreditsField()
    surrounding = LeaderboardEntrySerializer(many=True)


LeaderboardResponse = response_schema(
    "LeaderboardResponse",
    leaderboard=LeaderboardEntrySerializer(many=True),
    **offset_page_schema(),
    updatedAt=serializers.DateTimeField(allow_null=True, help_text="When it was counted; null: not yet."),
)
RankingResponse = response_schema("RankingResponse", ranking=RankingSerializer())
