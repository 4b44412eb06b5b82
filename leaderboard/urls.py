from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from leaderboard.views import LeaderboardViewSet

# The same for everybody: the current user isn't looked at.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("/pnl", LeaderboardViewSet.as_view({"get": "pnl"}, **anonymous)),
    path("/volume", LeaderboardViewSet.as_view({"get": "volume"}, **anonymous)),
    path("/me", LeaderboardViewSet.as_view({"get": "mine"})),
]
