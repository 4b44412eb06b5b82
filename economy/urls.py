from django.urls import include, path

from economy.views import DailyCreditsViewSet, ReferralViewSet, TransactionViewSet

urlpatterns = [
    path("transactions/me", TransactionViewSet.as_view({"get": "mine"})),
    path("economy", include("economy.stocks.urls")),
    path("economy/daily-credits", DailyCreditsViewSet.as_view({"post": "claim"})),
    path("referrals/me", ReferralViewSet.as_view({"get": "mine"})),
]
