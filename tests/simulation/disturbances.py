"""What goes wrong beside an action: another at the same time, a cut connection, a collision, a killed process, a jump.

Each draws from the operation's own random numbers, so it is replayed with it.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation import accounts, betting, economy, hooks, jobs, service, upstream
from tests.simulation.actions import Action, Call, Violation
from tests.simulation.hooks import Place
from tests.simulation.overlap import Overlap, draw_other
from tests.simulation.service import Response

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

# Serialization failure, deadlock, lock not available.
LOCK_NOT_AVAILABLE = "55P03"
COLLISIONS = ("40001", "40P01", LOCK_NOT_AVAILABLE)
OVERLAPPING = (
    betting.PlaceBet,
    betting.SellBet,
    economy.ClaimReward,
    economy.BuyShares,
    economy.SellShares,
    economy.Buy,
    economy.Webhook,
    accounts.SignUp,
    accounts.Refresh,
    jobs.SettleMarket,
)
ASKS_UPSTREAM = (betting.PlaceBet, betting.SellBet)
OVERLAPS, FAULTS, JUMPS, LIES, KILLS = 0.14, 0.05, 0.03, 0.006, 0.02
# A request has about so many statements.
STATEMENTS = 9


class Disturbances:
    """Performs actions, some of them under a disturbance."""

    def __init__(self, sim: "Simulation", killer: Any) -> None:
        self.sim, self.killer = sim, killer
        self.overlap = Overlap(sim)

    def perform(self, action: Action, random: Random) -> list[Action]:
        """Perform it; return it, and what happened at the same time."""
        chance = random.random()
        if isinstance(action, OVERLAPPING) and chance < OVERLAPS:
            other = draw_other(self.sim, action, random)
            if other is not None:
                return self.overlap.perform(action, other, random)
        elif isinstance(action, Call) and chance < OVERLAPS + FAULTS:
            return self.with_fault(action, random)
        elif isinstance(action, ASKS_UPSTREAM) and chance < OVERLAPS + FAULTS + JUMPS:
            return self.with_jump(action, random)
        elif isinstance(action, ASKS_UPSTREAM) and chance < OVERLAPS + FAULTS + JUMPS + LIES:
            return self.with_lie(action, random)
        elif isinstance(action, jobs.Job):
            return self.job(action, random)
        return self.sim.perform(action)

    # -- Faults

    def with_fault(self, action: Call, random: Random) -> list[Action]:
        """Have a statement or the commit of a request fail."""
        kind = random.choice(("collision", "collision", "cut", "cut at commit", "lost after commit"))
        if kind == "lost after commit":
            if not action.is_keyed:
                return self.sim.perform(action)
            action.key = action.key or f"key-{self.sim.number}"
        at, state = random.randint(1, STATEMENTS), random.choice(COLLISIONS)
        fault = Fault(kind, at, lambda: self.act(kind, state), before_commit=action.path.startswith(accounts.AUTH))
        self.sim.report.counts[f"fault: {kind}"] += 1
        action.arrive(self.sim)
        with hooks.at_statements(fault):
            result: Response = action.run()
        self.sim.note(f"[{kind} at {at}{'' if fault.was_met else ', not reached'}]")
        # A lock that isn't to be had where a key is claimed: another request seems to have it.
        in_progress = fault.was_met and state == LOCK_NOT_AVAILABLE and result.code == "idempotency_in_progress"
        if result.code == "try_again" or in_progress:
            self.check_may_fail(action, fault, in_progress=in_progress)
            self.sim.note(f"{action} -> {result}")
            self.sim.comparison.sync_activity(action.users, self.sim.time.now)
            if isinstance(action, economy.Webhook):
                self.sim.note_kept(action)
            if kind != "lost after commit":
                self.sim.comparison.verify(action.users)
                return [action]
            # The client can't know; it sends the same again under the same key.
            result = action.run()
            action.may_be_replayed = True
        action.conclude(self.sim, result)
        self.sim.comparison.sync_activity(action.users, self.sim.time.now)
        self.sim.comparison.verify(action.users)
        return [action]

    def act(self, kind: str, state: str) -> None:
        if kind == "collision":
            hooks.fail_with(state)
        elif kind == "lost after commit":
            hooks.lose_after_commit()
        else:
            self.sim.truth.terminate(hooks.session_id())

    @staticmethod
    def check_may_fail(action: Call, fault: "Fault", *, in_progress: bool) -> None:
        """Raise Violation where the service has to try again by itself, or nothing went wrong."""
        if not fault.was_met:
            raise Violation("a request fails for a reason", f"{action}: 503 try_again")
        if (
            not in_progress
            and fault.kind == "collision"
            and fault.in_transaction
            and action.is_retried
            and action.is_keyed
        ):
            raise Violation("a collision is tried again", f"{action}: 503 try_again")

    # -- Time and lies

    def with_jump(self, action: Any, random: Random) -> list[Action]:
        """Have a request wait so long, once it is in its transaction, that its price is too old."""
        seconds = random.choice((3, 5, 6, 30))
        jump = Fault("jump", 0, lambda: self.sim.time.move(timedelta(seconds=seconds)))
        action.arrive(self.sim)
        with hooks.at_statements(jump):
            result = action.run()
        self.sim.report.counts["clock jumps"] += 1
        self.sim.note(f"[{seconds} s pass inside]")
        action.is_stale = jump.was_met and seconds > self.sim.world.rules.fill_max_age
        if jump.was_met:
            action.now = self.sim.time.now
        action.conclude(self.sim, result)
        self.sim.comparison.sync_activity(action.users, self.sim.time.now)
        self.sim.comparison.verify(action.users)
        return [action]

    def with_lie(self, action: Any, random: Random) -> list[Action]:
        """Have the order book's next responses be errors or nonsense: never a wrong price."""
        kind, options = random.choice(upstream.Lie.KINDS)
        self.sim.report.counts[f"lie: {kind}"] += 1
        self.sim.note(f"[Polymarket lies: {kind}]")
        with self.lying(kind, "/books", random.choice((1, 4)), options):
            action.arrive(self.sim)
            result = action.run()
        action.lied_to = {"price_unavailable", "market_illiquid"}
        action.conclude(self.sim, result)
        self.sim.comparison.verify(action.users)
        return [action]

    def lying(self, kind: str, path: str, times: int, options: dict[str, Any]) -> Any:
        return service.lies(self.sim.polymarket, kind, path=path, times=times, **options)

    # -- Jobs

    def job(self, job: "jobs.Job", random: Random) -> list[Action]:
        """Run a job; now and then a process that runs it is killed first, its connection is cut, or it is lied to."""
        chance = random.random()
        at = random.randint(1, 25)
        if job.name in jobs.KILLED and chance < KILLS:
            self.sim.report.counts["kills"] += 1
            self.sim.note(f"[a process that runs it is killed at statement {at}]")
            sessions = self.sim.truth.sessions()
            self.killer.run_and_kill(job.name, self.sim.time.now, at)
            self.sim.truth.wait_for_end_of_others(sessions)
            self.follow_first_try(job)
        elif job.name in jobs.KILLED and chance < 5 * KILLS:
            self.sim.report.counts["jobs cut"] += 1
            fault = Fault("cut", at, lambda: self.act("cut", ""))
            self.first_try(job, hooks.at_statements(fault), f"[cut at statement {at}]")
        elif job.name in ("markets.ingest", "markets.resolve") and chance < 4 * KILLS:
            kind, options = random.choice(upstream.Lie.KINDS)
            path = random.choice(("/events", "/markets", "/"))
            self.sim.report.counts["jobs lied to"] += 1
            self.first_try(job, self.lying(kind, path, random.randint(1, 3), options), f"[lied to: {kind} at {path}]")
        return self.sim.perform(job)

    def first_try(self, job: "jobs.Job", disturbance: Any, note: str) -> None:
        """Run the job under a disturbance, in which it may fail; whatever it did, the next run goes on from there."""
        with disturbance:
            failure = job.run()
        service.drop_broken_connections()
        self.sim.note(f"{note} {'fails' if failure is not None else 'done'}")
        self.follow_first_try(job)

    def follow_first_try(self, job: "jobs.Job") -> None:
        """Follow what settlement came to: in which order markets were settled shows in what users were paid."""
        if job.name == "betting.settle_markets":
            job.arrive(self.sim)
            jobs.follow_what_is_settled(self.sim, job)


class Fault:
    """A hook that does something once: at a statement, at the commit, or where the transaction begins (`at` 0)."""

    def __init__(self, kind: str, at: int, act: Callable[[], None], *, before_commit: bool = False) -> None:
        self.kind, self.at, self.act = kind, at, act
        self.was_met = self.in_transaction = self.has_committed = False
        self.before_commit = before_commit

    def __call__(self, place: Place) -> None:
        # What a request reads after its commit only makes the response; without a key the client can't find out.
        if self.was_met or (self.has_committed and self.before_commit) or not self.is_here(place):
            self.has_committed = self.has_committed or place.is_commit
            return
        self.was_met, self.in_transaction = True, place.in_transaction
        self.act()

    def is_here(self, place: Place) -> bool:
        if self.kind in ("cut at commit", "lost after commit"):
            return place.is_commit
        if self.at == 0:
            return place.in_transaction and not place.is_commit
        return place.number >= self.at and not place.is_commit
