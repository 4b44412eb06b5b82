from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts.errors import AccountSuspended
from accounts.models import User
from core.api.idempotency import Act, idempotent
from core.api.json import ExactJsonParser
from core.api.openapi import operation
from core.api.requests import current_user_id, validate, validate_list
from core.api.responses import PublicReadsMixin, json_response, next_page, offset_page, private, with_aliases
from economy import selectors, serializers
from economy.errors import (
    InsufficientCredits,
    InsufficientShares,
    InsufficientSupply,
    LeverageMismatch,
    LeverageTooHigh,
    NoHolding,
    StockNotActive,
    StockNotFound,
)
from economy.filters import TRANSACTION_PARAMETERS, TransactionFilter, TransactionPage
from economy.referrals import list_referred_users
from economy.rewards import claim_daily_reward
from economy.selectors import Query
from economy.stocks import trading
from economy.stocks.trading import TradeOutcome
from economy.stocks.valuation import average_price


class TransactionViewSet(ViewSet):
    """What happened to the current user's credits."""

    @operation(
        operation_id="transactions_mine",
        summary="The user's ledger entries, newest first",
        parameters=TRANSACTION_PARAMETERS,
        responses=serializers.TransactionListResponse,
        tags=["transactions"],
    )
    def mine(self, request: Request) -> HttpResponse:
        validated = validate_list(TransactionFilter, TransactionPage, request.query_params)
        query = Query(
            type=validated["type"],
            limit=validated["limit"],
            offset=validated["offset"],
            from_cursor=validated["cursor"],
        )
        page = selectors.list_transactions(current_user_id(request), query)
        shown = with_aliases(
            serializers.TRANSACTION_LIST_ALIASES,
            transactions=page.transactions,
            **offset_page(total=page.total, limit=query.limit, offset=query.offset),
            **next_page(page.next_cursor),
        )
        return private(json_response(**shown))


class ProofViewSet(PublicReadsMixin, ViewSet):
    """What shows that the ledger is whole, and that its past is what it was."""

    cached_actions: ClassVar[frozenset[str]] = frozenset({"everybody"})
    private_actions: ClassVar[frozenset[str]] = frozenset({"mine"})

    @operation(
        operation_id="proof",
        summary="All credits, what the last audit found, and the newest anchors of the ledger",
        responses=serializers.ProofResponse,
        tags=["proof"],
    )
    def everybody(self, request: Request) -> HttpResponse:
        return json_response(**selectors.get_proof())

    @operation(
        operation_id="proof_mine",
        summary="What the user's own entries have to come to",
        responses=serializers.MyProofResponse,
        tags=["proof"],
    )
    def mine(self, request: Request) -> HttpResponse:
        return json_response(**selectors.get_proof_of_user(current_user_id(request)))


class DailyCreditsViewSet(ViewSet):
    """The reward of the day."""

    @operation(
        operation_id="economy_claim_daily_credits",
        summary="Claim the reward of this UTC day; claimed already, it awards nothing",
        request=None,
        responses=serializers.DailyCreditsResponse,
        errors=[AccountSuspended],
        tags=["economy"],
    )
    @idempotent
    def claim(self, request: Request) -> Act:
        return partial(self.award, current_user_id(request))

    def award(self, user_id: UUID) -> HttpResponse:
        claimed = claim_daily_reward(user_id=user_id, now=timezone.now())
        return private(
            json_response(
                creditsAwarded=claimed.credits,
                consecutiveDays=claimed.streak,
                nextAvailableAt=claimed.next_at,
                newBalance=claimed.balance,
            )
        )


class ReferralViewSet(ViewSet):
    """Whom the current user brought, and what that was worth."""

    @operation(
        operation_id="referrals_mine",
        summary="The user's referral code, and the newest of those who signed up with it",
        responses=serializers.ReferralsResponse,
        tags=["referrals"],
    )
    def mine(self, request: Request) -> HttpResponse:
        user = cast("User", request.user)
        return private(
            json_response(
                referralCode=user.referral_code,
                referralCount=user.referral_count,
                referralCreditsEarned=user.referral_credits_earned,
                referredUsers=list_referred_users(user.pk),
            )
        )


class StockViewSet(PublicReadsMixin, ViewSet):
    """Stocks, and what the current user holds of them."""

    parser_classes = (ExactJsonParser,)
    cached_actions: ClassVar[frozenset[str]] = frozenset({"list"})
    private_actions: ClassVar[frozenset[str]] = frozenset({"portfolio"})

    @operation(
        operation_id="stocks_list",
        summary="All stocks, by symbol",
        responses=serializers.StockListResponse,
        tags=["stocks"],
    )
    def list(self, request: Request) -> HttpResponse:
        return json_response(stocks=selectors.list_stocks(now=timezone.now()))

    @operation(
        operation_id="stocks_portfolio",
        summary="What the user holds, and is worth",
        responses=serializers.PortfolioResponse,
        tags=["stocks"],
    )
    def portfolio(self, request: Request) -> HttpResponse:
        return json_response(**selectors.get_portfolio(current_user_id(request), now=timezone.now()))

    @operation(
        operation_id="stocks_buy",
        summary="Buy shares, at the price of this moment",
        request=serializers.StockPurchaseRequest,
        responses=serializers.BoughtSharesResponse,
        errors=[
            StockNotFound,
            StockNotActive,
            LeverageTooHigh,
            LeverageMismatch,
            InsufficientSupply,
            InsufficientCredits,
        ],
        tags=["stocks"],
    )
    @idempotent
    def buy(self, request: Request) -> Act:
        order = validate(serializers.StockPurchaseRequest, request.data)
        order["leverage"] = int(order["leverage"])
        return partial(self.record_purchase, order, current_user_id(request))

    def record_purchase(self, order: dict[str, Any], user_id: UUID) -> HttpResponse:
        return trade_response(trading.buy_shares(**order, user_id=user_id, clock=timezone.now))

    @operation(
        operation_id="stocks_sell",
        summary="Sell shares, at the price of this moment",
        request=serializers.StockSaleRequest,
        responses=serializers.SoldSharesResponse,
        errors=[StockNotFound, NoHolding, InsufficientShares],
        tags=["stocks"],
    )
    @idempotent
    def sell(self, request: Request) -> Act:
        order = validate(serializers.StockSaleRequest, request.data)
        return partial(self.record_sale, order, current_user_id(request))

    def record_sale(self, order: dict[str, Any], user_id: UUID) -> HttpResponse:
        outcome = trading.sell_shares(**order, user_id=user_id, clock=timezone.now)
        return trade_response(outcome, profit=outcome.profit)


def trade_response(outcome: TradeOutcome, **more: Any) -> HttpResponse:
    """Return the trade, the holding after it, and the new balance."""
    trade = outcome.transaction
    return json_response(
        transaction=serializers.StockTransactionSerializer.from_object(trade),
        holding=render_holding(outcome),
        newBalance=trade.balance_after,
        **more,
    )


def render_holding(outcome: TradeOutcome) -> dict[str, Any] | None:
    """Return the holding after the trade as JSON values; None where all is sold."""
    if outcome.holding is None:
        return None
    return serializers.HoldingSerializer.from_object(
        outcome.holding,
        holding_id=outcome.holding_id,
        user_id=outcome.transaction.user_id,
        stock_id=outcome.transaction.stock_id,
        average_price=average_price(outcome.holding),
        opened_at=outcome.opened_at,
        traded_at=outcome.transaction.created_at,
    )
