"""Every run of a job that is kept."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from accounts.models import Permission
from core.models import JobRun
from staff.core.formatting import label_of, moment_of
from staff.core.pages import Detail, DetailTable, Facts, Rows
from staff.job_states import schedule
from staff.recent import Recent
from staff.wording import taking


class ByJob(SimpleListFilter):
    title = "job"
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(task, task) for task in schedule().values_list("task", flat=True)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[JobRun]") -> "QuerySet[JobRun]":
        return queryset.filter(job=self.value()) if self.value() else queryset


class ByStatus(Recent):
    title = "state"
    parameter_name = "status"
    values = JobRun.Status.values


@admin.register(JobRun)
class JobRunTable(DetailTable):
    view_permission = Permission.VIEW_SYSTEM
    list_display = ("started", "job", "state", "took", "message")
    list_filter = (ByJob, ByStatus)
    sortable_by = ()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Of one job by its index; of all by the key, which grows with time."""
        return ("-started_at",) if request.GET.get("job") else ("-pk",)

    @admin.display(description="Started (UTC)")
    def started(self, run: JobRun) -> str:
        return moment_of(run.started_at)

    @admin.display(description="State")
    def state(self, run: JobRun) -> SafeString:
        return label_of(run.status)

    @admin.display(description="Took")
    def took(self, run: JobRun) -> str | None:
        return taking(run.finished_at - run.started_at) if run.finished_at else None

    @admin.display(description="Error")
    def message(self, run: JobRun) -> str | None:
        return run.error[:120] or None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, {"title": "Runs of jobs", **(extra_context or {})})
        return page

    def detail(self, request: HttpRequest, original: JobRun) -> Detail:
        took = original.finished_at - original.started_at if original.finished_at else None
        facts = {
            "Started (UTC)": moment_of(original.started_at),
            "Finished (UTC)": moment_of(original.finished_at),
            "Took": taking(took),
        }
        blocks = [Facts(title="Run", facts=facts, text=original.error), *told(original.result or {})]
        return Detail(original=original, title=original.job, subtitle=label_of(original.status), blocks=blocks)


def told(result: Mapping[str, Any]) -> Iterator[Facts | Rows]:
    """What a run counted; what has parts of its own as a table."""
    tables = {name: value for name, value in result.items() if isinstance(value, Mapping)}
    facts = {in_words(name): said(value) for name, value in result.items() if name not in tables}
    if facts:
        yield Facts(title="What it did", facts=facts)
    for name, parts in tables.items():
        rows = [cells_of(part, value) for part, value in parts.items()]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        yield Rows(
            title=in_words(name), columns=columns, rows=[[row.get(column, "") for column in columns] for row in rows]
        )


def cells_of(name: str, value: Any) -> dict[str, str]:
    values = value if isinstance(value, Mapping) else {"": value}
    return {"Of": in_words(name)} | {in_words(column): said(cell) for column, cell in values.items()}


def said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_words(name: str) -> str:
    """A field's name as words: `passedOver`, `passed_over`."""
    return re.sub(r"_|(?=[A-Z])", " ", name).capitalize()
