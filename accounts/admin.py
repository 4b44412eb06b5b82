from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import User


@admin.register(User)
class UserAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look people up. Nothing is edited here: credits move in the ledger alone."""

    list_display = ("username", "email", "name", "is_active", "is_staff", "created_at", "last_active_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("username", "email", "name", "x_username")
    ordering = ("-created_at",)
    fields = readonly_fields = (
        *("id", "username", "email", "name", "bio", "avatar_url", "x_username", "is_active", "is_staff"),
        *("created_at", "last_login_at", "last_active_at", "last_daily_reward_at", "consecutive_days_online"),
        *("credit_balance", "held_credits", "available_credits", "locked_credits", "expended_credits"),
        *("total_volume", "overall_pnl", "rank_by_pnl", "rank_by_volume"),
        *("referral_code", "referred_by", "referral_count", "referral_credits_earned"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
