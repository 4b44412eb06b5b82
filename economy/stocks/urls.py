from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from economy.stocks.views import StockViewSet

# Alike for everybody: who asks isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("/stocks", StockViewSet.as_view({"get": "list"}, **anonymous)),
    path("/buy", StockViewSet.as_view({"post": "buy"})),
    path("/sell", StockViewSet.as_view({"post": "sell"})),
    path("/portfolio", StockViewSet.as_view({"get": "portfolio"})),
]
