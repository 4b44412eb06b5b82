from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from economy.models import UnpaidReferral


@admin.register(UnpaidReferral)
class UnpaidReferralAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Who farms referrals shows up here: each line is a newcomer whom the referrer wasn't paid for."""

    list_display = ("username", "referred_by", "created_at")
    list_select_related = ("referred_by",)
    search_fields = ("username", "referred_by__username")
    ordering = ("-created_at",)
    fields = readonly_fields = ("id", "username", "referred_by", "created_at", "is_active")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
