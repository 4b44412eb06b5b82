from django.urls import path

from notifications.views import NotificationViewSet, PreferenceViewSet

urlpatterns = [
    path("notifications/me", NotificationViewSet.as_view({"get": "mine"})),
    path("notifications/read", NotificationViewSet.as_view({"post": "read"})),
    path("users/me/notification-preferences", PreferenceViewSet.as_view({"get": "mine", "patch": "update"})),
]
