from django.urls import path

from purchases.views import PackageViewSet, PurchaseViewSet, StripeWebhookViewSet

urlpatterns = [
    path("", PurchaseViewSet.as_view({"post": "create"})),
    path("/packages", PackageViewSet.as_view({"get": "list"})),
    path("/me", PurchaseViewSet.as_view({"get": "mine"})),
    path("/webhooks/stripe", StripeWebhookViewSet.as_view({"post": "receive"})),
]
