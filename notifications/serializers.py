"""Requests and responses of notifications. NotificationSerializer is the one declaration of a notification's fields."""

from typing import Any

from rest_framework import serializers

from core.api.serializers import (
    ResourceSerializer,
    TrueOrFalseField,
    next_page_schema,
    response_schema,
)
from notifications.messages import ANNOUNCEMENT
from notifications.models import NotificationType
from notifications.rules import READ_MAX

SHOWN_TYPES = [*NotificationType.values, ANNOUNCEMENT]


class NotificationSerializer(ResourceSerializer):
    """A notification, or an announcement of staff, as its user sees it."""

    id = serializers.UUIDField()
    type = serializers.ChoiceField(choices=SHOWN_TYPES)
    title = serializers.CharField()
    body = serializers.CharField()
    # As a field it hides DRF's own attribute of that name, which nothing reads of a schema.
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="What it is about, as `marketId`, `betId` and amounts of credits: which, depends on the type."
    )
    createdAt = serializers.DateTimeField(source="created_at")
    readAt = serializers.DateTimeField(source="read_at", allow_null=True)


NotificationListResponse = response_schema(
    "NotificationListResponse",
    notifications=NotificationSerializer(many=True),
    unreadCount=serializers.IntegerField(help_text="Of all, on this page or not."),
    **next_page_schema(),
)


class ReadNotificationsRequest(serializers.Serializer[dict[str, Any]]):
    """Either `ids` or `all`."""

    ids = serializers.ListField(
        child=serializers.UUIDField(),
        max_length=READ_MAX,
        required=False,
        help_text="Those that aren't the user's, or are read already, are left as they are.",
    )
    all = TrueOrFalseField(required=False, help_text="`true`: all there are now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == bool(attrs.get("all")):
            raise serializers.ValidationError({"ids": "Give either ids, or all: true."}, code="required")
        return attrs


ReadNotificationsResponse = response_schema("ReadNotificationsResponse", unreadCount=serializers.IntegerField())


class PreferenceSerializer(serializers.Serializer[dict[str, bool]]):
    """What the user wants of a type."""

    inApp = TrueOrFalseField(required=False, help_text="Notifications, from now on; those that are there stay.")
    email = TrueOrFalseField(required=False, help_text="Stored for later: no notification is sent by e-mail so far.")


class PreferencesSerializer(serializers.Serializer[dict[str, Any]]):
    """By type; in a request, those that are to change."""

    def get_fields(self) -> dict[str, Any]:
        return {kind: PreferenceSerializer(required=False) for kind in NotificationType.values}


class ShownPreferenceSerializer(serializers.Serializer[dict[str, bool]]):
    """What the user wants of a type: notifications, and e-mails, of which none are sent so far."""

    inApp = serializers.BooleanField()
    email = serializers.BooleanField()


class ShownPreferencesSerializer(serializers.Serializer[dict[str, Any]]):
    """By type."""

    def get_fields(self) -> dict[str, Any]:
        return {kind: ShownPreferenceSerializer() for kind in NotificationType.values}


PreferencesResponse = response_schema("NotificationPreferencesResponse", preferences=ShownPreferencesSerializer())
