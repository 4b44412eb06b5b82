"""The jobs of the schedule: to look at, and for some to switch off and on. Their times change with the code."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from accounts.models import Permission
from accounts.staff import StaffMember
from core.models import JobRun
from staff.core.actions import Action, Actions, ActionTable, Confirmation
from staff.core.formatting import change_url, format_duration, format_time, status_label, time_ago, when
from staff.core.pages import Block, Detail, Facts, Link, Rows
from staff.core.tables import DetailTable, Recent, staff_member
from staff.models import Job
from staff.selectors import Run, recent_runs, schedule, with_last_runs
from staff.services import send_job, switch_job

RUNS = "admin:common_jobrun_changelist"

for raw in (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule, PeriodicTask):
    admin.site.unregister(raw)


def switching(job: Any, by: StaffMember) -> Confirmation:
    on = not job.enabled
    verb = f"Switch {'on' if on else 'off'}"

    def act(data: Mapping[str, Any]) -> str:
        switch_job(job_id=job.pk, on=on, by=by, reason=data["reason"], now=timezone.now())
        return f"{job!s}: switched {'on' if on else 'off'}."

    warning = "" if on else "Nobody does its work until it is switched on again."
    return confirmation(job, f"{verb}: {job!s}", verb, act, warning)


def running(job: Any, by: StaffMember) -> Confirmation:
    def act(data: Mapping[str, Any]) -> str:
        send_job(job_id=job.pk, by=by, reason=data["reason"], now=timezone.now())
        return f"{job!s}: sent to the workers."

    return confirmation(job, f"Run now: {job!s}", "Run now", act, "")


def confirmation(job: Any, title: str, button: str, act: Any, warning: str) -> Confirmation:
    facts = {"Schedule": when(job), "Last success": time_ago(job.success_at, now=timezone.now())}
    return Confirmation(title=title, button=button, back=change_url(job), act=act, facts=facts, warning=warning)


JOB_ACTIONS = Actions(
    url_name="job_{name}",
    url_path="<int:object_id>/{name}/",
    by_name={
        "switch": Action(
            button="{row.switch_label}", permission=Permission.SWITCH_JOBS, page=switching, variant="danger"
        ),
        "run": Action(button="Run now", permission=Permission.SWITCH_JOBS, page=running),
    },
)


@admin.register(Job)
class JobTable(ActionTable):
    exportable = False
    view_permission = Permission.VIEW_SYSTEM
    staff_actions = JOB_ACTIONS
    list_display = ("job", "schedule", "is_on", "last_run", "state", "took", "last_success", "error")
    list_display_links = ("job",)
    sortable_by = ()
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Job]":
        return with_last_runs(schedule())

    @admin.display(description="Job")
    def job(self, job: Job) -> str:
        return str(job)

    @admin.display(description="Schedule")
    def schedule(self, job: Job) -> str:
        return when(job)

    @admin.display(description="On", boolean=True)
    def is_on(self, job: Job) -> bool:
        return bool(job.enabled)

    @admin.display(description="Last run", empty_value="none on record")
    def last_run(self, job: Any) -> str | None:
        return time_ago(job.started_at, now=timezone.now()) if job.started_at else None

    @admin.display(description="State")
    def state(self, job: Any) -> SafeString | None:
        return status_label(job.status) if job.status else None

    @admin.display(description="Took")
    def took(self, job: Any) -> str | None:
        return format_duration(job.finished_at - job.started_at) if job.finished_at else None

    @admin.display(description="Last success")
    def last_success(self, job: Any) -> str | None:
        return time_ago(job.success_at, now=timezone.now()) if job.success_at else None

    @admin.display(description="Error")
    def error(self, job: Any) -> str | None:
        return job.error[:80] if job.error else None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, {"title": "Jobs", **(extra_context or {})})
        return page

    def detail(self, request: HttpRequest, original: Any) -> Detail:
        facts = {
            "Schedule": when(original),
            "Switched": "on" if original.enabled else "off",
            "Last sent by the scheduler": format_time(original.last_run_at),
            "Last success": time_ago(original.success_at, now=timezone.now()),
            "Task": original.task,
        }
        blocks: list[Block] = [Facts(title="Job", facts=facts), last_runs(original.task)]
        return Detail(
            original=original,
            title=str(original),
            actions=JOB_ACTIONS.links(original, by=staff_member(request)),
            blocks=blocks,
        )


def last_runs(task: str) -> Rows:
    return Rows(
        title="Last runs",
        columns=("Started (UTC)", "State", "Took", "Error"),
        rows=[cells_of(run) for run in recent_runs([task]).get(task, [])],
        none="None on record.",
        more=Link("All runs", f"{reverse(RUNS)}?job={task}"),
    )


def cells_of(run: Run) -> list[Any]:
    return [format_time(run.started_at), status_label(run.status), format_duration(run.took), run.error]


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
        """Return the order that an index has: of one job, its own; of all, the key, which grows with time."""
        return ("-started_at",) if request.GET.get("job") else ("-pk",)

    @admin.display(description="Started (UTC)")
    def started(self, run: JobRun) -> str:
        return format_time(run.started_at)

    @admin.display(description="State")
    def state(self, run: JobRun) -> SafeString:
        return status_label(run.status)

    @admin.display(description="Took")
    def took(self, run: JobRun) -> str | None:
        return format_duration(run.finished_at - run.started_at) if run.finished_at else None

    @admin.display(description="Error")
    def message(self, run: JobRun) -> str | None:
        return run.error[:120] or None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, {"title": "Runs of jobs", **(extra_context or {})})
        return page

    def detail(self, request: HttpRequest, original: JobRun) -> Detail:
        took = original.finished_at - original.started_at if original.finished_at else None
        facts = {
            "Started (UTC)": format_time(original.started_at),
            "Finished (UTC)": format_time(original.finished_at),
            "Took": format_duration(took),
        }
        blocks = [Facts(title="Run", facts=facts, text=original.error), *told(original.result or {})]
        return Detail(original=original, title=original.job, subtitle=status_label(original.status), blocks=blocks)


def told(result: Mapping[str, Any]) -> Iterator[Facts | Rows]:
    """Return what a run counted; what has parts of its own, or is a list of objects, as a table."""
    tables = {name: value for name, value in result.items() if isinstance(value, Mapping) or is_list_of_objects(value)}
    facts = {in_words(name): said(value) for name, value in result.items() if name not in tables}
    if facts:
        yield Facts(title="What it did", facts=facts)
    for name, parts in tables.items():
        rows = list(rows_of(parts))
        columns = list(dict.fromkeys(column for row in rows for column in row))
        yield Rows(
            title=in_words(name), columns=columns, rows=[[row.get(column, "") for column in columns] for row in rows]
        )


def is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, Mapping) for part in value)


def rows_of(parts: Mapping[str, Any] | list[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    if isinstance(parts, list):
        yield from ({in_words(column): said(cell) for column, cell in part.items()} for part in parts)
    else:
        yield from (cells_of_part(part, value) for part, value in parts.items())


def cells_of_part(name: str, value: Any) -> dict[str, str]:
    values = value if isinstance(value, Mapping) else {"": value}
    return {"Of": in_words(name)} | {in_words(column): said(cell) for column, cell in values.items()}


def said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_words(name: str) -> str:
    """Return a field's name as words: `passedOver`, `passed_over`."""
    return re.sub(r"_|(?=[A-Z])", " ", name).capitalize()
