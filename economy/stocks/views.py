from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.api.idempotency import HEADER_PARAMETER, Act, idempotent
from core.api.json import ExactJsonParser
from core.api.responses import PublicReadsMixin, rendered
from economy.stocks import selectors, services
from economy.stocks import serializers as shapes
from economy.stocks.pricing import average_price
from economy.stocks.services import Outcome


def checked(serializer: type[shapes.StockSaleRequest], data: Any) -> dict[str, Any]:
    given = serializer(data=data)
    given.is_valid(raise_exception=True)
    validated: dict[str, Any] = given.validated_data
    return validated


def asking(request: Request) -> UUID:
    """Who asks, where nobody gets in that isn't signed in."""
    return cast("UUID", request.user.pk)


class StockViewSet(PublicReadsMixin, ViewSet):
    """Stocks, and what the user holds of them."""

    parser_classes = (ExactJsonParser,)
    cached_actions: ClassVar[frozenset[str]] = frozenset({"list"})
    private_actions: ClassVar[frozenset[str]] = frozenset({"portfolio"})

    @extend_schema(
        operation_id="stocks_list", summary="All stocks, by symbol", responses=shapes.StockList, tags=["stocks"]
    )
    def list(self, request: Request) -> HttpResponse:
        return rendered({"success": True, "stocks": selectors.list_stocks(now=timezone.now())})

    @extend_schema(
        operation_id="stocks_portfolio",
        summary="What the user holds, and is worth",
        responses=shapes.PortfolioAnswer,
        tags=["stocks"],
    )
    def portfolio(self, request: Request) -> HttpResponse:
        return rendered({"success": True, **selectors.portfolio(asking(request), now=timezone.now())})

    @extend_schema(
        operation_id="stocks_buy",
        summary="Buy shares, at the price of this moment",
        parameters=[HEADER_PARAMETER],
        request=shapes.StockPurchaseRequest,
        responses=shapes.Bought,
        tags=["stocks"],
    )
    @idempotent
    def buy(self, request: Request) -> Act:
        order = checked(shapes.StockPurchaseRequest, request.data)
        order["leverage"] = int(order["leverage"])
        return partial(self.book_purchase, order, asking(request))

    def book_purchase(self, order: dict[str, Any], user_id: UUID) -> HttpResponse:
        return traded(services.buy_shares(**order, user_id=user_id, clock=timezone.now))

    @extend_schema(
        operation_id="stocks_sell",
        summary="Sell shares, at the price of this moment",
        parameters=[HEADER_PARAMETER],
        request=shapes.StockSaleRequest,
        responses=shapes.Sold,
        tags=["stocks"],
    )
    @idempotent
    def sell(self, request: Request) -> Act:
        return partial(self.book_sale, checked(shapes.StockSaleRequest, request.data), asking(request))

    def book_sale(self, order: dict[str, Any], user_id: UUID) -> HttpResponse:
        outcome = services.sell_shares(**order, user_id=user_id, clock=timezone.now)
        return traded(outcome, profit=outcome.profit)


def traded(outcome: Outcome, **more: Any) -> HttpResponse:
    row = outcome.transaction
    transaction = {
        "id": row.id,
        "userId": row.user_id,
        "stockId": row.stock_id,
        "type": row.type,
        "shares": row.shares,
        "pricePerShare": row.price_per_share,
        "totalAmount": row.total_amount,
        "leverage": row.leverage,
        "transactionHash": row.transaction_hash,
        "signedAt": row.created_at,
        "balanceBefore": row.balance_before,
        "balanceAfter": row.balance_after,
        "createdAt": row.created_at,
    }
    body = {"transaction": transaction, "holding": held(outcome), "newBalance": row.balance_after, **more}
    response = rendered({"success": True, **body})
    response["Cache-Control"] = "no-store"
    return response


def held(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.holding is None:
        return None
    return {
        "id": outcome.holding_id,
        "userId": outcome.transaction.user_id,
        "stockId": outcome.transaction.stock_id,
        "shares": outcome.holding.shares,
        "averageBuyPrice": average_price(outcome.holding),
        "totalInvested": outcome.holding.invested,
        "leverage": outcome.holding.leverage,
        "createdAt": outcome.opened_at,
        "updatedAt": outcome.transaction.created_at,
    }
