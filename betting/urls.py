from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from betting.views import BetViewSet

# Alike for everybody: the current user isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("", BetViewSet.as_view({"post": "place"})),
    path("/quote", BetViewSet.as_view({"post": "quote"}, **anonymous)),
    path("/me", BetViewSet.as_view({"get": "mine"})),
    path("/<str:bet_id>", BetViewSet.as_view({"get": "retrieve"})),
    path("/<str:bet_id>/quote", BetViewSet.as_view({"post": "quote_sale"})),
    path("/<str:bet_id>/sell", BetViewSet.as_view({"post": "sell"})),
]
