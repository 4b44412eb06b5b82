from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from betting import orders, pricing, selectors, serializers, services
from betting.errors import (
    AmountExceedsStake,
    BetNotFound,
    BetNotSellable,
    MarketExpired,
    MarketNotAccepting,
    MarketNotFound,
    MarketNotOpen,
    OddsMoved,
    PositionChanged,
    SlippageTooHigh,
)
from betting.filters import BET_PARAMETERS, BetFilter, BetPage
from betting.pricing import PricedOrder, PricedSale
from betting.selectors import Query
from core.api.idempotency import Act, idempotent
from core.api.json import ExactJsonParser
from core.api.openapi import operation
from core.api.requests import current_user_id, parse_uuid, validate_list
from core.api.responses import json_response, offset_page, with_aliases
from economy.errors import InsufficientCredits
from markets.errors import MarketIlliquid, PriceUnavailable
from markets.views import UpstreamThrottle, check_upstream_throttle

# What an order and a sale can be refused for, where the market and its price are concerned.
PRICE_ERRORS = (
    MarketNotOpen,
    MarketExpired,
    MarketNotAccepting,
    MarketIlliquid,
    PriceUnavailable,
    OddsMoved,
)
BET_ID = OpenApiParameter("bet_id", UUID, OpenApiParameter.PATH)


def bet_id_or_404(text: str) -> UUID:
    """Return the id of a path. Raises BetNotFound for what is no UUID."""
    bet_id = parse_uuid(text)
    if bet_id is None:
        raise BetNotFound
    return bet_id


class BetViewSet(ViewSet):
    """Quote, place, list, read and sell bets."""

    parser_classes = (ExactJsonParser,)

    def throttle(self, request: Request) -> Callable[[], None]:
        """Return a function that refuses a client for whom the upstream is asked too often."""
        return partial(check_upstream_throttle, request, self)

    @operation(
        operation_id="bets_place",
        summary="Place a bet, at the odds of this moment",
        request=serializers.BetRequest,
        responses={201: serializers.PlacedBetResponse},
        tags=["bets"],
        errors=[MarketNotFound, InsufficientCredits, SlippageTooHigh, *PRICE_ERRORS],
        throttles=[UpstreamThrottle],
    )
    @idempotent
    def place(self, request: Request) -> Act:
        order = orders.validate_order(request.data)
        now = timezone.now()
        market = orders.get_cached_market_snapshot(order.market, now=now)
        priced = pricing.price_order(order=order, market=market, now=now, before_upstream=self.throttle(request))
        services.watch_market(market=market, now=now)
        return partial(self.commit_bet, priced, current_user_id(request))

    def commit_bet(self, priced: PricedOrder, user_id: UUID) -> HttpResponse:
        placed = services.place_bet(priced=priced, user_id=user_id, clock=timezone.now)
        return json_response(201, bet=placed.bet, newBalance=placed.balance, potentialPayout=placed.payout)

    @operation(
        operation_id="bets_quote",
        summary="What a bet would be; nothing is written",
        request=serializers.QuoteRequest,
        responses=serializers.QuoteResponse,
        tags=["bets"],
        errors=[MarketNotFound, SlippageTooHigh, *PRICE_ERRORS],
        throttles=[UpstreamThrottle],
    )
    def quote(self, request: Request) -> HttpResponse:
        order = orders.validate_order(request.data)
        now = timezone.now()
        market = orders.get_market_snapshot(order.market)
        priced = pricing.price_order(order=order, market=market, now=now, before_upstream=self.throttle(request))
        return json_response(quote=pricing.quote_order(priced=priced, now=now))

    @operation(
        operation_id="bets_mine",
        summary="The user's bets, newest first",
        parameters=BET_PARAMETERS,
        responses=serializers.BetListResponse,
        tags=["bets"],
    )
    def mine(self, request: Request) -> HttpResponse:
        validated = validate_list(BetFilter, BetPage, request.query_params)
        query = Query(
            limit=validated["limit"],
            offset=validated["offset"],
            status=validated["status"],
            market=validated["marketId"],
        )
        bets, total = selectors.list_bets(query=query, user_id=current_user_id(request))
        return json_response(bets=bets, **offset_page(total=total, limit=query.limit, offset=query.offset))

    @operation(
        operation_id="bets_retrieve",
        summary="One of the user's bets",
        parameters=[BET_ID],
        responses=serializers.BetResponse,
        tags=["bets"],
        errors=[BetNotFound],
    )
    def retrieve(self, request: Request, bet_id: str) -> HttpResponse:
        bet = selectors.get_bet(bet_id=bet_id_or_404(bet_id), user_id=current_user_id(request))
        if bet is None:
            raise BetNotFound
        return json_response(bet=bet)

    @operation(
        operation_id="bets_quote_sale",
        summary="What a sale would bring; nothing is written",
        parameters=[BET_ID],
        request=serializers.SaleQuoteRequest,
        responses=serializers.SaleQuoteResponse,
        tags=["bets"],
        errors=[BetNotFound, BetNotSellable, AmountExceedsStake, *PRICE_ERRORS],
        throttles=[UpstreamThrottle],
    )
    def quote_sale(self, request: Request, bet_id: str) -> HttpResponse:
        priced = self.price_sale(request, bet_id)
        return json_response(quote=pricing.quote_sale(priced=priced, now=timezone.now()))

    @operation(
        operation_id="bets_sell",
        summary="Sell a bet, or a part of it, at the odds of this moment",
        parameters=[BET_ID],
        request=serializers.SaleRequest,
        responses=serializers.SoldBetResponse,
        tags=["bets"],
        errors=[BetNotFound, BetNotSellable, AmountExceedsStake, PositionChanged, *PRICE_ERRORS],
        throttles=[UpstreamThrottle],
    )
    @idempotent
    def sell(self, request: Request, bet_id: str) -> Act:
        return partial(self.commit_sale, self.price_sale(request, bet_id), current_user_id(request))

    def price_sale(self, request: Request, bet_id: str) -> PricedSale:
        return pricing.price_sale(
            bet_id=bet_id_or_404(bet_id),
            sale=orders.validate_sale(request.data),
            user_id=current_user_id(request),
            now=timezone.now(),
            before_upstream=self.throttle(request),
        )

    def commit_sale(self, priced: PricedSale, user_id: UUID) -> HttpResponse:
        sold = services.sell_bet(priced=priced, user_id=user_id, clock=timezone.now)
        sale = with_aliases(
            serializers.SALE_ALIASES,
            bet=sold.bet,
            creditsReturned=sold.proceeds,
            newBalance=sold.balance,
            currentValue=sold.remaining_value,
            profit=sold.profit,
            priceImpact=sold.price_impact,
        )
        return json_response(**sale)
