"""Staff actions: buttons on the page of a row, each with a confirmation page that shows the consequences first.

A page family declares its actions once, as an `Actions` registry; `ActionTable` serves their pages, asks for the
permission and the reason, and shows what a service refuses. The record of an action is written by the service
(`accounts.staff.record_action`), in the transaction that has the effect.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Generic, Literal, TypeVar

from django import forms
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import Permission
from accounts.rules import MAX_REASON_LENGTH
from accounts.staff import StaffMember
from core.api.errors import DomainError, TryAgain, is_transient
from core.api.requests import parse_uuid
from staff.core.formatting import DASH, change_url, list_url
from staff.core.pages import Link
from staff.core.tables import DetailTable, staff_member

ModelT = TypeVar("ModelT", bound=Model)


class ReasonForm(forms.Form):
    """Asks for the reason; subclasses add what else an action needs."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept for good, with your name.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The page before an action. `facts`: its consequences, value by label. `rows`: whom it affects, largest first.

    `act` gets the form's cleaned data and returns a sentence that says what was done. A DomainError that it raises is
    shown on the page; so is that another transaction held a lock for too long.
    """

    title: str
    button: str
    back: str
    act: Callable[[Mapping[str, Any]], str]
    form: Callable[..., forms.Form] = ReasonForm
    warning: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    initial: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.columns, "rows": self.rows}

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Return the page; after a confirmed POST that succeeded, a redirect to `back`."""
        form = self.form(request.POST or None, initial=dict(self.initial))
        status = 200
        if request.method == "POST":
            refusal = self.confirm(request, form)
            if refusal is None:
                return redirect(self.back)
            status = refusal
        context = {**admin.site.each_context(request), "title": self.title, "confirmation": self, "form": form}
        return render(request, "staff/confirm.html", context, status=status)

    def confirm(self, request: HttpRequest, form: forms.Form) -> int | None:
        """Act on a valid form. Return the HTTP status of a refusal, which the form then shows; None on success."""
        if not form.is_valid():
            return DomainError.status
        try:
            messages.success(request, self.act(form.cleaned_data))
            cache.delete(badges_key(staff_member(request)))
        except DomainError as refusal:
            form.add_error(None, str(refusal))
            return refusal.status
        except DatabaseError as exc:
            if not is_transient(exc):
                raise
            form.add_error(None, TryAgain.message)
            return TryAgain.status
        return None


def making(
    model: type[Model],
    act: Callable[[Mapping[str, Any]], str],
    form: Callable[..., forms.Form],
    *,
    title: str,
    button: str,
    warning: str,
) -> Confirmation:
    """Return the page that makes a new row of a model, and leads back to its list."""
    return Confirmation(title=title, button=button, back=list_url(model), act=act, form=form, warning=warning)


def badges_key(by: StaffMember) -> str:
    """Return what the counts of what waits for this member of the staff are cached under (`staff.inbox`)."""
    return f"staff.inbox.{by.user.pk if by.user else ''}"


def no_refusal(row: Any, by: StaffMember) -> str:
    """Return the empty text: the action is possible in every state."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[ModelT]):
    """A button on the page of a row, for staff with `permission` (None: superusers).

    `button` is a format that may use `{row}`. `page` makes the confirmation page. `refusal` says why the action isn't
    possible for this row and this member of the staff; empty where it is.
    """

    button: str
    permission: Permission | None
    page: Callable[[ModelT, StaffMember], Confirmation]
    refusal: Callable[[ModelT, StaffMember], str] = no_refusal
    variant: Literal["default", "primary", "danger"] = "default"

    def is_allowed(self, by: StaffMember) -> bool:
        if self.permission is None:
            return by.user is not None and by.user.is_superuser
        return by.may(self.permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions(Generic[ModelT]):
    """The actions on a model's rows, by the name that ends their address; the address is `url_path` below the table's.

    `url_name` is the name of the URL pattern, which takes the row's primary key and the action's name. A `url_path`
    without `<slug:name>` gives each action a pattern of its own: `{name}` in both then stands for the action's name.
    """

    url_name: str
    url_path: str
    by_name: Mapping[str, Action[ModelT]]

    @property
    def share_pattern(self) -> bool:
        return "<slug:name>" in self.url_path

    def find(self, name: str) -> Action[ModelT]:
        """Return the action. Raises Http404."""
        if name not in self.by_name:
            raise Http404
        return self.by_name[name]

    def url(self, row: ModelT, name: str) -> str:
        """Return the address of the confirmation page."""
        args = [row.pk, name] if self.share_pattern else [row.pk]
        return reverse(f"admin:{self.url_name.format(name=name)}", args=args)

    def patterns(self, view: Callable[..., HttpResponse]) -> list[URLPattern]:
        if self.share_pattern:
            return [path(self.url_path, view, name=self.url_name)]
        return [
            path(self.url_path.format(name=name), view, {"name": name}, name=self.url_name.format(name=name))
            for name in self.by_name
        ]

    def links(self, row: ModelT, *, by: StaffMember, without: Collection[str] = ()) -> list[Link]:
        """Return the buttons of what this member of the staff may do to the row now, except those in `without`."""
        return [
            Link(action.button.format(row=row), self.url(row, name), action.variant)
            for name, action in self.by_name.items()
            if name not in without and action.is_allowed(by) and not action.refusal(row, by)
        ]


BULK_MAX = 50  # as many as a page of a table has


class ActionTable(DetailTable):
    """A table whose rows' pages have action buttons.

    `bulk_actions`: those that can be done to several rows at once, one reason for all, and what they are called then.
    """

    staff_actions: ClassVar[Actions[Any]]
    bulk_actions: ClassVar[Mapping[str, str]] = {}

    def get_urls(self) -> list[URLPattern]:
        bulk = path("bulk/<slug:name>/", self.admin_site.admin_view(self.act_on_many), name=self.bulk_page)
        single = self.staff_actions.patterns(self.admin_site.admin_view(self.act))
        return [bulk, *single, *super().get_urls()]

    @property
    def bulk_page(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_bulk"

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., HttpResponse], str, str]]:
        """Return what the list has for the rows that are marked: each leads to one page of consequences."""
        by = staff_member(request)
        return {
            name: (partial(self.go_to_bulk, name), name, text)
            for name, text in self.bulk_actions.items()
            if self.staff_actions.find(name).is_allowed(by)
        }

    def go_to_bulk(self, name: str, table: Any, request: HttpRequest, marked: QuerySet[Any]) -> HttpResponse:
        ids = ",".join(str(pk) for pk in marked.order_by().values_list("pk", flat=True)[:BULK_MAX])
        return redirect(reverse(f"admin:{self.bulk_page}", args=[name]) + f"?ids={ids}")

    def act_on_many(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show the consequences of an action for each of several rows; a POST does it where it is possible."""
        if name not in self.bulk_actions:
            raise Http404
        action, by = self.staff_actions.find(name), staff_member(request)
        if not (self.has_view_permission(request) and action.is_allowed(by)):
            raise PermissionDenied
        ids = [pk for text in request.GET.get("ids", "").split(",")[:BULK_MAX] if (pk := parse_uuid(text))]
        rows = list(self.get_queryset(request).filter(pk__in=ids).order_by("pk"))
        if not rows:
            raise Http404
        back = list_url(self.model)
        return bulk_confirmation(self.bulk_actions[name], action, rows, by=by, back=back).respond(request)

    def act(self, request: HttpRequest, object_id: Any, name: str) -> HttpResponse:
        """Show the confirmation page of an action; a POST confirms it. A GET of an impossible one leads back."""
        action, by = self.staff_actions.find(name), staff_member(request)
        if not (self.has_view_permission(request) and action.is_allowed(by)):
            raise PermissionDenied
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if request.method != "POST" and (refusal := action.refusal(row, by)):
            messages.error(request, refusal)
            return redirect(change_url(row))
        return action.page(row, by).respond(request)


def bulk_confirmation(
    title: str, action: Action[Any], rows: Sequence[Any], *, by: StaffMember, back: str
) -> Confirmation:
    """Return the page before an action on several rows. Each is done, and recorded, as if it were alone.

    What is refused for one, then or meanwhile, is said and keeps no other from being done.
    """
    refusals = {row.pk: action.refusal(row, by) for row in rows}
    pages = {row.pk: action.page(row, by) for row in rows if not refusals[row.pk]}

    def act(data: Mapping[str, Any]) -> str:
        refused = []
        for row in rows:
            if row.pk in pages:
                try:
                    pages[row.pk].act(data)
                except DomainError as refusal:
                    refused.append(f"{row}: {refusal}")
        return " ".join([f"{title}: done for {len(pages) - len(refused)} of {len(rows)}.", *refused])

    return Confirmation(
        title=f"{title}: {len(pages)} of {len(rows)}",
        button=title,
        back=back,
        act=act,
        warning=next((page.warning for page in pages.values() if page.warning), ""),
        caption="What it means for each",
        columns=("What", "Consequences"),
        rows=[(str(row), refusals[row.pk] or consequences(pages[row.pk])) for row in rows],
    )


def consequences(page: Confirmation) -> str:
    return "; ".join(f"{label}: {value}" for label, value in page.facts.items()) or DASH
