"""The first page of the admin: what waits, and how credits, bets, users, market data and jobs do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Permission
from core.jobs.scheduling import is_overdue
from core.models import JobRun
from economy.models import Counterparty
from markets import rules as market_rules
from markets.feed.selectors import feed_health
from staff.core.formatting import count_of, format_duration, format_integer, largest_unit, plural, time_ago
from staff.core.pages import PRIMARY, Chart, chart, dataset, line, names, numbers, options
from staff.core.tables import staff_member
from staff.inbox import inbox_of
from staff.selectors import (
    Ages,
    DashboardMetrics,
    Day,
    Exposure,
    Flow,
    JobState,
    Run,
    read_dashboard_metrics,
    read_jobs,
)

CACHE_SECONDS = 60

# Unfold comes before this app, so that a template of ours under unfold's name would not be found.
admin.site.index_template = "staff/dashboard.html"


def add_metrics(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard's content, as Unfold's callback. Jobs and the audit are for those who may see the system."""
    now = timezone.now()
    metrics, by = read_cached(now=now), staff_member(request)
    shown: dict[str, Any] = {
        "title": "Dashboard",
        "is_fullwidth": "1",
        "inbox": inbox_of(request),
        "tiles": [*credit_tiles(metrics, now=now), market_tile(metrics, now=now), feed_tile(now=now)],
        "charts": charts(metrics),
    }
    if by.may(Permission.VIEW_SYSTEM):
        shown["tiles"].append(audit_tile(now=now))
        shown["jobs"] = [described(job, now=now) for job in read_jobs()]
    return context | shown


def read_cached(*, now: datetime) -> DashboardMetrics:
    metrics: DashboardMetrics | None = cache.get("staff.dashboard")
    if metrics is None:
        metrics = read_dashboard_metrics(now=now)
        cache.set("staff.dashboard", metrics, CACHE_SECONDS)
    return metrics


def charts(metrics: DashboardMetrics) -> list[Chart]:
    return [
        circulation_chart(metrics.days),
        bets_chart(metrics.days),
        flows_chart(metrics.flows),
        users_chart(metrics.days),
        ages_chart(metrics.ages),
        exposures_chart(metrics.exposures),
    ]


def described(job: JobState, *, now: datetime) -> dict[str, Any]:
    """Return a job's line: its runs from the oldest to the newest, as little bars."""
    newest = job.runs[0] if job.runs else None
    return {
        "title": job.title,
        "schedule": job.schedule,
        "link": reverse("admin:staff_job_change", args=[job.pk]),
        "is_on": job.is_on,
        "runs": [{"status": run.status, "words": words_of(run, now=now)} for run in reversed(job.runs)],
        "last": time_ago(newest.started_at, now=now) if newest else "no record",
        "state": newest.status if newest else "",
    }


def words_of(run: Run, *, now: datetime) -> str:
    took = f", took {format_duration(run.took)}" if run.took else ""
    return f"{run.status} {time_ago(run.started_at, now=now)}{took}{': ' if run.error else ''}{run.error}"


INGEST, COUNT, AUDIT = "markets.ingest", "staff.count_days", "economy.audit_ledger"
# The audit is daily; the time that it takes comes on top.
LATE_AUDIT = timedelta(hours=26)
GOOD, BAD = "good", "bad"


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    unit: str = ""
    note: str = ""
    state: str = ""


def credit_tiles(metrics: DashboardMetrics, *, now: datetime) -> list[Tile]:
    today, counted_at = metrics.days[-1], metrics.counted_at
    state = BAD if counted_at is None or is_overdue(COUNT, last_at=counted_at, now=now) else ""
    return [
        of_credits("In circulation", metrics.circulation, f"counted {time_ago(counted_at, now=now)}", state),
        of_credits("Stake", metrics.open.stake, f"in {count_of(metrics.open.bets, 'open bet')}"),
        of_credits("Owed at worst", metrics.open.worst, "if the dearer sides win"),
        Tile(
            "Active today",
            format_integer(today.active_users),
            plural("user", today.active_users),
            f"{format_integer(today.new_users)} joined today",
        ),
    ]


def of_credits(label: str, amount: Decimal, note: str, state: str = "") -> Tile:
    return Tile(label, format_integer(amount), plural("credit", amount), note, state)


def market_tile(metrics: DashboardMetrics, *, now: datetime) -> Tile:
    """Return the tile of the markets. One query."""
    successes = JobRun.objects.filter(job=INGEST, status=JobRun.Status.SUCCEEDED)
    last = successes.order_by("-finished_at").values_list("finished_at", flat=True).first()
    oldest = metrics.ages.oldest_at
    note = f"oldest odds {largest_unit(now - oldest)}" if oldest else "no open markets"
    state = BAD if last is None or is_overdue(INGEST, last_at=last, now=now) else GOOD
    value, unit = (largest_unit(now - last), "ago") if last else ("never", "")
    return Tile("Markets read", value, unit, note, state)


def feed_tile(*, now: datetime) -> Tile:
    """Return the tile of the price feed: how new what it knows is. One query."""
    feed = feed_health(now=now)
    if not market_rules.FEED_ENABLED:
        return Tile("Price feed", "off", "", f"odds refreshed every {market_rules.ODDS_REFRESH_SECONDS} s")
    if not feed.is_running:
        return Tile("Price feed", "away", "", f"odds refreshed every {market_rules.ODDS_REFRESH_SECONDS} s", BAD)
    note = f"{format_integer(feed.trusted)} of {format_integer(feed.tokens)} tokens"
    if feed.heard_at is None:
        return Tile("Price feed", "connecting", "", note, BAD)
    state = GOOD if feed.is_healthy(now=now) else BAD
    return Tile("Price feed", largest_unit(now - feed.heard_at), "old", note, state)


def audit_tile(*, now: datetime) -> Tile:
    """Return the tile of the last audit that finished. One query."""
    ended = JobRun.objects.filter(job=AUDIT).exclude(status=JobRun.Status.RUNNING)
    run = ended.order_by("-started_at").first()
    if run is None or run.finished_at is None:
        return Tile("Audit", "never run", state=BAD)
    when = time_ago(run.finished_at, now=now)
    if run.status != JobRun.Status.SUCCEEDED:
        return Tile("Audit", run.status, "", when, BAD)
    checks = count_of(len((run.result or {}).get("checks", {})), "check")
    state = BAD if now - run.finished_at > LATE_AUDIT else GOOD
    return Tile("Audit", "passed", "", f"{checks}, {when}", state)


# Read as well on white as on black.
GREEN, RED, AMBER, BLUE = "#16a34a", "#ef4444", "#f59e0b", "#3b82f6"
MAX_LETTERS = 38


def dates(days: list[Day]) -> list[str]:
    return [f"{day.day.day} {day.day:%b}" for day in days]


def circulation_chart(days: list[Day]) -> Chart:
    values = [day.circulation for day in days]
    fill = {"fill": True, "backgroundColor": "rgba(99, 102, 241, 0.15)"}
    return chart(
        "circulation",
        "Credits in circulation, 30 days",
        "line",
        dates(days),
        [{**line("Credits", values, PRIMARY), **fill}],
        options=options(names(), numbers("credits", beginAtZero=False), legend=False),
        words=f"{format_integer(values[-1])} credits, {format_integer(values[0])} thirty days ago.",
    )


def bets_chart(days: list[Day]) -> Chart:
    volume, placed = [day.volume for day in days], [day.bets for day in days]
    right = numbers("bets", position="right", grid={"drawOnChartArea": False})
    return chart(
        "bets",
        "Bets and volume by day",
        "bar",
        dates(days),
        [line("Bets", placed, AMBER, yAxisID="count"), dataset("Credits staked", volume, PRIMARY)],
        options=options(names(), numbers("credits"), axes={"count": right}),
        words=f"{count_of(sum(placed), 'bet')} of {format_integer(sum(volume))} credits in thirty days.",
    )


def users_chart(days: list[Day]) -> Chart:
    active, joined = [day.active_users for day in days], [day.new_users for day in days]
    return chart(
        "users",
        "Users by day",
        "bar",
        dates(days),
        [dataset("Bet, traded or bought", active, BLUE), dataset("Joined", joined, GREEN)],
        options=options(names(), numbers("users")),
        words=f"{count_of(active[-1], 'user')} active today, {count_of(sum(joined), 'user')} new in thirty days.",
    )


def flows_chart(found: list[Flow]) -> Chart:
    """Return the chart of sources and sinks, the largest first."""
    largest = sorted(found, key=lambda flow: flow.given + flow.taken, reverse=True)
    given, taken = [flow.given for flow in largest], [-flow.taken for flow in largest]
    return chart(
        "flows",
        "Where credits come from, and where they go",
        "bar",
        [source_of(flow) for flow in largest],
        [dataset("To users", given, GREEN), dataset("From users", taken, RED)],
        options=options(
            numbers("credits, ever", stacked=True),
            {**names(autoSkip=False), "stacked": True},
            indexAxis="y",
        ),
        words=f"{format_integer(sum(given))} credits given, {format_integer(-sum(taken))} taken.",
        shape="tall",
    )


def source_of(flow: Flow) -> str:
    words = flow.transaction_type.replace("_", " ").capitalize()
    return f"{words} (debt)" if flow.counterparty == Counterparty.HOUSE else words


def exposures_chart(found: list[Exposure]) -> Chart:
    return chart(
        "exposures",
        "What the house owes if a side wins: largest markets",
        "bar",
        [shortened(exposure.title) for exposure in found],
        [
            dataset("If THIS wins", [exposure.this_payout for exposure in found], BLUE),
            dataset("If THAT wins", [exposure.that_payout for exposure in found], AMBER),
            dataset("Stake", [exposure.stake for exposure in found], "rgba(139, 147, 161, 0.45)"),
        ],
        options=options(numbers("credits"), names(autoSkip=False), indexAxis="y"),
        words=f"At most {format_integer(max((max(e.this_payout, e.that_payout) for e in found), default=0))} credits.",
        shape="wide",
    )


def shortened(title: str) -> str:
    return title if len(title) <= MAX_LETTERS else f"{title[: MAX_LETTERS - 1].rstrip()}…"


def ages_chart(found: Ages) -> Chart:
    colors = [GREEN, GREEN, BLUE, AMBER, RED, RED]
    values = list(found.markets.values())
    return chart(
        "ages",
        "Age of odds, open Polymarket markets",
        "bar",
        list(found.markets),
        [{**dataset("Markets", values, PRIMARY), "backgroundColor": colors, "borderColor": colors}],
        options=options(names(autoSkip=False, font={"size": 10}), numbers("markets"), legend=False),
        words=f"{count_of(sum(values), 'market')}.",
    )
