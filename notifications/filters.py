"""Validated query parameters of the list of the current user's notifications."""

from typing import Any

from rest_framework import serializers

from notifications.rules import LIST_LIMIT, LIST_LIMIT_MAX


class NotificationPage(serializers.Serializer[dict[str, Any]]):
    """Which page of the list; an empty cursor is none."""

    unread = serializers.BooleanField(default=False, help_text="Only those that are unread.")
    limit = serializers.IntegerField(min_value=1, max_value=LIST_LIMIT_MAX, default=LIST_LIMIT)
    cursor = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="`nextCursor` of the page before."
    )
