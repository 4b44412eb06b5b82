"""The dashboard's numbers, each with its unit, and marked where something is late or wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.models import JobRun
from staff.selectors import Figures
from staff.wording import ago, how_many, lasting, named, thousands

INGEST, AUDIT = "markets.ingest", "economy.audit_ledger"
# Thrice the time between two ingestions or counts; and a night and two hours.
LATE, LATE_AUDIT = timedelta(minutes=15), timedelta(hours=26)
GOOD, BAD = "good", "bad"


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    unit: str = ""
    note: str = ""
    state: str = ""


def credit_tiles(figures: Figures, *, now: datetime) -> list[Tile]:
    today, counted_at = figures.days[-1], figures.counted_at
    state = BAD if counted_at is None or now - counted_at > LATE else ""
    return [
        of_credits("In circulation", figures.circulation, f"counted {ago(counted_at, now=now)}", state),
        of_credits("At stake", figures.open.stake, f"in {how_many(figures.open.bets, 'open bet')}"),
        of_credits("Owed at worst", figures.open.worst, "if the dearer sides win"),
        Tile(
            "Active today",
            thousands(today.active_users),
            named("user", today.active_users),
            f"{thousands(today.new_users)} joined today",
        ),
    ]


def of_credits(label: str, amount: Decimal, note: str, state: str = "") -> Tile:
    return Tile(label, thousands(amount), named("credit", amount), note, state)


def market_tile(figures: Figures, *, now: datetime) -> Tile:
    """One query."""
    successes = JobRun.objects.filter(job=INGEST, status=JobRun.Status.SUCCEEDED)
    last = successes.order_by("-finished_at").values_list("finished_at", flat=True).first()
    oldest = figures.ages.oldest_at
    note = f"oldest odds {lasting(now - oldest)}" if oldest else "no open markets"
    state = BAD if last is None or now - last > LATE else GOOD
    value, unit = (lasting(now - last), "ago") if last else ("never", "")
    return Tile("Markets read", value, unit, note, state)


def audit_tile(*, now: datetime) -> Tile:
    """The last audit that came to an end. One query."""
    ended = JobRun.objects.filter(job=AUDIT).exclude(status=JobRun.Status.RUNNING)
    run = ended.order_by("-started_at").first()
    if run is None or run.finished_at is None:
        return Tile("Audit", "never run", state=BAD)
    when = ago(run.finished_at, now=now)
    if run.status != JobRun.Status.SUCCEEDED:
        return Tile("Audit", run.status, "", when, BAD)
    checks = how_many(len((run.result or {}).get("checks", {})), "check")
    state = BAD if now - run.finished_at > LATE_AUDIT else GOOD
    return Tile("Audit", "passed", "", f"{checks}, {when}", state)
