"""Credits that staff gave and took, and those that wait for a second of the staff."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import Permission, User
from accounts.staff import StaffMember
from economy.adjustments import decide_adjustment
from economy.models import CreditAdjustment
from staff.core.actions import Confirmation
from staff.core.formatting import DASH, credits_of, label_of, moment_of, page_of
from staff.core.pages import Detail, DetailTable, Facts, Link
from staff.core.tables import staff_member
from staff.ledger import OfUser, person_of
from staff.recent import Recent

PENDING = CreditAdjustment.Status.PENDING


class StatusFilter(Recent):
    """Those that wait are few, and have an index of their own."""

    title, parameter_name = "status", "status"
    values = CreditAdjustment.Status.values

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=PENDING) if self.value() == PENDING else super().queryset(request, queryset)


@admin.register(CreditAdjustment)
class AdjustmentTable(DetailTable, OfUser):
    """Newest first."""

    list_display = ("at", "person", "moves", "state", "asker", "decider", "why")
    list_display_links = ("at",)
    list_filter = (StatusFilter,)
    list_select_related = ("user", "requested_by", "decided_by")
    order = ("-id",)

    @admin.display(description="Asked, UTC")
    def at(self, row: CreditAdjustment) -> str:
        return moment_of(row.created_at)

    @admin.display(description="Credits")
    def moves(self, row: CreditAdjustment) -> str:
        return credits_of(row.amount)

    @admin.display(description="State")
    def state(self, row: CreditAdjustment) -> str:
        return label_of(row.status)

    @admin.display(description="Asked by")
    def asker(self, row: CreditAdjustment) -> str:
        return name_of(row.requested_by)

    @admin.display(description="Decided by")
    def decider(self, row: CreditAdjustment) -> str:
        return row.decided_by.username if row.decided_by else DASH

    @admin.display(description="Why")
    def why(self, row: CreditAdjustment) -> str:
        return row.reason

    def detail(self, request: HttpRequest, original: CreditAdjustment) -> Detail:
        return adjustment_page(original, by=staff_member(request))

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        page = "<uuid:adjustment_id>/decide/<slug:answer>/"
        return [path(page, decide, name="economy_creditadjustment_decide"), *super().get_urls()]

    def decide(self, request: HttpRequest, adjustment_id: UUID, answer: str) -> HttpResponse:
        """Approve or decline: asked before, done by a POST."""
        by = staff_member(request)
        if answer not in ANSWERS or not (by.may(Permission.VIEW_PEOPLE) and by.may(Permission.ADJUST_CREDITS)):
            raise PermissionDenied
        adjustment = get_object_or_404(CreditAdjustment.objects.select_related("user"), pk=adjustment_id)
        if request.method != "POST" and not is_open_to(by, adjustment):
            messages.error(request, "This isn't for you to decide, or is decided already.")
            return redirect(page_of(adjustment))
        return decision(adjustment, answer, by).answer(request)


ANSWERS = {"approve": "Approve", "decline": "Decline"}


def is_open_to(by: StaffMember, adjustment: CreditAdjustment) -> bool:
    """Whether this member of the staff may be the second."""
    someone_else = by.user is not None and by.user.pk not in {adjustment.requested_by_id, adjustment.user_id}
    return adjustment.status == PENDING and someone_else and by.may(Permission.ADJUST_CREDITS)


def decision(adjustment: CreditAdjustment, answer: str, by: StaffMember) -> Confirmation:
    user, approve = adjustment.user, answer == "approve"

    def act(said: Mapping[str, Any]) -> str:
        decide_adjustment(
            adjustment_id=adjustment.pk, approve=approve, by=by, reason=said["reason"], now=timezone.now()
        )
        return f"Approved: {moves(adjustment)}." if approve else "Declined: nothing moved."

    return Confirmation(
        title=f"{ANSWERS[answer]}: {moves(adjustment)}",
        button=ANSWERS[answer],
        back=page_of(adjustment),
        act=act,
        facts={
            "Asked by": name_of(adjustment.requested_by),
            "Because": adjustment.reason,
            "Balance": credits_of(user.credit_balance),
            "Available": credits_of(user.available_credits),
        },
    )


def moves(adjustment: CreditAdjustment) -> str:
    verb = "give" if adjustment.amount > 0 else "take"
    towards = "to" if adjustment.amount > 0 else "from"
    return f"{verb} {credits_of(abs(adjustment.amount))} credits {towards} @{adjustment.user.username}"


def name_of(user: User | None) -> str:
    return user.username if user else "Command line"


def adjustment_page(adjustment: CreditAdjustment, *, by: StaffMember) -> Detail:
    facts = {
        "User": person_of(adjustment.user),
        "Credits": credits_of(adjustment.amount),
        "Asked by": name_of(adjustment.requested_by),
        "Asked, UTC": moment_of(adjustment.created_at),
    }
    blocks = [Facts(title="What was asked", facts=facts, text=adjustment.reason)]
    if adjustment.decided_by:
        decided = {"By": name_of(adjustment.decided_by), "When, UTC": moment_of(adjustment.decided_at)}
        blocks.append(Facts(title="What was decided", facts=decided, text=adjustment.decision_reason))
    return Detail(
        original=adjustment,
        title=moves(adjustment).capitalize(),
        subtitle=label_of(adjustment.status),
        notice="Nothing moves until a second of the staff approves it." if adjustment.status == PENDING else "",
        actions=buttons(adjustment) if is_open_to(by, adjustment) else [],
        blocks=blocks,
    )


def buttons(adjustment: CreditAdjustment) -> list[Link]:
    def address(answer: str) -> str:
        return reverse("admin:economy_creditadjustment_decide", args=[adjustment.pk, answer])

    return [Link("Approve", address("approve"), "primary"), Link("Decline", address("decline"))]
