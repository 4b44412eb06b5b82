"""The admin's table of users, its search and filter. A user's page is in `page`, what staff may do in `actions`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.contrib.auth.models import Group
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from accounts.models import Permission, User
from core.api.requests import parse_uuid
from economy.models import Debt
from staff.core.actions import ActionTable
from staff.core.formatting import format_credits, format_time, status_label, user_status
from staff.core.pages import Detail
from staff.core.tables import staff_member
from staff.selectors import users_matching
from staff.services import record_look
from staff.users.actions import USER_ACTIONS
from staff.users.page import user_page

# Roles are given on a user's page, on record; allauth's tables are nothing to edit.
for edited_elsewhere in (Group, EmailAddress, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(edited_elsewhere):
        admin.site.unregister(edited_elsewhere)


class StateFilter(SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("suspended", "Suspended"),
            ("leaving", "Leaving"),
            ("held", "Credits on hold"),
            ("owing", "In debt"),
            ("staff", "Staff"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        wanted = {
            "suspended": Q(is_active=False, deletion_due_at__isnull=True),
            "leaving": Q(deletion_due_at__isnull=False),
            "held": Q(held_credits__gt=0),
            "owing": Q(pk__in=Debt.objects.filter(repaid__lt=F("lent")).values("user_id")),
            "staff": Q(is_staff=True),
        }
        return queryset.filter(wanted[chosen]) if (chosen := self.value()) in wanted else queryset


@admin.register(User)
class UserTable(ActionTable):
    """Newest first."""

    view_permission = Permission.VIEW_PEOPLE
    staff_actions = USER_ACTIONS
    bulk_actions: ClassVar[Mapping[str, str]] = {
        "suspend": "Suspend the users",
        "restore": "Restore the users",
        "log-out": "Log the users out everywhere",
    }
    list_display = ("user_", "address", "state", "balance", "held", "joined", "active")
    list_filter = (StateFilter,)
    search_fields = ("name",)
    search_help_text = "How a name or username begins; or an e-mail, X handle, id or referral code"
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        return (queryset.filter(users_matching(search_term)) if search_term.strip() else queryset), False

    @display(description="User", header=True)  # type: ignore[untyped-decorator]
    def user_(self, user: User) -> list[str]:
        return [user.name, f"@{user.username}"]

    @admin.display(description="E-mail")
    def address(self, user: User) -> str:
        return user.email

    @admin.display(description="State")
    def state(self, user: User) -> str:
        return status_label("staff" if user.is_active and user.is_staff else user_status(user))

    @admin.display(description="Balance")
    def balance(self, user: User) -> str:
        return format_credits(user.credit_balance)

    @admin.display(description="On hold")
    def held(self, user: User) -> str:
        return format_credits(user.held_credits or None)

    @admin.display(description="Joined, UTC")
    def joined(self, user: User) -> str:
        return format_time(user.created_at)

    @admin.display(description="Last active, UTC")
    def active(self, user: User) -> str:
        return format_time(user.last_active_at, otherwise="Never")

    def detail(self, request: HttpRequest, original: User) -> Detail:
        by = staff_member(request)
        record_look(original, by=by, now=timezone.now())
        return user_page(original, by=by, before=request.GET.get("before"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> User | None:
        users = User.objects.select_related("referred_by").prefetch_related("groups")
        return users.filter(pk=user_id).first() if (user_id := parse_uuid(object_id)) else None
