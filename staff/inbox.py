"""What waits for a member of the staff: the first thing on the dashboard, and the badges of the sidebar.

Each kind is for those who may act on it, has an index of its own, and is read no further than SHOWN_MAX. Every row
leads to the page where it is dealt with. The badges are of the last minute, or of the last action.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Permission, User
from accounts.staff import StaffMember
from betting.models import SettlementFailure
from core.jobs.runs import histories
from core.jobs.scheduling import late_jobs
from core.models import JobRun
from economy.models import CreditAdjustment
from markets.models import Market, MarketResolution
from markets.resolution.records import needing_staff
from staff.core.actions import badges_key
from staff.core.formatting import change_url, count_of, format_credits, time_ago
from staff.core.tables import staff_member
from staff.selectors import open_disputes, schedule
from staff.site import NAVIGATION

# Rows that the dashboard shows of a kind; beyond so many a count says "more than".
LISTED, SHOWN_MAX = 5, 100
BADGE_SECONDS = 60
ERASURE_LATE_AFTER = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Item:
    """A thing to do: what it is about, what is the matter, since when, and the page where it is dealt with."""

    about: str
    matter: str
    since: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of things to do. `page`: the name of the sidebar's page that has its badge; `all_of`: all of them."""

    title: str
    page: str
    query: str
    permission: Permission
    read: Callable[[StaffMember, datetime], "Waiting"]

    @property
    def all_of(self) -> str:
        return reverse(f"admin:{self.page}") + (f"?{self.query}" if self.query else "")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, at most SHOWN_MAX, and the first LISTED of them. `kind` is set by `read_inbox`."""

    count: int
    items: Sequence[Item]
    kind: Kind | None = None

    @property
    def said(self) -> str:
        return f"{SHOWN_MAX} or more" if self.count >= SHOWN_MAX else f"{self.count}"


def read_inbox(by: StaffMember, *, now: datetime) -> list[Waiting]:
    """Return what waits for this member of the staff, by kind, without empty kinds. At most ten statements."""
    found = [replace(kind.read(by, now), kind=kind) for kind in KINDS if by.may(kind.permission)]
    waiting = [each for each in found if each.count]
    cache.set(badges_key(by), badges_of(waiting), BADGE_SECONDS)
    return waiting


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar, as Unfold's callback: a page on which something waits says how much."""
    badges = read_badges(request)
    return [{**group, "items": [with_badge(item, badges) for item in group["items"]]} for group in NAVIGATION]


def with_badge(item: Mapping[str, Any], badges: Mapping[str, str]) -> dict[str, Any]:
    badge = badges.get(item["page"])
    return {**item, "badge": badge, "badge_variant": "danger"} if badge else dict(item)


def read_badges(request: HttpRequest) -> Mapping[str, str]:
    """Return the count of each page's kind; none for who isn't signed in as staff."""
    if not (isinstance(request.user, User) and request.user.is_staff):
        return {}
    badges: Mapping[str, str] | None = cache.get(badges_key(staff_member(request)))
    return badges_of(inbox_of(request)) if badges is None else badges


def inbox_of(request: HttpRequest) -> list[Waiting]:
    """Return what waits for the current user; read once a request, which the dashboard shows and the sidebar counts."""
    if not hasattr(request, "staff_inbox"):
        request.staff_inbox = read_inbox(staff_member(request), now=timezone.now())  # type: ignore[attr-defined]
    found: list[Waiting] = request.staff_inbox  # type: ignore[attr-defined]
    return found


def badges_of(inbox: Sequence[Waiting]) -> dict[str, str]:
    return {each.kind.page: each.said for each in inbox if each.kind}


# Why a market waits, in the words of its newest resolution record; of a suspended one its own reason is said.
MATTERS: Mapping[str, str] = {
    MarketResolution.Decision.UNKNOWN: "Polymarket's result is unknown",
    MarketResolution.Decision.DISAGREEMENT: "The sources disagree",
    MarketResolution.Decision.UNCONFIRMED: "Only one source has a result",
    MarketResolution.Decision.WAITING: "Closed for long without a result",
    MarketResolution.Decision.HELD: "The result is held",
    MarketResolution.Decision.OPEN: "Closed here, open at Polymarket",
    MarketResolution.Decision.REOPENED: "Its result was undone",
    MarketResolution.Decision.CHANGED: "Polymarket has another result now",
}


def undecided_markets(by: StaffMember, now: datetime) -> Waiting:
    ids = needing_staff(now=now)
    first = ids[:LISTED]
    markets = Market.objects.only("title", "suspended_reason", "status").in_bulk(first) if first else {}
    newest = MarketResolution.objects.filter(market_id__in=first).order_by("market_id", "-id").distinct("market_id")
    records = {row.market_id: row for row in newest.only("market_id", "decision", "seen_at")} if first else {}
    return Waiting(
        min(len(ids), SHOWN_MAX),
        [item_of(market, records.get(market.pk), now) for pk in first if (market := markets.get(pk))],
    )


def item_of(market: Market, record: MarketResolution | None, now: datetime) -> Item:
    decision = record.decision if record else ""
    suspended = market.status == Market.Status.OPEN and market.suspended_reason
    matter = suspended or MATTERS.get(decision, "Ended: decide it")
    return Item(market.title, matter, time_ago(record.seen_at, now=now) if record else "", change_url(market))


def pending_adjustments(by: StaffMember, now: datetime) -> Waiting:
    """Return those that this member of the staff may decide: none of their own, and none about themselves."""
    pending = CreditAdjustment.objects.filter(status=CreditAdjustment.Status.PENDING).order_by("-id")
    if by.user:
        pending = pending.exclude(Q(requested_by=by.user) | Q(user=by.user))
    found = list(pending.select_related("user", "requested_by")[:SHOWN_MAX])
    return Waiting(len(found), [item_of_adjustment(row, now) for row in found[:LISTED]])


def item_of_adjustment(row: CreditAdjustment, now: datetime) -> Item:
    requester = row.requested_by.username if row.requested_by else "Command line"
    matter = f"{format_credits(row.amount)} credits, requested by {requester}: {row.reason}"
    return Item(f"@{row.user.username}", matter, time_ago(row.created_at, now=now), change_url(row))


def failed_settlements(by: StaffMember, now: datetime) -> Waiting:
    """Return the markets with failed settlements; they are retried on the market's page."""
    failed = SettlementFailure.objects.values("market_id", "market__title").annotate(
        bets=Count("pk"), at=Min("failed_at")
    )
    found = list(failed.order_by("at", "market_id")[:SHOWN_MAX])
    return Waiting(
        len(found),
        [
            Item(
                row["market__title"],
                f"{count_of(row['bets'], 'bet')} couldn't be settled",
                time_ago(row["at"], now=now),
                reverse("admin:markets_market_change", args=[row["market_id"]]),
            )
            for row in found[:LISTED]
        ],
    )


def disputed_purchases(by: StaffMember, now: datetime) -> Waiting:
    """Return the purchases of which a provider said something that no member of the staff has dealt with since."""
    found = list(open_disputes().select_related("purchase__user").order_by("-id")[:SHOWN_MAX])
    purchases = {event.purchase_id: event for event in found}
    return Waiting(
        len(purchases),
        [
            Item(
                f"{event.purchase.package_id.capitalize()} of @{event.purchase.user.username}",
                event.note or "Disputed",
                time_ago(event.created_at, now=now),
                change_url(event.purchase),
            )
            for event in list(purchases.values())[:LISTED]
        ],
    )


def overdue_deletions(by: StaffMember, now: datetime) -> Waiting:
    """Return the users who left and whom the job, which runs every hour, couldn't erase."""
    found = list(User.objects.filter(deletion_due_at__lt=now - ERASURE_LATE_AFTER).order_by("-id")[:SHOWN_MAX])
    return Waiting(
        len(found),
        [
            Item(
                f"@{user.username}",
                "The account isn't erased, though its time is over",
                time_ago(user.deletion_due_at, now=now),
                change_url(user),
            )
            for user in found[:LISTED]
        ],
    )


FAILED = (JobRun.Status.FAILED, JobRun.Status.ABANDONED)


def troubled_jobs(by: StaffMember, now: datetime) -> Waiting:
    """Return the jobs that are late, and those whose last run failed."""
    history = histories()
    late = {job.job: job for job in late_jobs(history, now=now)}
    failed = {job: past for job, past in history.items() if past.status in FAILED}
    if not (late or failed):
        return Waiting(0, [])
    titles = {job.task: job for job in schedule() if job.task in late or (job.task in failed and job.enabled)}
    items = [
        Item(
            str(job),
            "late" if task in late else f"its last run {failed[task].status}",
            f"last success {time_ago(history[task].last_success_at if task in history else None, now=now)}",
            change_url(job),
        )
        for task, job in titles.items()
    ]
    return Waiting(len(items), items[:LISTED])


KINDS: Iterable[Kind] = (
    Kind(
        title="Markets to decide",
        page="markets_market_changelist",
        query="needs=staff",
        permission=Permission.DECIDE_MARKETS,
        read=undecided_markets,
    ),
    Kind(
        title="Failed settlements",
        page="betting_settlementfailure_changelist",
        query="",
        permission=Permission.DECIDE_MARKETS,
        read=failed_settlements,
    ),
    Kind(
        title="Adjustments to approve",
        page="economy_creditadjustment_changelist",
        query="status=pending",
        permission=Permission.ADJUST_CREDITS,
        read=pending_adjustments,
    ),
    Kind(
        title="Disputed purchases",
        page="purchases_creditpurchase_changelist",
        query="",
        permission=Permission.REFUND_PURCHASES,
        read=disputed_purchases,
    ),
    Kind(
        title="Overdue deletions",
        page="accounts_user_changelist",
        query="state=leaving",
        permission=Permission.SUSPEND_USERS,
        read=overdue_deletions,
    ),
    Kind(
        title="Jobs that are late or failed",
        page="staff_job_changelist",
        query="",
        permission=Permission.VIEW_SYSTEM,
        read=troubled_jobs,
    ),
)
