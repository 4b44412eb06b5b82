from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from core.api.openapi import operation
from core.api.requests import current_user_id, validate
from core.api.responses import json_response, next_page, private
from notifications import selectors, services
from notifications.filters import NotificationPage
from notifications.selectors import Query
from notifications.serializers import (
    NotificationListResponse,
    PreferencesResponse,
    PreferencesSerializer,
    ReadNotificationsRequest,
    ReadNotificationsResponse,
)


class NotificationViewSet(ViewSet):
    """What the current user is told."""

    @operation(
        operation_id="notifications_mine",
        summary="The user's notifications and what staff announce, newest first",
        parameters=[NotificationPage],
        responses=NotificationListResponse,
        tags=["notifications"],
    )
    def mine(self, request: Request) -> HttpResponse:
        given = validate(NotificationPage, request.query_params)
        query = Query(unread=given["unread"], limit=given["limit"], from_cursor=given.get("cursor") or None)
        page = selectors.list_notifications(current_user_id(request), query)
        shown = {"notifications": page.notifications, "unreadCount": page.unread_count}
        return private(json_response(**shown, **next_page(page.next_cursor)))

    @operation(
        operation_id="notifications_read",
        summary="Mark notifications as read, some or all",
        request=ReadNotificationsRequest,
        responses=ReadNotificationsResponse,
        tags=["notifications"],
    )
    def read(self, request: Request) -> HttpResponse:
        given, user_id, now = validate(ReadNotificationsRequest, request.data), current_user_id(request), timezone.now()
        if given.get("all"):
            unread = services.read_all_notifications(user_id=user_id, now=now)
        else:
            unread = services.read_notifications(user_id=user_id, ids=given["ids"], now=now)
        return private(json_response(unreadCount=unread))


class PreferenceViewSet(ViewSet):
    """Which notifications the current user wants."""

    @operation(
        operation_id="notification_preferences",
        summary="Which types of notifications the user wants",
        responses=PreferencesResponse,
        tags=["notifications"],
    )
    def mine(self, request: Request) -> HttpResponse:
        return private(json_response(preferences=selectors.get_preferences(current_user_id(request))))

    @operation(
        operation_id="notification_preferences_update",
        summary="Choose which types of notifications the user wants from now on",
        request=PreferencesSerializer,
        responses=PreferencesResponse,
        tags=["notifications"],
    )
    def update(self, request: Request) -> HttpResponse:
        changes = validate(PreferencesSerializer, request.data)
        preferences = services.set_preferences(user_id=current_user_id(request), changes=changes)
        return private(json_response(preferences=preferences))
