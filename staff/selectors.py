"""What the dashboard shows, read from what was counted, from the open markets and from the jobs' runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, Min, Q, Sum, Value, When

from economy.models import TransactionType
from markets.models import Market
from staff.dashboard_counts import day_of
from staff.models import CountedDay, LedgerDay, MarketExposure

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
    """Credits given to users and taken from them, ever, by transfers of a type."""

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
    """What a market's open bets have at stake, and what the house owes if either side wins, in credits."""

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
class Figures:
    """`counted_at`: when the journal and the open bets were; None before the first time."""

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


def read_figures(*, now: datetime) -> Figures:
    """Six queries, of days, of markets with open bets and of open markets: never of the journal, bets or users."""
    flows = read_flows()
    end = sum((flow.given - flow.taken for flow in flows), ZERO)
    counted = CountedDay.objects.filter(day__gt=day_of(now) - timedelta(days=DAYS)).order_by("-day")
    days = list(counted)
    return Figures(
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
    """The last DAYS, oldest first, from what was in circulation at the end of the last."""
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
    """The largest; a market that was decided since they were counted is no more among them."""
    undecided = MarketExposure.objects.filter(market__status__in=["open", "closed"]).order_by("-worst")
    names = ("market__title", "market__this_option", "market__that_option")
    rows = undecided.values_list("market_id", *names, "bets", "stake", "this_payout", "that_payout")
    return [Exposure(*row) for row in rows[:MARKETS]]


def read_ages(*, now: datetime) -> Ages:
    """One pass over the open markets, by the index of those that are asked for by their id."""
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
