"""The periodic jobs, run in this process or in one that is killed, and what each must have done."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation import mirrored, service
from tests.simulation.actions import Action, Call, Violation, expect, number
from tests.simulation.model import bets
from tests.simulation.model.bets import OVER, Market
from tests.simulation.model.ledger import User
from tests.simulation.staff_on_markets import close_worthless
from tests.simulation.truth import UNSETTLED, USERNAME

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

PREDICTED = ("open", "closed")


class Job(Action):
    """One run of a job. `is_killed`: another process begins it and is killed, before this one does it all."""

    def __init__(self, name: str, follow: Callable[["Simulation", "Job"], None]) -> None:
        super().__init__()
        self.name, self.follow = name, follow
        self.failure = ""

    def run(self) -> Any:
        try:
            service.job(self.name)()
        except Exception as exc:  # noqa: BLE001 - judged by `conclude`
            return exc
        return None

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note(f"{self.name} -> {'done' if result is None else type(result).__name__}")
        if result is not None:
            raise Violation("a job succeeds", f"{self.name}: {type(result).__name__}: {result}")
        self.follow(sim, self)

    def __str__(self) -> str:
        return self.name


def now_of(job: Job) -> Any:
    assert job.now
    return job.now


def follow_settlement(sim: "Simulation", job: Job) -> None:
    """All pending bets of markets that are over are paid, each once; one market after the other, in the order of ids."""
    for market in sorted(sim.world.markets.values(), key=lambda market: market.id):
        if market.status in OVER and market.pending:
            settled = bets.settle(market, sim.world.users, now=now_of(job))
            sim.comparison.touch_bets(*(bet.id for bet in settled))
            job.users |= {bet.user for bet in settled}


def follow_what_is_settled(sim: "Simulation", job: Job) -> None:
    """Follow what a run settled that failed in the end: of each market all bets, or none."""
    over = [market.id for market in sim.world.markets.values() if market.status in OVER and market.pending]
    unsettled = {id_ for (id_,) in sim.truth.rows(UNSETTLED, over)}
    for id_ in sorted(set(over) - unsettled):
        settled = bets.settle(sim.world.markets[id_], sim.world.users, now=now_of(job))
        sim.comparison.touch_bets(*(bet.id for bet in settled))
        job.users |= {bet.user for bet in settled}


def follow_rewards(sim: "Simulation", job: Job) -> None:
    job.users |= {user.id for user in sim.world.reward_active(now_of(job))}


def follow_liquidation(sim: "Simulation", job: Job) -> None:
    for stock in sim.world.stocks.values():
        job.users |= close_worthless(sim, stock, now_of(job))


def follow_resolution(sim: "Simulation", job: Job) -> None:
    """House markets past their end are closed; mirrored ones end as both sources say."""
    for market in sim.world.markets.values():
        if market.is_house and market.status == "open" and market.expires_at and market.expires_at <= now_of(job):
            market.status = "closed"
    mirrored.read_markets(sim, now_of(job), job="markets.resolve")


def follow_ingestion(sim: "Simulation", job: Job) -> None:
    mirrored.read_markets(sim, now_of(job), job="markets.ingest")


def follow_reconciliation(sim: "Simulation", job: Job) -> None:
    """Purchases that were paid, or never will be, are known without their event."""
    rules, now = sim.world.rules, now_of(job)
    oldest = now - timedelta(days=rules.reconcile_until_days)
    newest = now - timedelta(minutes=rules.reconcile_after_minutes)
    waiting = [
        purchase
        for purchase in sim.world.purchases.values()
        if purchase.session and purchase.status == "pending" and oldest <= purchase.created_at <= newest
    ]
    for purchase in sim.look_up_order(waiting):
        purchase.looked_up_at = now
        if not purchase.paid_there:
            continue
        job.users.add(purchase.user)
        state = purchase.paid_there
        event = f"looked-up:{purchase.session}:{state}"
        if event in purchase.events:
            continue
        purchase.events.add(event)
        if state == "paid":
            purchase.paid(sim.world.users[purchase.user], purchase.cents, now=now)
        else:
            purchase.never_paid()


def follow_events(sim: "Simulation", job: Job) -> None:
    """Events that were kept when processing them failed, and are due again, are processed now."""
    now = now_of(job)
    for due_at, call in sorted(sim.kept_events, key=lambda kept: kept[0]):
        if due_at <= now:
            call.follow(sim, {}, now)
            job.users |= call.users
    sim.kept_events = [kept for kept in sim.kept_events if kept[0] > now]


def follow_purge_of_tokens(sim: "Simulation", job: Job) -> None:
    sim.world.sessions.drop_expired(now_of(job))


def follow_erasure(sim: "Simulation", job: Job) -> None:
    """Whose time to come back is over is erased, under a name that only the service knows."""
    for user in sim.world.users.values():
        if user.deletion_due_at and user.deletion_due_at <= now_of(job):
            sim.world.erase(user, sim.truth.value(USERNAME, user.id))
            job.users.add(user.id)


def follow_nothing(sim: "Simulation", job: Job) -> None:
    """It changes nothing that the model holds."""


def follow_leaderboard(sim: "Simulation", job: Job) -> None:
    """Who is active is ranked, by what they have made or staked."""
    for order in ("pnl", "volume"):
        sim.perform(LookAtLeaderboard(order))


class LookAtLeaderboard(Call):
    method = "GET"

    def __init__(self, order: str) -> None:
        super().__init__(None, f"/api/v1/leaderboard/{order}?limit=1000")
        self.order = order

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        def place(user: User) -> tuple[Any, ...]:
            return -(user.profit if self.order == "pnl" else user.volume), user.created_at, user.id

        ranked = sorted((user for user in sim.world.users.values() if user.is_active), key=place)
        expected = [(rank, user.id, user.profit, user.volume) for rank, user in enumerate(ranked, 1)]
        found = [
            (row["rank"], row["user"]["id"], number(row["overallPnL"]), number(row["totalVolume"]))
            for row in body["leaderboard"]
        ]
        expect(f"the leaderboard of {self.order} is in order", found, expected[:1000])
        expect("all who are active are ranked", body["total"], len(expected))

    def __str__(self) -> str:
        return f"somebody looks at the leaderboard of {self.order}"


FOLLOWERS: dict[str, Callable[["Simulation", Job], None]] = {
    "betting.settle_markets": follow_settlement,
    "economy.reward_active_users": follow_rewards,
    "economy.close_worthless_holdings": follow_liquidation,
    "economy.anchor": follow_nothing,
    "markets.resolve": follow_resolution,
    "markets.ingest": follow_ingestion,
    "markets.refresh_odds": follow_nothing,
    "betting.watch_open_bets": follow_nothing,
    "purchases.reconcile": follow_reconciliation,
    "purchases.retry_events": follow_events,
    "leaderboard.update": follow_leaderboard,
    "common.purge_idempotency_keys": follow_nothing,
    "accounts.purge_refresh_tokens": follow_purge_of_tokens,
    "common.purge_job_runs": follow_nothing,
    "staff.count_days": follow_nothing,
    "ops.erase_users": follow_erasure,
}
# How often each is drawn.
WEIGHTS = {
    "betting.settle_markets": 40,
    "economy.reward_active_users": 6,
    "economy.close_worthless_holdings": 10,
    "economy.anchor": 3,
    "markets.resolve": 18,
    "markets.ingest": 10,
    "markets.refresh_odds": 3,
    "betting.watch_open_bets": 2,
    "purchases.reconcile": 8,
    "purchases.retry_events": 3,
    "leaderboard.update": 3,
    "common.purge_idempotency_keys": 3,
    "accounts.purge_refresh_tokens": 3,
    "common.purge_job_runs": 1,
    "staff.count_days": 2,
    "ops.erase_users": 3,
}
# Those that move credits, and go on where a process died.
KILLED = (
    "betting.settle_markets",
    "economy.reward_active_users",
    "economy.close_worthless_holdings",
    "leaderboard.update",
)


def make(name: str) -> Job:
    return Job(name, FOLLOWERS[name])


def draw_job(sim: "Simulation", random: Random) -> Job:
    (name,) = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return make(name)


class Audit(Action):
    """The service's own audit of the ledger."""

    def run(self) -> Any:
        from economy.ledger.audit import audit

        return audit()

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        broken = {name: finding.examples[:5] for name, finding in result.findings.items() if finding.broken}
        sim.note(f"audit -> {'passed' if not broken else sorted(broken)}")
        expect("the audit finds nothing", broken, {})

    def __str__(self) -> str:
        return "the audit"


class SettleMarket(Action):
    """The task that a market's end enqueues."""

    def __init__(self, market: Market) -> None:
        super().__init__()
        self.id, self.market = market.id, market.number

    def run(self) -> Any:
        from betting.tasks import settle_market

        return settle_market.run(self.id)

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note(f"{self} -> done")
        market = sim.world.markets[self.id]
        if market.status in OVER and market.pending:
            assert self.now
            settled = bets.settle(market, sim.world.users, now=self.now)
            sim.comparison.touch_bets(*(bet.id for bet in settled))
            self.users |= {bet.user for bet in settled}

    def __str__(self) -> str:
        return f"m{self.market} is settled"


def draw_settle_market(sim: "Simulation", random: Random) -> Action | None:
    over = [market for market in sim.world.markets.values() if market.status in OVER and market.pending]
    return SettleMarket(sim.pick(random, over)) if over else make("betting.settle_markets")
