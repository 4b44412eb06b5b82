from typing import Any

from django.urls import path
from rest_framework.permissions import IsAuthenticated

from accounts.authentication import JWTAuthentication
from markets.views import EventViewSet, IngestThrottle, MarketViewSet

# Alike for everybody: the current user isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": ()}
# One's own; a bad token is refused.
signed_in: dict[str, Any] = {"authentication_classes": (JWTAuthentication,), "permission_classes": (IsAuthenticated,)}

urlpatterns = [
    path("events", EventViewSet.as_view({"get": "list"}, **anonymous)),
    path("events/<str:pk>", EventViewSet.as_view({"get": "retrieve"}, **anonymous)),
    path("markets", MarketViewSet.as_view({"get": "list"}, **anonymous)),
    path("markets/random", MarketViewSet.as_view({"get": "random"})),
    path("markets/categories", MarketViewSet.as_view({"get": "categories"}, **anonymous)),
    path("markets/category/<str:category>", MarketViewSet.as_view({"get": "in_category"}, **anonymous)),
    path("markets/ingest", MarketViewSet.as_view({"post": "ingest"}, throttle_classes=(IngestThrottle,))),
    path("markets/<str:pk>", MarketViewSet.as_view({"get": "retrieve"}, **anonymous)),
    path("markets/<str:pk>/live", MarketViewSet.as_view({"get": "live"})),
    path("markets/<str:pk>/history", MarketViewSet.as_view({"get": "history"}, **anonymous)),
    path("markets/<str:pk>/price-history", MarketViewSet.as_view({"get": "price_history"}, **anonymous)),
    path("markets/<str:pk>/skip", MarketViewSet.as_view({"post": "skip"}, **signed_in)),
    path("markets/<str:pk>/full", MarketViewSet.as_view({"get": "full"})),
]
