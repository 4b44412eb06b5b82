"""What the dashboard shows, read from what was counted, from the open markets and from the jobs' runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Count, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Cast, Collate, Lower

from accounts.models import StaffAction, User
from core.api.requests import parse_uuid
from core.days import day_of
from core.db.sql import fetch_all
from core.models import JobRun
from economy.models import TransactionType
from markets.listings import BEST_MATCHES
from markets.models import Market
from markets.rules import SEARCH_TOTAL_MAX
from markets.serializers import price_rules
from markets.words import FOUND, attempts, parse_words
from purchases.models import CreditPurchase, PurchaseEvent
from staff.core.formatting import when
from staff.models import CountedDay, Job, LedgerDay, MarketExposure

DAYS = 30
MARKETS = 7
ZERO = Decimal(0)
# Of odds: a bet needs them seconds old, and asks for them; what nobody looks at is as old as the last ingestion.
AGES = {
    "< 1 min": timedelta(minutes=1),
    "< 5 min": timedelta(minutes=5),
    "< 15 min": timedelta(minutes=15),
    "< 1 h": timedelta(hours=1),
    "< 1 day": timedelta(days=1),
    "older": timedelta.max,
}


@dataclass(frozen=True, slots=True)
class Flow:
    """Credits given to users and taken from them, ever, by ledger entries of a type."""

    transaction_type: str
    counterparty: str
    given: Decimal
    taken: Decimal


@dataclass(frozen=True, slots=True)
class Day:
    """Of a UTC day: bets placed, credits staked, users who did something, users who joined; credits at its end."""

    day: date
    bets: int
    volume: Decimal
    active_users: int
    new_users: int
    circulation: Decimal


@dataclass(frozen=True, slots=True)
class Exposure:
    """The stakes of a market's open bets, and what the house owes if either side wins, in credits."""

    market_id: UUID
    title: str
    this_option: str
    that_option: str
    bets: int
    stake: Decimal
    this_payout: Decimal
    that_payout: Decimal


@dataclass(frozen=True, slots=True)
class Open:
    """Of all open bets, credits; `worst`: what the house owes if of every market the dearer side wins."""

    bets: int
    stake: Decimal
    worst: Decimal


@dataclass(frozen=True, slots=True)
class Ages:
    """How many of Polymarket's open markets have odds of each of AGES, and since when the oldest are as they are."""

    markets: dict[str, int]
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class DashboardMetrics:
    """What the dashboard shows. `counted_at`: when ledger and open bets were counted; None before the first time."""

    counted_at: datetime | None
    flows: list[Flow]
    days: list[Day]
    open: Open
    exposures: list[Exposure]
    ages: Ages

    @property
    def circulation(self) -> Decimal:
        """All users' balances."""
        return sum((flow.given - flow.taken for flow in self.flows), ZERO)


def read_dashboard_metrics(*, now: datetime) -> DashboardMetrics:
    """Return all metrics. Six queries, of days and markets: never of ledger entries, bets or users."""
    flows = read_flows()
    end = sum((flow.given - flow.taken for flow in flows), ZERO)
    counted = CountedDay.objects.filter(day__gt=day_of(now) - timedelta(days=DAYS)).order_by("-day")
    days = list(counted)
    return DashboardMetrics(
        counted_at=days[0].counted_at if days else None,
        flows=flows,
        days=read_days(days, end, now=now),
        open=read_open(),
        exposures=read_exposures(),
        ages=read_ages(now=now),
    )


def read_flows() -> list[Flow]:
    sums = LedgerDay.objects.values_list("transaction_type", "counterparty").annotate(Sum("given"), Sum("taken"))
    return [Flow(*row) for row in sums.order_by("transaction_type", "counterparty")]


def read_days(counted: list[CountedDay], end: Decimal, *, now: datetime) -> list[Day]:
    """Return the last DAYS, oldest first, from what was in circulation at the end of the last."""
    today = day_of(now)
    active = {day.day: day.active_users for day in counted}
    moved = daily_sums(today - timedelta(days=DAYS))
    found = []
    for back in range(DAYS):
        day = today - timedelta(days=back)
        sums = moved.get(day, {})
        counts = sums.get("bets") or 0, sums.get("volume") or ZERO, active.get(day, 0), sums.get("joined") or 0
        found.append(Day(day, *counts, circulation=end))
        end -= sums.get("change") or ZERO
    return found[::-1]


def daily_sums(after: date) -> Mapping[date, Mapping[str, Any]]:
    placed = Q(transaction_type=TransactionType.BET_PLACED)
    rows = LedgerDay.objects.filter(day__gt=after).values("day")
    sums = rows.annotate(
        bets=Sum("transfers", filter=placed),
        volume=Sum("taken", filter=placed),
        joined=Sum("transfers", filter=Q(transaction_type=TransactionType.SIGNUP_BONUS)),
        change=Sum(F("given") - F("taken")),
    )
    return {row["day"]: dict(row) for row in sums}


def read_open() -> Open:
    sums = MarketExposure.objects.aggregate(bets=Sum("bets"), stake=Sum("stake"), worst=Sum("worst"))
    return Open(sums["bets"] or 0, sums["stake"] or ZERO, sums["worst"] or ZERO)


def read_exposures() -> list[Exposure]:
    """Return the largest, without markets that were decided since they were counted."""
    undecided = MarketExposure.objects.filter(market__status__in=["open", "closed"]).order_by("-worst")
    names = ("market__title", "market__this_option", "market__that_option")
    rows = undecided.values_list("market_id", *names, "bets", "stake", "this_payout", "that_payout")
    return [Exposure(*row) for row in rows[:MARKETS]]


def read_ages(*, now: datetime) -> Ages:
    """Return how old odds are: one pass over the open markets, by the index of those with an upstream id."""
    shown = Market.objects.filter(status=Market.Status.OPEN, market_type=Market.Type.POLYMARKET)
    limits = [(label, now - age) for label, age in AGES.items() if age != timedelta.max]
    bucket = Case(
        *(When(odds_updated_at__gt=limit, then=Value(label)) for label, limit in limits),
        default=Value("older"),
    )
    rows = shown.annotate(age=bucket).values("age").annotate(markets=Count("pk"), oldest_at=Min("odds_updated_at"))
    found = {row["age"]: row for row in rows.order_by("age")}
    oldest = min((row["oldest_at"] for row in found.values()), default=None)
    return Ages({label: found[label]["markets"] if label in found else 0 for label in AGES}, oldest)


# Of those whose name begins like that; who isn't among them is found by more letters.
MAX_FOUND = 200


def users_matching(term: str, *, most: int = MAX_FOUND) -> Q:
    """Return users by id, e-mail, X handle, username, referral code, or how a name or username begins; in any case.

    At most `most` by each.
    """
    term = term.strip()
    if user_id := parse_uuid(term):
        return Q(pk=user_id)
    if "@" in term[1:]:
        return Q(pk__in=ids(User.objects.with_email(term)))
    handle = term.removeprefix("@")
    found = {*ids(with_x_handle(handle)), *ids(User.objects.filter(referral_code=handle.upper()))}
    found |= {*ids(beginning("username", handle), most), *ids(beginning("name", handle), most)}
    return Q(pk__in=found)


def find_user_id(term: str) -> UUID | None:
    """Return the user of that id, e-mail, username, X handle or referral code, in any case."""
    term = term.strip()
    if user_id := parse_uuid(term):
        return User.objects.filter(pk=user_id).values_list("pk", flat=True).first()
    if "@" in term[1:]:
        return next(iter(ids(User.objects.with_email(term))), None)
    handle = term.removeprefix("@")
    so_named = User.objects.alias(lower=Lower("username")).filter(lower=Lower(Value(handle)))
    for users in (so_named, with_x_handle(handle), User.objects.filter(referral_code=handle.upper())):
        if found := ids(users):
            return found[0]
    return None


def ids(users: QuerySet[User], most: int = MAX_FOUND) -> list[UUID]:
    """Return the ids, one query for each column, so that each uses its own index."""
    return list(users.values_list("pk", flat=True)[:most])


def with_x_handle(handle: str) -> QuerySet[User]:
    return User.objects.alias(handle=Lower("x_username")).filter(handle=Lower(Value(handle))).exclude(x_username="")


def beginning(field: str, letters: str) -> QuerySet[User]:
    """Return the rows whose text begins so, in any case: a range of the index, whatever the database's collation."""
    begins = letters.lower()
    place = Collate(Lower(field), "C")
    users = User.objects.alias(place=place).order_by("place")
    return users.filter(place__gte=Value(begins), place__lt=Value(begins + "\U0010ffff"))


BEST = f"""
SELECT market.id FROM (SELECT * FROM markets AS market WHERE {FOUND} LIMIT {SEARCH_TOTAL_MAX}) AS market
ORDER BY {BEST_MATCHES.by} LIMIT %(limit)s
"""  # noqa: S608


def best_matches(text: str, *, limit: int, now: datetime) -> list[UUID]:
    """Return the markets that match best, suspended ones too; of very many matches, among some of them."""
    words = parse_words(text)
    given = {"now": now, "limit": limit, **price_rules()}
    for attempt in attempts(words) if words else ():
        if found := fetch_all(BEST, given | attempt.parameters):
            return [market_id for (market_id,) in found]
    return []


DISPUTE_CLOSED = "close_dispute"


def open_disputes() -> QuerySet[PurchaseEvent]:
    """Return what providers said for staff to judge of purchases that were neither judged nor refunded since."""
    judged = StaffAction.objects.filter(
        target_type=CreditPurchase._meta.label_lower,  # noqa: SLF001 - Django's, for everybody
        target_id=Cast(OuterRef("purchase_id"), CharField()),
        action=DISPUTE_CLOSED,
        created_at__gte=OuterRef("created_at"),
    )
    paid = Q(purchase__refunded_at__isnull=True) | Q(purchase__refunded_at__lt=F("created_at"))
    return PurchaseEvent.objects.filter(paid, ~Exists(judged), kind=PurchaseEvent.Kind.DISPUTED)


RUNS = 20


# One index look-up a job.
RECENT = """
SELECT named.job, status, started_at, finished_at, left(error, 300) FROM unnest(%(jobs)s::text[]) AS named (job)
CROSS JOIN LATERAL (
    SELECT * FROM job_runs WHERE job_runs.job = named.job ORDER BY started_at DESC LIMIT %(runs)s
) AS newest
ORDER BY named.job, started_at DESC
"""


@dataclass(frozen=True, slots=True)
class Run:
    status: str
    started_at: datetime
    finished_at: datetime | None
    error: str

    @property
    def took(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at else None


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of the schedule. `runs`: its last ones, the newest first, none where it keeps no record."""

    pk: int
    title: str
    schedule: str
    is_on: bool
    runs: list[Run]


def schedule() -> "QuerySet[Job]":
    """Return the jobs of the schedule, without beat's own housekeeping."""
    jobs = Job.objects.select_related("interval", "crontab")
    ours: QuerySet[Job] = jobs.exclude(task__startswith="celery.").order_by("name")
    return ours


def with_last_runs(jobs: "QuerySet[Job]") -> "QuerySet[Job]":
    """Add the newest run's `status`, `started_at`, `finished_at`, `error`, and `success_at`, by index."""
    runs = JobRun.objects.filter(job=OuterRef("task")).order_by("-started_at")
    successes = JobRun.objects.filter(job=OuterRef("task"), status="succeeded").order_by("-finished_at")
    newest = {name: Subquery(runs.values(name)[:1]) for name in ("status", "started_at", "finished_at", "error")}
    told: QuerySet[Job] = jobs.annotate(**newest, success_at=Subquery(successes.values("finished_at")[:1]))
    return told


def read_jobs() -> list[JobState]:
    """Return the state of each job. Two queries."""
    jobs = list(schedule())
    runs = recent_runs([job.task for job in jobs])
    return [JobState(job.pk, str(job), when(job), job.enabled, runs.get(job.task, [])) for job in jobs]


def recent_runs(jobs: list[str]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for job, *run in fetch_all(RECENT, {"jobs": jobs, "runs": RUNS}):
        found.setdefault(job, []).append(Run(*run))
    return found
