from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from markets.models import MarketResolution


@admin.register(MarketResolution)
class MarketResolutionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What was concluded about markets, newest first. To read: it is kept as it was."""

    list_display = ("seen_at", "market", "decision", "source", "staff", "reason")
    list_filter = ("decision", "source")
    list_select_related = ("market", "staff")
    search_fields = ("market__title", "market__polymarket_id")
    ordering = ("-id",)
    fields = readonly_fields = ("market", "decision", "source", "staff", "reason", "facts", "seen_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
