"""A page about one thing: what is known of it, tables beside that, and links to what may be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.api.json import dumps


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


PRIMARY = "var(--color-primary-500)"
# Reads as well on white as on black.
TEXT = "#8b93a1"
SHORT = {"notation": "compact", "maximumFractionDigits": 1}


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind`: unfold's component, "bar" or "line". `words`: the same for whom no picture reaches."""

    name: str
    title: str
    kind: str
    data: str
    options: str
    words: str
    shape: str = ""


Dataset = dict[str, Any]


def dataset(label: str, values: Sequence[Decimal | int], color: str, **more: Any) -> Dataset:
    return {"label": label, "data": list(values), "backgroundColor": color, "borderColor": color, **more}


def line(label: str, values: Sequence[Decimal | int], color: str, **more: Any) -> Dataset:
    drawn = {"type": "line", "borderWidth": 2, "pointRadius": 0, "pointHitRadius": 8, "tension": 0.25}
    return dataset(label, values, color, **drawn, **more)


def numbers(unit: str, **more: Any) -> dict[str, Any]:
    """Return an axis from 0, of a unit."""
    ticks = {"color": TEXT, "format": SHORT, "maxTicksLimit": 6, "precision": 0}
    title = {"display": True, "text": unit, "color": TEXT}
    return {"beginAtZero": True, "ticks": ticks, "title": title, "border": {"display": False}, "grid": {}, **more}


def names(**ticks: Any) -> dict[str, Any]:
    """Return an axis of names or days."""
    shown = {"color": TEXT, "maxRotation": 0, "autoSkipPadding": 12, **ticks}
    return {"ticks": shown, "grid": {"display": False}, "border": {"display": False}}


def options(x: Mapping[str, Any], y: Mapping[str, Any], *, legend: bool = True, **more: Any) -> dict[str, Any]:
    labels = {"color": TEXT, "boxWidth": 8, "boxHeight": 8, "usePointStyle": True}
    other_axes = more.pop("axes", {})
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False, **({"axis": "y"} if "indexAxis" in more else {})},
        "plugins": {"legend": {"display": legend, "align": "end", "labels": labels}},
        "datasets": {"bar": {"borderRadius": 3, "maxBarThickness": 22}},
        "scales": {"x": x, "y": y, **other_axes},
        **more,
    }


def chart(name: str, title: str, kind: str, labels: list[str], sets: list[Dataset], **more: Any) -> Chart:
    data = dumps({"labels": labels, "datasets": sets}).decode()
    return Chart(name, title, kind, data, dumps(more.pop("options")).decode(), **more)


@dataclass(frozen=True, slots=True)
class ChartBlock:
    chart: Chart


Block = Facts | Rows | ChartBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The page of `original`, whose table it leads back to."""

    original: Model
    title: str
    subtitle: Any = ""
    notice: str = ""
    actions: Sequence[Link] = ()
    blocks: Sequence[Block] = field(default_factory=list)

    def render(self, request: HttpRequest) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": self.title,
            "opts": self.original._meta,  # noqa: SLF001 - Django's, for everybody
            "original": self.original,
            "object": self.original,
            "detail": self,
        }
        return render(request, "staff/detail.html", context)
