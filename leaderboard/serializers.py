"""Query parameters, and the schemas of responses: rows are rendered as the database gives them."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from core.api.serializers import ClampedIntegerField
from leaderboard.models import Order
from leaderboard.rules import LIMIT, LIMIT_MAX, OFFSET_MAX, Period

CREDITS: dict[str, Any] = {"max_digits": 18, "decimal_places": 2, "coerce_to_string": False}
IN_PERIOD = "Days are UTC's, weeks begin on Monday, months on the first."


class PageQuery(serializers.Serializer[dict[str, Any]]):
    period = serializers.ChoiceField(choices=Period.choices, default=Period.ALL, help_text=IN_PERIOD)
    limit = ClampedIntegerField(low=1, high=LIMIT_MAX, default=LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)


class RankingQuery(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=Order.choices, default=Order.PNL)
    period = serializers.ChoiceField(choices=Period.choices, default=Period.ALL, help_text=IN_PERIOD)


class RankedUserSchema(serializers.Serializer[dict[str, Any]]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    avatarUrl = serializers.CharField(allow_null=True)


class LeaderboardEntrySchema(serializers.Serializer[dict[str, Any]]):
    rank = serializers.IntegerField(help_text="From 1; of equals the earlier account is first.")
    user = RankedUserSchema()
    overallPnL = serializers.DecimalField(**CREDITS, help_text="Realized in the period.")
    totalVolume = serializers.DecimalField(**CREDITS, help_text="Staked on markets in the period.")


LeaderboardPage = inline_serializer(
    "LeaderboardPage",
    {
        "success": serializers.BooleanField(),
        "leaderboard": LeaderboardEntrySchema(many=True),
        "total": serializers.IntegerField(),
        "limit": serializers.IntegerField(),
        "offset": serializers.IntegerField(),
        "updatedAt": serializers.DateTimeField(allow_null=True, help_text="When it was counted; null: not yet."),
    },
)


class RankingSchema(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=Order.choices)
    rank = serializers.IntegerField(allow_null=True, help_text="By `type`; null: not ranked in the period (yet).")
    rankByPnL = serializers.IntegerField(allow_null=True)
    rankByVolume = serializers.IntegerField(allow_null=True)
    totalUsers = serializers.IntegerField()
    overallPnL = serializers.DecimalField(**CREDITS)
    totalVolume = serializers.DecimalField(**CREDITS)
    surrounding = LeaderboardEntrySchema(many=True)


RankingAnswer = inline_serializer("RankingAnswer", {"success": serializers.BooleanField(), "ranking": RankingSchema()})
