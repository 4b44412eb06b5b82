from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny

from stream.views import StreamViewSet

# Who streams is said by the ticket.
anonymous: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}

urlpatterns = [
    path("", StreamViewSet.as_view({"get": "listen"}, **anonymous)),
    path("/ticket", StreamViewSet.as_view({"post": "ticket"})),
]
