"""Every run of a job that is kept."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from accounts.models import Permission
from thisthat.common.models import JobRun
from thisthat.staff.cells import label_of, moment_of
from thisthat.staff.details import Detail, Facts
from thisthat.staff.job_states import schedule
from thisthat.staff.recent import Recent
from thisthat.staff.tables import Table
from thisthat.staff.wording import taking


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
class JobRunTable(Table):
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

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        return page_of(run).answer(request)


def page_of(run: JobRun) -> Detail:
    facts = {
        "Started (UTC)": moment_of(run.started_at),
        "Finished (UTC)": moment_of(run.finished_at),
        "Took": taking(run.finished_at - run.started_at if run.finished_at else None),
    }
    blocks = [Facts(title="Run", facts=facts, text=run.error)]
    if run.result:
        blocks.append(Facts(title="What it did", facts=dict(told(run.result))))
    return Detail(original=run, title=run.job, subtitle=label_of(run.status), blocks=blocks)


def told(result: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """A run's result as label and value, what is inside another after its name."""
    for name, value in result.items():
        label = f"{before}{in_words(name)}"
        if isinstance(value, Mapping):
            yield from told(value, f"{label}: ")
        else:
            yield label, said(value)


def said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_words(name: str) -> str:
    """A field's name as words: `passedOver`, `passed_over`."""
    return re.sub(r"_|(?=[A-Z])", " ", name).lower()
