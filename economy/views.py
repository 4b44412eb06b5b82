from functools import partial
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts.models import User
from core.api.idempotency import HEADER_PARAMETER, Act, idempotent
from core.api.responses import rendered
from economy import serializers as shapes
from economy.referrals import newest_referred
from economy.rewards import claim_daily_reward
from economy.selectors import Query, list_transactions


def private(body: dict[str, Any]) -> HttpResponse:
    response = rendered({"success": True, **body})
    response["Cache-Control"] = "private, no-store"
    return response


class TransactionViewSet(ViewSet):
    """What happened to the user's credits."""

    @extend_schema(
        operation_id="transactions_mine",
        summary="The user's transfers, newest first",
        parameters=[shapes.TransactionsQuery],
        responses=shapes.TransactionList,
        tags=["transactions"],
    )
    def mine(self, request: Request) -> HttpResponse:
        given = shapes.TransactionsQuery(data=request.query_params)
        given.is_valid(raise_exception=True)
        query = Query(**given.validated_data)
        page = list_transactions(cast("UUID", request.user.pk), query)
        where: dict[str, Any] = {"limit": query.limit, "offset": query.offset, "nextCursor": page.next_cursor}
        return private({"transactions": page.transactions, "total": page.total, **where})


class DailyCreditsViewSet(ViewSet):
    """The reward of the day."""

    @extend_schema(
        operation_id="economy_claim_daily_credits",
        summary="Claim the reward of this UTC day; claimed already, it awards nothing",
        parameters=[HEADER_PARAMETER],
        request=None,
        responses=shapes.DailyCreditsSchema,
        tags=["economy"],
    )
    @idempotent
    def claim(self, request: Request) -> Act:
        return partial(self.book, cast("UUID", request.user.pk))

    def book(self, user_id: UUID) -> HttpResponse:
        claimed = claim_daily_reward(user_id=user_id, now=timezone.now())
        awarded: dict[str, Any] = {"creditsAwarded": claimed.credits, "consecutiveDays": claimed.streak}
        return private({**awarded, "nextAvailableAt": claimed.next_at, "newBalance": claimed.balance})


class ReferralViewSet(ViewSet):
    """Whom the user brought, and what that was worth."""

    @extend_schema(
        operation_id="referrals_mine",
        summary="The user's referral code, and the newest of those who signed up with it",
        responses=shapes.ReferralsAnswer,
        tags=["referrals"],
    )
    def mine(self, request: Request) -> HttpResponse:
        user = cast("User", request.user)
        earned: dict[str, Any] = {
            "referralCount": user.referral_count,
            "referralCreditsEarned": user.referral_credits_earned,
        }
        return private({"referralCode": user.referral_code, **earned, "referredUsers": newest_referred(user.pk)})
