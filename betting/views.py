from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from betting import sales, selectors, services
from betting import serializers as shapes
from betting.offers import find_offer, find_offer_to_bet_on
from betting.orders import parse_order, parse_sale
from betting.sales import BetNotFound, SaleIntent
from betting.selectors import Query
from betting.services import Intent
from core.api.idempotency import HEADER_PARAMETER, Act, idempotent
from core.api.json import ExactJsonParser, dumps
from markets.selectors import as_uuid
from markets.throttles import check_upstream_throttle

BET_ID = OpenApiParameter("bet_id", UUID, OpenApiParameter.PATH)


def asking(request: Request) -> UUID:
    """Who asks, where nobody gets in that isn't signed in."""
    return cast("UUID", request.user.pk)


def bet_id_or_404(text: str) -> UUID:
    bet_id = as_uuid(text)
    if bet_id is None:
        raise BetNotFound
    return bet_id


def rendered(status: int = 200, **fields: Any) -> HttpResponse:
    body = dumps({"success": True, **fields})
    return HttpResponse(body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


class BetViewSet(ViewSet):
    """Bets: what they would be, placing, watching and selling them."""

    parser_classes = (ExactJsonParser,)

    def throttle(self, request: Request) -> Callable[[], None]:
        """To be called before Polymarket is asked for this client."""
        return partial(check_upstream_throttle, request, self)

    @extend_schema(
        operation_id="bets_place",
        summary="Place a bet, at the odds of this moment",
        parameters=[HEADER_PARAMETER],
        request=shapes.BetRequest,
        responses={201: shapes.PlacedAnswer},
        tags=["bets"],
    )
    @idempotent
    def place(self, request: Request) -> Act:
        order = parse_order(request.data)
        now = timezone.now()
        offer = find_offer_to_bet_on(order.market, now=now)
        intent = services.price_order(order, offer, now=now, before_asking=self.throttle(request))
        services.watch(intent.offer, now=now)
        return partial(self.book_bet, intent, asking(request))

    def book_bet(self, intent: Intent, user_id: UUID) -> HttpResponse:
        placed = services.place_bet(intent, user_id=user_id, clock=timezone.now)
        return rendered(201, bet=placed.bet, newBalance=placed.balance, potentialPayout=placed.payout)

    @extend_schema(
        operation_id="bets_quote",
        summary="What a bet would be; nothing is written",
        request=shapes.QuoteRequest,
        responses=shapes.QuoteAnswer,
        tags=["bets"],
    )
    def quote(self, request: Request) -> HttpResponse:
        order = parse_order(request.data)
        now = timezone.now()
        offer = find_offer(order.market)
        intent = services.price_order(order, offer, now=now, before_asking=self.throttle(request))
        return rendered(quote=services.quote(intent, now=now))

    @extend_schema(
        operation_id="bets_mine",
        summary="The user's bets, newest first",
        parameters=[shapes.BetsQuery],
        responses=shapes.BetList,
        tags=["bets"],
    )
    def mine(self, request: Request) -> HttpResponse:
        given = shapes.BetsQuery(data=request.query_params)
        given.is_valid(raise_exception=True)
        query = Query(**given.validated_data)
        bets, total = selectors.list_bets(query, user_id=asking(request))
        return rendered(bets=bets, total=total, limit=query.limit, offset=query.offset)

    @extend_schema(
        operation_id="bets_retrieve",
        summary="One of the user's bets",
        parameters=[BET_ID],
        responses=shapes.BetAnswer,
        tags=["bets"],
    )
    def retrieve(self, request: Request, bet_id: str) -> HttpResponse:
        bet = selectors.get_bet(bet_id_or_404(bet_id), user_id=asking(request))
        if bet is None:
            raise BetNotFound
        return rendered(bet=bet)

    @extend_schema(
        operation_id="bets_sell",
        summary="Sell a bet, or a part of it, at the odds of this moment",
        parameters=[BET_ID, HEADER_PARAMETER],
        request=shapes.SaleRequest,
        responses=shapes.SoldAnswer,
        tags=["bets"],
    )
    @idempotent
    def sell(self, request: Request, bet_id: str) -> Act:
        user_id, amount = asking(request), parse_sale(request.data)
        intent = sales.price_sale(
            bet_id_or_404(bet_id), amount, user_id=user_id, now=timezone.now(), before_asking=self.throttle(request)
        )
        return partial(self.book_sale, intent, user_id)

    def book_sale(self, intent: SaleIntent, user_id: UUID) -> HttpResponse:
        sold = sales.sell_bet(intent, user_id=user_id, clock=timezone.now)
        returned: dict[str, Any] = {
            "creditsReturned": sold.proceeds,
            "newBalance": sold.balance,
            "currentValue": sold.value_left,
        }
        return rendered(bet=sold.bet, **returned)
