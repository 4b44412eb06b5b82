"""The admin's pages of announcements: the table, each one's page, writing one and withdrawing it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import Permission
from accounts.staff import StaffMember
from core.api.requests import parse_uuid
from notifications.announcements import announce, withdraw_announcement
from notifications.errors import AnnouncementWithdrawn
from notifications.models import Announcement, Segment
from notifications.rules import KEPT_FOR, MAX_BODY_LENGTH, MAX_TITLE_LENGTH
from staff.action_log import done_to
from staff.core.actions import Action, Actions, ActionTable, Confirmation, ReasonForm, making
from staff.core.formatting import change_url, format_time, status_label
from staff.core.pages import Detail, Facts
from staff.core.tables import staff_member

Data = Mapping[str, Any]


class AnnouncementForm(ReasonForm):
    field_order = ["segment", "title", "body", "reason"]
    segment = forms.ChoiceField(label="To", choices=Segment.choices, widget=UnfoldAdminSelectWidget())
    title = forms.CharField(max_length=MAX_TITLE_LENGTH, widget=UnfoldAdminTextInputWidget())
    body = forms.CharField(
        max_length=MAX_BODY_LENGTH, label="Text", widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )


def announcing(by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        said = {"title": data["title"], "body": data["body"], "reason": data["reason"]}
        announce(segment=Segment(data["segment"]), **said, by=by, now=timezone.now())
        return f"Announced: {data['title']}"

    warning = f"Users see it at once among their notifications, for {KEPT_FOR.days} days. It can't be reworded."
    return making(Announcement, act, AnnouncementForm, title="New announcement", button="Announce it", warning=warning)


def withdrawing(announcement: Announcement, by: StaffMember) -> Confirmation:
    def act(data: Data) -> str:
        pk, now = announcement.pk, timezone.now()
        withdraw_announcement(announcement_id=pk, by=by, reason=data["reason"], now=now)
        return "Withdrawn: nobody sees it any more."

    return Confirmation(
        title=f"Withdraw “{announcement.title}”",
        button="Withdraw it",
        back=change_url(announcement),
        act=act,
        warning="Users who have read it already aren't told.",
        facts=facts_of(announcement),
    )


def refuse_withdrawn(announcement: Announcement, by: StaffMember) -> str:
    return AnnouncementWithdrawn.message if announcement.withdrawn_at else ""


ANNOUNCEMENT_ACTIONS = Actions(
    url_name="notifications_announcement_act",
    url_path="<uuid:object_id>/act/<slug:name>/",
    by_name={
        "withdraw": Action(
            button="Withdraw",
            permission=Permission.ANNOUNCE,
            page=withdrawing,
            refusal=refuse_withdrawn,
            variant="danger",
        )
    },
)


def facts_of(announcement: Announcement) -> dict[str, Any]:
    return {
        "To": Segment(announcement.segment).label,
        "Announced, UTC": format_time(announcement.created_at),
        "Withdrawn, UTC": format_time(announcement.withdrawn_at, otherwise="No"),
    }


@admin.register(Announcement)
class AnnouncementTable(ActionTable):
    """Announcements, newest first."""

    view_permission = Permission.ANNOUNCE
    staff_actions = ANNOUNCEMENT_ACTIONS
    list_display = ("title", "to", "announced", "state")
    ordering = ("-id",)
    actions_list = ("create",)

    @admin.display(description="To")
    def to(self, announcement: Announcement) -> str:
        return str(Segment(announcement.segment).label)

    @admin.display(description="Announced, UTC")
    def announced(self, announcement: Announcement) -> str:
        return format_time(announcement.created_at)

    @admin.display(description="State")
    def state(self, announcement: Announcement) -> str:
        return status_label("withdrawn" if announcement.withdrawn_at else "shown")

    def detail(self, request: HttpRequest, original: Announcement) -> Detail:
        by = staff_member(request)
        return Detail(
            original=original,
            title=original.title,
            actions=self.staff_actions.links(original, by=by),
            blocks=[Facts(title="Announcement", facts=facts_of(original), text=original.body), done_to(original)],
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Announcement | None:
        announcement_id = parse_uuid(object_id)
        return Announcement.objects.filter(pk=announcement_id).first() if announcement_id else None

    def has_create_permission(self, request: HttpRequest) -> bool:
        return staff_member(request).may(Permission.ANNOUNCE)

    @action(  # type: ignore[untyped-decorator]
        description="New announcement", url_path="new", icon="add", permissions=["create"]
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        return announcing(staff_member(request)).respond(request)
