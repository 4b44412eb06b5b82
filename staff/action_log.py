"""Admin table and page of recorded staff actions, and the block of a row's own for its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils import timezone

from accounts.models import Permission, StaffAction, User
from accounts.staff import StaffMember
from core.api.requests import parse_uuid
from markets.models import Market
from staff.core.actions import Action, Confirmation, ReasonForm
from staff.core.formatting import DASH, change_url, format_time, link_to
from staff.core.pages import Detail, Facts, Rows
from staff.core.tables import DetailTable
from staff.selectors import users_matching
from staff.services import LOOK, NOTE, write_note

SHOWN = 20


def done_to(thing: Model) -> Rows:
    """Return the newest staff actions on it."""
    label = thing._meta.label_lower  # noqa: SLF001 - Django's, for everybody
    done = StaffAction.objects.filter(target_type=label, target_id=str(thing.pk)).exclude(action__in=[NOTE, LOOK])
    rows = done.select_related("staff")
    return Rows(
        title="Staff actions",
        columns=("When, UTC", "Who", "From", "What", "Why", "Changed"),
        rows=[
            (format_time(row.created_at), who(row), row.ip or DASH, what(row), row.reason, changes(row))
            for row in rows.order_by("-id")[:SHOWN]
        ],
        none="Nothing.",
    )


def notes_on(thing: Model) -> Rows:
    """Return what staff noted on it, newest first."""
    label = thing._meta.label_lower  # noqa: SLF001 - Django's, for everybody
    rows = StaffAction.objects.filter(target_type=label, target_id=str(thing.pk), action=NOTE).select_related("staff")
    return Rows(
        name="notes",
        title="Notes",
        columns=("When, UTC", "Who", "Note"),
        rows=[(format_time(row.created_at), who(row), row.reason) for row in rows.order_by("-id")[:SHOWN]],
    )


class NoteForm(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "Note"


def noting(thing: Model, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        write_note(target=thing, text=data["reason"], by=by, now=timezone.now())
        return "Noted."

    return Confirmation(
        title=f"Note on {thing}",
        button="Keep the note",
        back=change_url(thing),
        act=act,
        form=NoteForm,
        warning="The staff alone read it. It can't be changed.",
    )


# The button on the pages of what notes are written on.
NOTING: Action[Any] = Action(button="Write a note", permission=Permission.WRITE_NOTES, page=noting)


class Looks(SimpleListFilter):
    """Leaves out who looked at users' pages, unless that is wanted."""

    title, parameter_name = "looks at users", "looks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("only", "Only these")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffAction]) -> QuerySet[StaffAction]:
        return queryset.filter(action=LOOK) if self.value() == "only" else queryset.exclude(action=LOOK)


def who(row: StaffAction) -> str:
    return row.staff.username if row.staff else "Command line"


def what(row: StaffAction) -> str:
    return row.action.replace("_", " ").capitalize()


def changes(row: StaffAction) -> str:
    """Format what is different afterwards: "held: 0.00 to 50.00; available: ..."."""
    after: dict[str, Any] = row.after
    parts = [
        f"{name.replace('_', ' ')}: {said(row.before[name])} to {said(value)}"
        if name in row.before
        else f"{name.replace('_', ' ')}: {said(value)}"
        for name, value in after.items()
        if row.before.get(name) != value
    ]
    return "; ".join(parts) or DASH


def said(value: Any) -> str:
    """Return a value of the record's JSON as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(StaffAction)
class StaffActionTable(DetailTable):
    """Recorded staff actions, newest first; append-only."""

    view_permission = Permission.VIEW_SYSTEM
    list_display = ("at", "by", "what", "target", "why", "address")
    list_filter = (Looks,)
    list_select_related = ("staff",)
    search_fields = ("staff",)
    search_help_text = "The id of what it was done to, or the name of who did it"
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StaffAction], search_term: str
    ) -> tuple[QuerySet[StaffAction], bool]:
        return found(queryset, search_term.strip()), False

    def describe(self, rows: Sequence[StaffAction]) -> None:
        add_names(rows)

    @admin.display(description="When, UTC")
    def at(self, row: StaffAction) -> str:
        return format_time(row.created_at)

    @admin.display(description="Who")
    def by(self, row: StaffAction) -> str:
        return who(row)

    @admin.display(description="What")
    def what(self, row: StaffAction) -> str:
        return what(row)

    @admin.display(description="To what")
    def target(self, row: StaffAction) -> str:
        return link_to_target(row)

    @admin.display(description="Why")
    def why(self, row: StaffAction) -> str:
        return row.reason

    @admin.display(description="From")
    def address(self, row: StaffAction) -> str:
        return row.ip or DASH

    def detail(self, request: HttpRequest, original: StaffAction) -> Detail:
        add_names([original])
        return Detail(
            original=original,
            title=what(original),
            blocks=[
                Facts(
                    title="Who, when and why",
                    facts={
                        "Who": who(original),
                        "When, UTC": format_time(original.created_at),
                        "From": original.ip or DASH,
                        "To what": link_to_target(original),
                    },
                    text=original.reason,
                ),
                Rows(
                    title="Before and after",
                    columns=("What", "Before", "After"),
                    rows=[
                        (name.replace("_", " ").capitalize(), said(original.before.get(name)), said(value))
                        for name, value in original.after.items()
                    ],
                ),
            ],
        )


def found(queryset: QuerySet[StaffAction], term: str) -> QuerySet[StaffAction]:
    if not term:
        return queryset
    if parse_uuid(term) or term.isdigit():
        # The index begins with the type: each there may be is looked up.
        types = [model._meta.label_lower for model in apps.get_models()]  # noqa: SLF001 - Django's, for everybody
        return queryset.filter(target_type__in=types, target_id=term)
    return queryset.filter(staff__in=User.objects.filter(users_matching(term), is_staff=True))


# What rows of a type are called by, where that isn't their id.
NAMES = {"accounts.user": (User, "username"), "markets.market": (Market, "title")}


def add_names(rows: Sequence[StaffAction]) -> None:
    """Add to the actions what their targets are called: a statement for each type that has names."""
    for label, (model, field) in NAMES.items():
        of_type = [row for row in rows if row.target_type == label]
        named = model._default_manager.filter(pk__in=[row.target_id for row in of_type])  # noqa: SLF001 - Django's
        names = {str(pk): name for pk, name in named.values_list("pk", field)} if of_type else {}
        for row in of_type:
            row.target_name = names.get(row.target_id, "")  # type: ignore[attr-defined]


def link_to_target(row: StaffAction) -> str:
    """Return a link to the target's page, where it has one, by its name, where `add_names` added it."""
    text = f"{kind_of(row)} {getattr(row, 'target_name', '') or row.target_id}"
    try:
        return link_to(f"{row.target_type.replace('.', '_')}_change", text, row.target_id)
    except NoReverseMatch:
        return text


def kind_of(row: StaffAction) -> str:
    return row.target_type.rpartition(".")[2].capitalize()
