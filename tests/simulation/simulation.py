"""One simulation: operations drawn by their numbers, done to the service, judged by the model, compared with the database.

Everything that an operation does follows from the seed, its number, and what the operations before it left: a list of
numbers is a replay, and stays one when some are removed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from traceback import format_exception
from typing import Any, Protocol

from tests.simulation import accounts, betting, economy, jobs, mirrored, service, staff, staff_on_markets, upstream
from tests.simulation.actions import Action, Call, Violation, expect
from tests.simulation.comparison import Comparison
from tests.simulation.disturbances import Disturbances
from tests.simulation.model.bets import Bet, Market
from tests.simulation.model.ledger import User
from tests.simulation.model.purchases import Purchase
from tests.simulation.model.rules import A_DAY, Rules, midnight
from tests.simulation.model.stocks import Stock
from tests.simulation.model.world import Adjustment, World
from tests.simulation.service import START, Time
from tests.simulation.truth import KEPT_EVENT, STOCKS, Truth

Draw = Callable[["Simulation", Random], Action | None]
# How often each kind is drawn.
KINDS: tuple[tuple[int, Draw], ...] = (
    (230, betting.draw_place_bet),
    (130, betting.draw_sell_bet),
    (25, betting.draw_quote),
    (25, betting.draw_look_at_bets),
    (45, economy.draw_claim),
    (50, economy.draw_buy_shares),
    (45, economy.draw_sell_shares),
    (8, economy.draw_portfolio),
    (35, economy.draw_purchase),
    (45, economy.draw_webhook),
    (18, accounts.draw_sign_up),
    (18, accounts.draw_verify_email),
    (12, accounts.draw_log_in),
    (25, accounts.draw_refresh),
    (6, accounts.draw_log_out),
    (5, accounts.draw_change_password),
    (25, accounts.draw_look),
    (35, staff.draw_on_credits),
    (10, staff.draw_on_user),
    (8, staff.draw_refund),
    (12, staff_on_markets.draw_create_market),
    (26, staff_on_markets.draw_on_market),
    (7, staff_on_markets.draw_reversal),
    (12, staff_on_markets.draw_on_stock),
    (70, upstream.draw_upstream),
    (30, jobs.draw_job),
    (14, jobs.draw_settle_market),
    (6, accounts.draw_leave),
)
WEIGHTS, DRAWS = [weight for weight, _ in KINDS], [draw for _, draw in KINDS]
# The first operations fill the world.
FILLING = 60
POPULATION, OPEN_MARKETS = 300, 40
# So many are online at a time, for so many operations: who comes online has to get a token first.
ONLINE, ONLINE_FOR = 12, 240
# The audit reads all that happened: the more there is, the more happens until the next, so that a long run's time grows
# with its length and not with its square.
AUDIT_GROWTH = 1.1
# What so many of the last operations were about is kept, to look for a shorter replay.
TOUCHED_KEPT = 100_000
# Markets that are over for so long are dropped from the model, once they have been compared.
KEPT_AFTER_END = timedelta(days=2)
WAITED = timedelta(minutes=30)
SURELY_KEPT = timedelta(hours=12)
EVENT_RETRY = timedelta(minutes=5)


class Numbered(Protocol):
    @property
    def number(self) -> int: ...


def mixed(draw: int, number: int) -> int:
    """Return what orders numbers in another way for each draw."""
    return ((number * 0x9E3779B1 ^ draw) * 0x85EBCA6B) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run does. `numbers`: which operations; `audit_every`, `compare_every`: after so many of them.

    Audits become rarer as the run grows.
    """

    seed: int
    numbers: range | tuple[int, ...]
    rules: Rules = field(default_factory=Rules)
    audit_every: int = 2_000
    compare_every: int = 500
    disturbed: bool = True
    # Called with the number of operations done.
    progress: Callable[[int], None] | None = None


@dataclass(slots=True)
class Report:
    """What came of a run. `number`: of the operation that found a violation; `log`: the last operations, as text."""

    operations: int = 0
    trace: str = ""
    rule: str = ""
    found: str = ""
    number: int | None = None
    log: list[tuple[int, str]] = field(default_factory=list)
    touched: dict[int, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.rule)


class Simulation:
    """The service, the model of it, and what is known of clients: their tokens and what they did before."""

    def __init__(self, settings: Settings, truth: Truth, polymarket: Any, stripe: Any, killer: Any) -> None:
        self.settings, self.truth, self.polymarket, self.stripe = settings, truth, polymarket, stripe
        self.time = Time()
        self.world = World(settings.rules)
        self.comparison = Comparison(self.world, truth)
        self.number = 0
        self.report = Report()
        self.disturbances = Disturbances(self, killer)
        self.forms: dict[Any, tuple[str, Decimal, str, str]] = {}
        self.decided_adjustments: list[Adjustment] = []
        self.sent_events: list[tuple[str, dict[str, Any], str]] = []
        self.kept_events: list[tuple[datetime, economy.Webhook]] = []
        self.undone_last: set[str] = set()
        self.limited_staff = ""
        self.other_stock_status = "halted"
        # Keys whose responses aren't kept any more.
        self.old_keys: list[tuple[str, str]] = []
        self._trace = sha256()
        self._lines: list[str] = []
        self._held: dict[str, list[str]] = {}
        self._events = 0
        self._online: list[str] = []
        self._window = -1
        self._only: User | None = None

    # -- The run

    def run(self) -> Report:
        """Do the operations, until one finds a violation."""
        self.time.start()
        done, next_audit = 0, self.settings.audit_every
        try:
            self.begin()
            for done, number in enumerate(self.settings.numbers, 1):
                self.number = number
                self.step(number)
                if done % self.settings.compare_every == 0:
                    self.compare_everything()
                if done >= next_audit:
                    self.perform(jobs.Audit())
                    next_audit = max(done + self.settings.audit_every, round(done * AUDIT_GROWTH))
                if self.settings.progress:
                    self.settings.progress(done)
            self.finish()
        except Violation as violation:
            self.broken(violation.rule, violation.found)
        except Exception as exc:  # noqa: BLE001 - whatever a use case of staff or the simulation itself raises
            self.broken("nothing fails but by a documented error", "".join(format_exception(exc, limit=-6)))
        self.report.operations, self.report.trace = done, self._trace.hexdigest()
        return self.report

    def broken(self, rule: str, found: str) -> None:
        self.end_of_step(set(), set())
        self.report.rule, self.report.found, self.report.number = rule, found, self.number

    def begin(self) -> None:
        """Make staff, stocks and what Polymarket has; no operation of its own, so never removed."""
        from accounts.models import User as Row
        from accounts.staff import COMMAND_LINE, set_roles

        for number in range(3):
            row = Row.objects.create_superuser(f"staff{number}@staff.example", f"staff_{number}")
            self.world.staff.append(str(row.pk))
        row = Row.objects.create_user(email="support@staff.example", username="support_staff")
        given = {"is_staff": True, "roles": ["support"], "by": COMMAND_LINE, "reason": staff.REASON}
        set_roles(user_id=row.pk, now=self.time.now, **given)
        self.limited_staff = str(row.pk)
        service.list_stock("TINY", price="2.00", supply=300, max_leverage=4, now=self.time.now)
        service.job("economy.seed_stocks")()
        for id_, symbol, price, supply, _, leverage, status in self.truth.rows(STOCKS + " ORDER BY symbol"):
            self.world.stocks[id_] = Stock(id_, symbol, price, supply, leverage, status)
        service.job("markets.ingest")()
        mirrored.adopt_markets(self, Random(f"{self.settings.seed}/markets"))

    def step(self, number: int) -> None:
        """Do one operation."""
        self._events = 0
        random = Random(f"{self.settings.seed}/{number}")
        self.pass_time(random)
        action = self.draw(random, number)
        if action is None:
            self.note("nothing to do")
            self.end_of_step(set(), set())
            return
        self.report.counts[type(action).__name__] += 1
        if isinstance(action, Call) and action.user and self.needs_token(action.user) and random.random() < 0.95:
            self.get_token(self.world.users[action.user])
        self.give_key(action, random)
        actions = self.disturbances.perform(action, random) if self.settings.disturbed else self.perform(action)
        users = {user for each in actions for user in each.users}
        markets = {f"m{each.market}" for each in actions if each.market is not None}
        self.end_of_step(users, markets)

    def draw(self, random: Random, number: int) -> Action | None:
        if number <= FILLING and random.random() < 0.9:
            return random.choice((accounts.draw_sign_up, accounts.draw_sign_up, staff_on_markets.draw_create_market))(
                self, random
            )
        (draw,) = random.choices(DRAWS, WEIGHTS)
        if draw is accounts.draw_sign_up and len(self.present()) >= POPULATION:
            draw = accounts.draw_refresh
        if draw is staff_on_markets.draw_create_market and len(self.open_markets()) >= OPEN_MARKETS:
            draw = staff_on_markets.draw_on_market
        return draw(self, random)

    def perform(self, action: Action) -> list[Action]:
        """Do it, judge it, and compare what it touched with the database."""
        action.arrive(self)
        result = action.run()
        action.conclude(self, result)
        self.comparison.verify(action.users)
        return [action]

    def pass_time(self, random: Random) -> None:
        kind = random.random()
        if kind > 0.01:
            self.time.move(timedelta(seconds=random.choice((0, 0, 1, 1, 2, 5))))
            return
        if kind > 0.004:
            self.pass_to_a_boundary(random)
            return
        # Half an hour at a time: how old a kept response is, is known to the database by another time.
        waited = WAITED * (random.choice((1, 2, 6, 12)) if kind > 0.001 else random.choice((20, 48, 60)))
        self.wait(waited)

    def pass_to_a_boundary(self, random: Random) -> None:
        """Move the time to the very moment at which something ends."""
        now = self.time.now
        ends = [market.expires_at for market in self.open_markets() if market.is_house]
        ends += [
            self.world.sessions.access[user].expires_at for user in self._online if user in self.world.sessions.access
        ]
        ends += [token.expires_at for held in self._held.values() for token in self.world.sessions.known(held)]
        ends.append(midnight(now) + A_DAY)
        soon = sorted({end for end in ends if end and now < end <= now + timedelta(hours=3)})
        if soon:
            self.wait(random.choice(soon) - now)

    def wait(self, waited: timedelta) -> None:
        """Let time pass. At the first midnight in it the nightly job runs, as it is scheduled."""
        until_midnight = midnight(self.time.now) + A_DAY - self.time.now
        if waited < until_midnight:
            self.move_time(waited)
            return
        self.move_time(until_midnight)
        self.perform(jobs.make("economy.reward_active_users"))
        if waited > until_midnight:
            self.move_time(waited - until_midnight)

    def move_time(self, waited: timedelta) -> None:
        """Move the time, for what the database alone knows the age of, too."""
        self.time.move(waited)
        self.truth.age_keys(waited)
        self.old_keys += self.world.pass_time(waited)
        del self.old_keys[:-100]
        self.note(f"{waited} pass")

    def give_key(self, action: Action, random: Random) -> None:
        """Have a request carry an idempotency key: of its own, or one that was used before."""
        if not isinstance(action, Call) or not action.is_keyed or random.random() > 0.35:
            return
        action.key = f"key-{self.number}"
        # The age of a key in the database is more by the real time that has passed.
        used = [key for (user, key), kept in self.world.keys.items() if user == action.user and kept.age < SURELY_KEPT]
        old = [key for user, key in self.old_keys if user == action.user]
        if used and random.random() < 0.35:
            self.send_again(action, random.choice(used[-5:]), random)
        elif old and not isinstance(action, economy.Buy):
            # Stripe, other than its simulator, doesn't remember it either.
            action.key = random.choice(old)
            self.old_keys.remove((str(action.user), action.key))

    def send_again(self, action: Call, key: str, random: Random) -> None:
        """Use a key again: mostly for the very same request, else for this one, which is another."""
        action.key = key
        if random.random() < 0.7:
            method, path, body = self.world.keys[str(action.user), key].request
            if method == action.method:
                action.path, action.sent = path, body

    # -- What is noted

    def note(self, line: str) -> None:
        self._lines.append(line)

    def end_of_step(self, users: set[str], markets: set[str]) -> None:
        line = "; ".join(self._lines)
        self._lines.clear()
        self._trace.update(f"{self.number} {self.time.now:%d %H:%M:%S} {line}\n".encode())
        if line:
            self.report.log.append((self.number, f"{self.time.now:%d %H:%M:%S}  {line}"))
            del self.report.log[:-20_000]
        self.report.touched[self.number] = (frozenset(users), frozenset(markets))
        self.report.touched.pop(self.number - TOUCHED_KEPT, None)

    @contextmanager
    def only(self, user: User) -> Iterator[None]:
        """Have `somebody` be this user inside the block."""
        self._only = user
        try:
            yield
        finally:
            self._only = None

    def compare_everything(self) -> None:
        self.comparison.compare_everything()
        self.comparison.drop_what_is_over(self.time.now - KEPT_AFTER_END)

    def finish(self) -> None:
        """Settle what is owed, compare everything, and have the service audit itself."""
        for name in ("betting.settle_markets", "economy.close_worthless_holdings", "economy.anchor"):
            self.perform(jobs.make(name))
        self.compare_everything()
        self.perform(jobs.Audit())
        self.end_of_step(set(), set())

    # -- Who and what there is

    def present(self) -> list[User]:
        return [user for user in self.world.users.values() if not user.erased]

    @staticmethod
    def pick(random: Random, candidates: Iterable[Numbered]) -> Any:
        """Return one of the candidates, or None; mostly the same one where some of the others aren't there.

        So an operation stays what it was when others are removed from a replay.
        """
        draw = random.getrandbits(32)
        return min(candidates, key=lambda each: mixed(draw, each.number), default=None)

    def anybody(self, random: Random) -> User | None:
        user: User | None = self.pick(random, self.present())
        return user

    def somebody(self, random: Random, *, active: bool = True) -> User | None:
        """Return one of the few who are online, mostly; who that is changes."""
        if self._only:
            return self._only
        window = self.number // ONLINE_FOR
        if window != self._window or len(self._online) < ONLINE:
            by_window = Random(f"{self.settings.seed}/{window}/online").getrandbits(32)
            present = sorted(self.present(), key=lambda user: mixed(by_window, user.number))
            self._window, self._online = window, [user.id for user in present[:ONLINE]]
        user = self.pick(random, [self.world.users[id_] for id_ in self._online])
        if user and active and not user.is_active and random.random() < 0.9:
            return self.anybody(random)
        return user

    def open_markets(self) -> list[Market]:
        return [market for market in self.world.markets.values() if market.status == "open"]

    def some_market(self, random: Random, *, any_status: bool = False) -> Market | None:
        if not any_status and random.random() < 0.93:
            markets = self.open_markets()
        else:
            markets = list(self.world.markets.values())
        market: Market | None = self.pick(random, markets)
        return market

    def some_bet(self, random: Random, *, pending: bool) -> Bet | None:
        for _ in range(6):
            market = self.pick(random, self.world.markets.values())
            bets = list(market.bets.values())[-60:] if market else []
            wanted = [bet for bet in bets if bet.status == "pending"] if pending else bets
            if wanted:
                bet: Bet = self.pick(random, wanted)
                return bet
        return None

    def new_event(self) -> str:
        """Return the name of an event of Stripe's: an operation may make several."""
        self._events += 1
        return f"evt_{self.number}_{self._events}"

    def was_undone_last(self, market: Market) -> bool:
        return market.id in self.undone_last

    # -- Clients and their tokens

    def holds(self, user: str, token: str) -> None:
        held = self._held.setdefault(user, [])
        held.append(token)
        del held[:-6]

    def lets_go(self, user: str, token: str) -> None:
        """A client drops a token that was refused, mostly: the last two are kept, to come back."""
        held = self._held.get(user, [])
        if token in held and len(held) > 2:
            held.remove(token)

    def held_tokens(self, user: str) -> list[str]:
        return self._held.get(user, [])

    def needs_token(self, user: str) -> bool:
        access = self.world.sessions.access.get(user)
        return access is None or bool(self.world.access_refusal(self.world.users[user], access.value, self.time.now))

    def get_token(self, user: User) -> None:
        """Refresh, or log in where no token is good: what a client does before its request."""
        now = self.time.now
        good = [
            token
            for token in self.held_tokens(user.id)
            if not self.world.sessions.judge(token, is_active=user.is_active, now=now)
        ]
        if good:
            self.perform(accounts.Refresh(user, good[-1]))
        else:
            self.perform(accounts.LogIn(user, user.email, user.password))

    # -- What others have

    def session_of(self, url: str) -> str:
        return f"cs_test_{url.rpartition('/')[2]}"

    def note_kept(self, call: economy.Webhook) -> None:
        """Note an event that was kept and not processed: a job tries it again."""
        rows = self.truth.rows(KEPT_EVENT, call.event["id"])
        if rows:
            expect("an event that failed is tried again in five minutes", rows[0][0], self.time.now + EVENT_RETRY)
            self.kept_events.append((rows[0][0], call))

    def look_up_order(self, waiting: list[Purchase]) -> list[Purchase]:
        """Return those that one run looks up: at most fifty, those looked up longest ago first."""
        oldest = datetime.min.replace(tzinfo=START.tzinfo)
        return sorted(waiting, key=lambda p: (p.looked_up_at or oldest, p.created_at))[:50]
