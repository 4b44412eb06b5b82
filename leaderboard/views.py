from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.api.openapi import operation
from core.api.requests import current_user_id, validate
from core.api.responses import PublicReadsMixin, json_response
from core.days import day_of
from leaderboard import selectors, serializers
from leaderboard.models import Order
from leaderboard.rules import INTERVAL_DAYS, Interval
from leaderboard.selectors import Query


class LeaderboardViewSet(PublicReadsMixin, ViewSet):
    """Users by profit and by volume. The lists are public and the same for everybody."""

    cached_actions: ClassVar[frozenset[str]] = frozenset({"pnl", "volume"})
    private_actions: ClassVar[frozenset[str]] = frozenset({"mine", "pnl_history"})

    @operation(
        operation_id="leaderboard_pnl",
        summary="Users by realized profit, page by page",
        parameters=[serializers.PageQuery],
        responses=serializers.LeaderboardResponse,
        tags=["leaderboard"],
    )
    def pnl(self, request: Request) -> HttpResponse:
        return list_page(Order.PNL, request)

    @operation(
        operation_id="leaderboard_volume",
        summary="Users by what they staked on markets, page by page",
        parameters=[serializers.PageQuery],
        responses=serializers.LeaderboardResponse,
        tags=["leaderboard"],
    )
    def volume(self, request: Request) -> HttpResponse:
        return list_page(Order.VOLUME, request)

    @operation(
        operation_id="leaderboard_me",
        summary="The user's own place, and who is around",
        parameters=[serializers.RankingQuery],
        responses=serializers.RankingResponse,
        tags=["leaderboard"],
    )
    def mine(self, request: Request) -> HttpResponse:
        query = validate(serializers.RankingQuery, request.query_params)
        ranking = selectors.get_ranking(
            user_id=current_user_id(request), order=Order(query["type"]), scope=query["scope"]
        )
        return json_response(ranking=ranking)

    @operation(
        operation_id="auth_pnl_history",
        summary="The user's realized profit, day by day",
        description="Days before today are as of the leaderboard's last update, at most a quarter of an hour ago.",
        parameters=[serializers.HistoryQuery],
        responses=serializers.PnlHistoryResponse,
        tags=["auth"],
    )
    def pnl_history(self, request: Request) -> HttpResponse:
        interval = Interval(validate(serializers.HistoryQuery, request.query_params)["interval"])
        today = day_of(timezone.now())
        days = selectors.get_pnl_history(user_id=current_user_id(request), interval=interval, today=today)
        step = "day" if interval in INTERVAL_DAYS else "month"
        return json_response(interval=interval, step=step, data=days)


def list_page(order: Order, request: Request) -> HttpResponse:
    validated = validate(serializers.PageQuery, request.query_params)
    query = Query(validated["scope"], validated["limit"], validated["offset"])
    return HttpResponse(selectors.get_page(order=order, query=query), content_type="application/json")
