"""Query parameters and responses. LeaderboardEntrySerializer is the one declaration of an entry's fields."""

from typing import Any, ClassVar

from rest_framework import serializers

from accounts.serializers import WIN_RATE, WinRateField
from core.api.serializers import (
    ClampedIntegerField,
    CreditsField,
    LowerCaseField,
    ResourceSerializer,
    offset_page_schema,
    response_schema,
)
from leaderboard.models import Order, Scope
from leaderboard.rules import LIMIT, LIMIT_MAX, OFFSET_MAX, TIME_FILTERS, Interval, Period
from markets.polymarket.parsing import CATEGORY_MAX

# Of the user's row in `user_totals`, which may be missing.
WIN_RATE_SQL = "coalesce(trunc(100.0 * totals.won / nullif(totals.won + totals.lost, 0), 2), 0.00)"
ALL_CATEGORIES = "all"
NOT_BY_PERIOD = "Categories are ranked over all time alone: leave out the period, or the category."
IN_PERIOD = "Days are UTC's, weeks begin on Monday, months on the first."


class ScopeQuery(serializers.Serializer[dict[str, Any]]):
    """Which period, by either of its two names, or which category; the validated data have the `scope` of it."""

    period = serializers.ChoiceField(choices=Period.choices, default=Period.ALL, help_text=IN_PERIOD)
    timeFilter = serializers.ChoiceField(
        choices=[(name, name) for name in TIME_FILTERS], required=False, help_text="Deprecated: `period`."
    )
    category = LowerCaseField(
        max_length=CATEGORY_MAX,
        default=ALL_CATEGORIES,
        help_text="Only bets on markets of this category, in any case; stocks are of none. With the period `all` "
        "alone. A category that there isn't is an empty list.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        period = Period(attrs["period"])
        named = TIME_FILTERS.get(attrs.pop("timeFilter", None), period)
        if "period" in self.initial_data and named != period:
            raise serializers.ValidationError({"timeFilter": "Give either period or timeFilter."}, code="conflict")
        category = attrs.pop("category")
        if category == ALL_CATEGORIES:
            return attrs | {"scope": Scope.of_period(named)}
        if named != Period.ALL:
            raise serializers.ValidationError({"category": NOT_BY_PERIOD}, code="conflict")
        return attrs | {"scope": Scope.of_category(category)}


class PageQuery(ScopeQuery):
    limit = ClampedIntegerField(low=1, high=LIMIT_MAX, default=LIMIT)
    offset = serializers.IntegerField(min_value=0, max_value=OFFSET_MAX, default=0)


class RankingQuery(ScopeQuery):
    type = serializers.ChoiceField(choices=Order.choices, default=Order.PNL)


class HistoryQuery(serializers.Serializer[dict[str, Any]]):
    interval = serializers.ChoiceField(
        choices=[
            (Interval.WEEK, "The last 7 days"),
            (Interval.MONTH, "The last 30 days"),
            (Interval.YEAR, "The last 365 days"),
            (Interval.ALL, "All months"),
            (Interval.MAX, "The same"),
        ],
        default=Interval.MONTH,
    )


class RankedUserSerializer(ResourceSerializer):
    """What a leaderboard shows of a user."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    avatarUrl = serializers.CharField(source="avatar_url", allow_null=True)

    class Meta:
        alias = "users"
        expressions: ClassVar[dict[str, str]] = {"avatar_url": "nullif(users.avatar_url, '')"}


class LeaderboardEntrySerializer(ResourceSerializer):
    """A place on a leaderboard. Statements that select it have the user's `user_totals`, if any."""

    rank = serializers.IntegerField(help_text="From 1; of equals the earlier account is first.")
    overallPnL = CreditsField(source="overall_pnl", help_text="Realized in the period, or on markets of the category.")
    totalVolume = CreditsField(
        source="total_volume", help_text="Staked on markets in the period, or on those of the category."
    )
    winRate = WinRateField(source="win_rate", help_text=f"{WIN_RATE}, in any period and category.")
    user = RankedUserSerializer()

    class Meta:
        alias = "chosen"
        aliases: ClassVar[dict[str, str]] = {
            "userId": "user.id",
            "username": "user.username",
            "totalPnl": "overallPnL",
        }
        expressions: ClassVar[dict[str, str]] = {"win_rate": WIN_RATE_SQL}


class RankingSerializer(serializers.Serializer[dict[str, Any]]):
    type = serializers.ChoiceField(choices=Order.choices)
    rank = serializers.IntegerField(allow_null=True, help_text="By `type`; null: not ranked there (yet).")
    rankByPnL = serializers.IntegerField(allow_null=True)
    rankByVolume = serializers.IntegerField(allow_null=True)
    totalUsers = serializers.IntegerField()
    overallPnL = CreditsField()
    totalVolume = CreditsField()
    surrounding = LeaderboardEntrySerializer(many=True)


class DaySerializer(serializers.Serializer[dict[str, Any]]):
    date = serializers.DateField(help_text="A UTC day; by month its first day.")
    pnl = CreditsField(help_text="Realized on that day, or in that month.")
    cumulativePnL = CreditsField(help_text="Realized up to its end; of today, up to now: `overallPnL`.")


LEADERBOARD_ALIASES = {"data": "leaderboard"}
LeaderboardResponse = response_schema(
    "LeaderboardResponse",
    LEADERBOARD_ALIASES,
    leaderboard=LeaderboardEntrySerializer(many=True),
    **offset_page_schema(),
    updatedAt=serializers.DateTimeField(
        allow_null=True, help_text="When it was counted; null: not yet, or there is no bet in the category."
    ),
)
PnlHistoryResponse = response_schema(
    "PnlHistoryResponse",
    interval=serializers.ChoiceField(choices=Interval.choices),
    step=serializers.ChoiceField(choices=["day", "month"]),
    data=DaySerializer(many=True),
)
RankingResponse = response_schema("RankingResponse", ranking=RankingSerializer())
