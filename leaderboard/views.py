from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.viewsets import ViewSet

from core.api.responses import PublicReadsMixin, rendered
from leaderboard import selectors
from leaderboard import serializers as shapes
from leaderboard.models import Order
from leaderboard.periods import Period
from leaderboard.selectors import Query


def checked(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    given = serializer(data=request.query_params)
    given.is_valid(raise_exception=True)
    validated: dict[str, Any] = given.validated_data
    return validated


class LeaderboardViewSet(PublicReadsMixin, ViewSet):
    """Who is ahead. The lists are public and alike for everybody."""

    cached_actions: ClassVar[frozenset[str]] = frozenset({"pnl", "volume"})
    private_actions: ClassVar[frozenset[str]] = frozenset({"mine"})

    @extend_schema(
        operation_id="leaderboard_pnl",
        summary="Users by realized profit, page by page",
        parameters=[shapes.PageQuery],
        responses=shapes.LeaderboardPage,
        tags=["leaderboard"],
    )
    def pnl(self, request: Request) -> HttpResponse:
        return listed(Order.PNL, request)

    @extend_schema(
        operation_id="leaderboard_volume",
        summary="Users by what they staked on markets, page by page",
        parameters=[shapes.PageQuery],
        responses=shapes.LeaderboardPage,
        tags=["leaderboard"],
    )
    def volume(self, request: Request) -> HttpResponse:
        return listed(Order.VOLUME, request)

    @extend_schema(
        operation_id="leaderboard_me",
        summary="The user's own place, and who is around",
        parameters=[shapes.RankingQuery],
        responses=shapes.RankingAnswer,
        tags=["leaderboard"],
    )
    def mine(self, request: Request) -> HttpResponse:
        query = checked(shapes.RankingQuery, request)
        user_id = cast("UUID", request.user.pk)
        ranking = selectors.ranking(user_id, Order(query["type"]), Period(query["period"]))
        return rendered({"success": True, "ranking": ranking})


def listed(order: Order, request: Request) -> HttpResponse:
    given = checked(shapes.PageQuery, request)
    query = Query(Period(given["period"]), given["limit"], given["offset"])
    return HttpResponse(selectors.page(order, query), content_type="application/json")
