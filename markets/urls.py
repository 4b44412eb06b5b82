from django.urls import path

from markets.throttles import IngestThrottle
from markets.views import MarketViewSet

urlpatterns = [
    path("", MarketViewSet.as_view({"get": "list"})),
    path("/random", MarketViewSet.as_view({"get": "random"})),
    path("/categories", MarketViewSet.as_view({"get": "categories"})),
    path("/category/<str:category>", MarketViewSet.as_view({"get": "in_category"})),
    path("/ingest", MarketViewSet.as_view({"post": "ingest"}, throttle_classes=(IngestThrottle,))),
    path("/<str:pk>", MarketViewSet.as_view({"get": "retrieve"})),
    path("/<str:pk>/live", MarketViewSet.as_view({"get": "live"})),
    path("/<str:pk>/full", MarketViewSet.as_view({"get": "full"})),
]
