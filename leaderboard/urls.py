from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from leaderboard.views import LeaderboardViewSet

# The same for everybody: the current user isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("leaderboard/pnl", LeaderboardViewSet.as_view({"get": "pnl"}, **anonymous)),
    path("leaderboard/volume", LeaderboardViewSet.as_view({"get": "volume"}, **anonymous)),
    path("leaderboard/me", LeaderboardViewSet.as_view({"get": "mine"})),
    path("auth/pnl-history", LeaderboardViewSet.as_view({"get": "pnl_history"})),
]
