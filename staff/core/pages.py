"""A page about one thing: what is known of it, tables beside that, and links to what may be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from staff.core.tables import Table
from staff.dashboard_charts import Chart


@dataclass(frozen=True, slots=True)
class Link:
    """A button; what is dangerous is red."""

    text: str
    url: str
    variant: Literal["default", "primary", "danger"] = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Values by label; `text` is a longer one, shown below them."""

    title: str
    facts: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table of a bounded number of rows; `more` leads to all of them, or on, and `back` to where it began.

    `name` is what an address ends with that leads to it.
    """

    name: str = ""
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    none: str = "None."
    more: Link | None = None
    back: Link | None = None

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.columns, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Picture:
    picture: Chart


Block = Facts | Rows | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The page of `original`, whose table it leads back to."""

    original: Model
    title: str
    subtitle: Any = ""
    notice: str = ""
    actions: Sequence[Link] = ()
    blocks: Sequence[Block] = field(default_factory=list)

    def answer(self, request: HttpRequest) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": self.title,
            "opts": self.original._meta,  # noqa: SLF001 - Django's, for everybody
            "original": self.original,
            "object": self.original,
            "detail": self,
        }
        return render(request, "staff/detail.html", context)


class DetailTable(Table):
    """A table whose rows each have a page."""

    def detail(self, request: HttpRequest, original: Any) -> Detail:
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page, which nothing can be sent to."""
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        original = self.get_object(request, unquote(object_id))
        if original is None:
            raise Http404
        return self.detail(request, original).answer(request)
