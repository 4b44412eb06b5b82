"""Two transactions that really overlap, and in an order that is known.

The first action is held before a chosen statement, with the locks that it has by then, while the second runs. Either
the second ends, or it waits for a lock of the first, which the database says: then the first goes on. What happened
first is so decided by locks and never by time, and the model follows it.
"""

from collections.abc import Callable
from decimal import Decimal
from queue import SimpleQueue
from random import Random
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid5

from tests.simulation import accounts, betting, economy, hooks, jobs, staff, staff_on_markets
from tests.simulation.actions import Action, Call, Violation
from tests.simulation.hooks import Place, Watched
from tests.simulation.model.bets import Market

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

POLL_SECONDS = 0.002
# Nothing here takes so long: a process that hangs is better ended.
TIMEOUT_SECONDS = 60


class Worker:
    """A thread with a database connection of its own, for one action at a time."""

    def __init__(self, name: str) -> None:
        self.session = 0
        self.done = Event()
        self.result: Any = None
        self.failure: BaseException | None = None
        self.seen = Watched()
        self._work: SimpleQueue[tuple[Action, Callable[[Place], None] | None]] = SimpleQueue()
        self._ready = Event()
        Thread(target=self._loop, name=name, daemon=True).start()

    def begin(self, action: Action, hook: Callable[[Place], None] | None = None) -> None:
        """Begin an action; returns once its database session is known."""
        self.done.clear()
        self._ready.clear()
        self.failure = None
        self._work.put((action, hook))
        self._ready.wait(TIMEOUT_SECONDS)

    def _loop(self) -> None:
        while True:
            action, hook = self._work.get()
            try:
                self.session = hooks.session_id()
                self._ready.set()
                with hooks.at_statements(hook) as self.seen:
                    self.result = action.run()
            except BaseException as exc:  # noqa: BLE001 - raised in the thread of the simulation
                self.failure = exc
            self._ready.set()
            self.done.set()

    def end(self) -> Any:
        """Wait for the action's end, and return its result."""
        if not self.done.wait(TIMEOUT_SECONDS):
            raise RuntimeError("An action doesn't end.")
        if self.failure:
            raise self.failure
        return self.result


class Hold:
    """A hook that holds its thread before a statement, or with 0 before the commit, until it is let go."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.is_held, self.let_go = Event(), Event()
        # Whether something was committed before it was held.
        self.has_committed = False

    def __call__(self, place: Place) -> None:
        is_here = place.is_commit if self.at == 0 else place.number == self.at and not place.is_commit
        if is_here and not self.is_held.is_set():
            self.is_held.set()
            self.let_go.wait(TIMEOUT_SECONDS)
        elif place.is_commit and not self.is_held.is_set():
            self.has_committed = True


class Overlap:
    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim
        self._workers: list[Worker] = []

    def perform(self, first: Action, second: Action, random: Random) -> list[Action]:
        """Run both at once, judge them in the order in which they happened, and compare with the database."""
        if not self._workers:
            self._workers = [Worker("first"), Worker("second")]
        one, other = self._workers
        sim = self.sim
        for action in (first, second):
            action.arrive(sim)
            action.look_early(sim)
        hold = Hold(random.choice((0, 0, 0, *range(1, 9))))
        one.begin(first, hold)
        while not hold.is_held.wait(POLL_SECONDS) and not one.done.is_set():
            continue
        waited = False
        if one.done.is_set():
            first.conclude(sim, one.end(), raced=True)
            second.arrive(sim)
            other.begin(second)
            second.conclude(sim, other.end(), raced=True)
        else:
            other.begin(second)
            waited = self._waits(other, one)
            hold.let_go.set()
            results = {id(first): one.end, id(second): other.end}
            # A settlement has had its effect by its commit, and reads what it came to after that.
            is_done = hold.has_committed and isinstance(first, jobs.SettleMarket)
            order = (first, second) if waited or is_done else (second, first)
            sim.report.counts["overlaps, waited" if waited else "overlaps, passed"] += 1
            sim.note(f"[held before {'the commit' if hold.at == 0 else f'statement {hold.at}'}]")
            ended = [(action, results[id(action)]()) for action in order]
            for action, result in ended:
                action.conclude(sim, result, raced=True)
        if one.seen.deadlocks or other.seen.deadlocks:
            raise Violation("locks are taken in one order", f"a deadlock between {first} and {second}")
        users = first.users | second.users
        sim.comparison.sync_activity(users, sim.time.now)
        sim.comparison.verify(users)
        return [first, second]

    def _waits(self, waiting: Worker, holding: Worker) -> bool:
        """Return whether one waits for a lock of the other; False once it has ended."""
        while not waiting.done.wait(POLL_SECONDS):
            if self.sim.truth.is_blocked(waiting.session, by=holding.session):
                return True
        return False


# -- What happens at the same time


def draw_other(sim: "Simulation", action: Action, random: Random) -> Action | None:
    """Return something about the same user, market or stock."""
    kind = random.random()
    if isinstance(action, jobs.SettleMarket):
        return on_market(sim, action, random)
    if isinstance(action, accounts.SignUp):
        return another_sign_up(sim, action, random)
    if kind < 0.4 and isinstance(action, Call):
        return same_again(action)
    if isinstance(action, (betting.PlaceBet, betting.SellBet)) and kind < 0.65:
        return on_market(sim, action, random)
    if isinstance(action, (economy.BuyShares, economy.SellShares)) and kind < 0.6:
        stock = sim.world.stocks[action.stock]
        price = (stock.price * Decimal(random.choice((60, 90, 110))) / 100).quantize(Decimal("0.0001"))
        return staff_on_markets.SetPrice(random.choice(sim.world.staff), stock, max(price, Decimal("0.0100")))
    return by_same_user(sim, action, random)


def same_again(action: Call) -> Call:
    """Return the same request: a form that is sent twice, a webhook that is delivered twice."""
    other = type(action).__new__(type(action))
    other.__dict__.update(action.__dict__)
    other.users = set(action.users)
    return other


def another_sign_up(sim: "Simulation", action: "accounts.SignUp", random: Random) -> Action:
    if random.random() < 0.4:
        return same_again(action)
    name = f"user_{sim.number}_b"
    return accounts.SignUp(sim.number, name, f"{name}@example.com", f"correct horse {sim.number}", action.code or None)


def on_market(sim: "Simulation", action: Action, random: Random) -> Action | None:
    """Return a decision of staff about the action's market, or a bet or a sale on it."""
    market = next((market for market in sim.world.markets.values() if market.number == action.market), None)
    if market is None:
        return None
    by = random.choice(sim.world.staff)
    kinds: tuple[Callable[[], Action | None], ...]
    if isinstance(action, jobs.SettleMarket):
        kinds = (
            lambda: small_bet(sim, market, random),
            lambda: whole_sale(sim, market, random),
            lambda: staff_on_markets.ReverseMarket(by, market),
            lambda: jobs.SettleMarket(market),
        )
    else:
        kinds = (
            lambda: small_bet(sim, market, random),
            lambda: whole_sale(sim, market, random),
            lambda: staff_on_markets.CloseMarket(by, market),
            lambda: staff_on_markets.ResolveMarket(by, market, random.choice(("this", "that", "invalid"))),
            lambda: staff_on_markets.ChangeOdds(by, market, Decimal(random.randint(300, 9_700)) / 10_000),
        )
    return random.choice(kinds)()


def small_bet(sim: "Simulation", market: Market, random: Random) -> Action | None:
    user = sim.somebody(random)
    if user is None:
        return None
    body = {"marketId": market.id, "side": random.choice(("this", "that")), "amount": Decimal(10)}
    return with_token(sim, betting.PlaceBet(user, market, body))


def whole_sale(sim: "Simulation", market: Market, random: Random) -> Action | None:
    bet = sim.pick(random, [bet for bet in market.bets.values() if bet.status == "pending"])
    return bet and with_token(sim, betting.SellBet(sim.world.users[bet.user], bet, {}, market))


def by_same_user(sim: "Simulation", action: Action, random: Random) -> Action | None:
    """Return something else that the user does, or that staff do to the user."""
    users = sorted(user for user in action.users if user in sim.world.users)
    if not users:
        return None
    user = sim.world.users[users[0]]
    by = random.choice(sim.world.staff)
    if random.random() < 0.3:
        amount = Decimal(random.choice((-100, 500))) if user.available >= 100 else Decimal(500)
        return random.choice(
            (
                lambda: staff.Adjust(by, user, amount, uuid5(staff.FORMS, f"{sim.number} overlap")),
                lambda: staff.Hold(by, user, max(user.available, Decimal(1))),
                lambda: staff.Suspend(by, user),
                lambda: jobs.make("betting.settle_markets"),
            )
        )()
    with sim.only(user):
        draw = random.choice(
            (
                betting.draw_place_bet,
                betting.draw_place_bet,
                economy.draw_claim,
                economy.draw_buy_shares,
                economy.draw_purchase,
                economy.draw_webhook,
                accounts.draw_leave,
            )
        )
        drawn = draw(sim, random)
    return with_token(sim, drawn) if isinstance(drawn, Call) else drawn


def with_token(sim: "Simulation", action: Call) -> Call:
    """Have the user's client get a token first, if it needs one."""
    if action.user and sim.needs_token(action.user):
        sim.get_token(sim.world.users[action.user])
    return action
