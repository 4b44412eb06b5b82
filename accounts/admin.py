from typing import Any, ClassVar

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
    exclude: ClassVar[tuple[str, ...]] = ("password", "groups", "user_permissions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
