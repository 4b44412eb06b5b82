from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from economy.views import DailyCreditsViewSet, ProofViewSet, ReferralViewSet, StockViewSet, TransactionViewSet

# The same for everybody: the current user isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("transactions/me", TransactionViewSet.as_view({"get": "mine"})),
    path("proof", ProofViewSet.as_view({"get": "everybody"}, **anonymous)),
    path("proof/me", ProofViewSet.as_view({"get": "mine"})),
    path("economy/stocks", StockViewSet.as_view({"get": "list"}, **anonymous)),
    path("economy/buy", StockViewSet.as_view({"post": "buy"})),
    path("economy/sell", StockViewSet.as_view({"post": "sell"})),
    path("economy/portfolio", StockViewSet.as_view({"get": "portfolio"})),
    path("economy/daily-credits", DailyCreditsViewSet.as_view({"post": "claim"})),
    path("referrals/me", ReferralViewSet.as_view({"get": "mine"})),
]
