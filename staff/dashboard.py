"""The first page of the admin: how credits, bets, users, market data and jobs do."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Permission
from staff import dashboard_charts as charts
from staff.core.tables import staff_member
from staff.dashboard_tiles import audit_tile, credit_tiles, market_tile
from staff.job_states import JobState, Run, read_jobs
from staff.selectors import Figures, read_figures
from staff.wording import ago, taking

CACHE_SECONDS = 60

# Unfold comes before this app, so that a template of ours under unfold's name would not be found.
admin.site.index_template = "staff/dashboard.html"


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback. Sums are for all staff; jobs and the audit for those who may see the system."""
    now = timezone.now()
    figures = read_cached(now=now)
    shown: dict[str, Any] = {
        "title": "Dashboard",
        "is_fullwidth": "1",
        "tiles": [*credit_tiles(figures, now=now), market_tile(figures, now=now)],
        "charts": pictures(figures),
    }
    if staff_member(request).may(Permission.VIEW_SYSTEM):
        shown["tiles"].append(audit_tile(now=now))
        shown["jobs"] = [described(job, now=now) for job in read_jobs()]
    return context | shown


def read_cached(*, now: datetime) -> Figures:
    figures: Figures | None = cache.get("staff.dashboard")
    if figures is None:
        figures = read_figures(now=now)
        cache.set("staff.dashboard", figures, CACHE_SECONDS)
    return figures


def pictures(figures: Figures) -> list[charts.Chart]:
    return [
        charts.circulation(figures.days),
        charts.bets(figures.days),
        charts.flows(figures.flows),
        charts.users(figures.days),
        charts.ages(figures.ages),
        charts.exposures(figures.exposures),
    ]


def described(job: JobState, *, now: datetime) -> dict[str, Any]:
    """A job's line: its runs from the oldest to the newest, as little bars."""
    newest = job.runs[0] if job.runs else None
    return {
        "title": job.title,
        "schedule": job.schedule,
        "link": reverse("admin:staff_job_change", args=[job.pk]),
        "is_on": job.is_on,
        "runs": [{"status": run.status, "words": words_of(run, now=now)} for run in reversed(job.runs)],
        "last": ago(newest.started_at, now=now) if newest else "no record",
        "state": newest.status if newest else "",
    }


def words_of(run: Run, *, now: datetime) -> str:
    took = f", took {taking(run.took)}" if run.took else ""
    return f"{run.status} {ago(run.started_at, now=now)}{took}{': ' if run.error else ''}{run.error}"
