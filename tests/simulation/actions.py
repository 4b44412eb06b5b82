"""What is done to the service: a request or a use case, and how its result is judged by the model.

An action is made when it is drawn, and says nothing that a later removal of other operations could change but by what
it finds in the model. `run` may happen in another thread; `conclude` judges the result and has the model follow.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from tests.simulation import service
from tests.simulation.model.ledger import User
from tests.simulation.model.world import Key, World
from tests.simulation.service import Refused, Response

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

# The status of each error that an action may meet (the wire contract).
STATUSES = {
    "validation_error": 400,
    "invalid_referral_code": 400,
    "insufficient_credits": 400,
    "market_not_open": 400,
    "market_expired": 400,
    "market_not_accepting": 400,
    "market_illiquid": 400,
    "odds_moved": 400,
    "slippage_too_high": 400,
    "bet_not_sellable": 400,
    "amount_exceeds_stake": 400,
    "stock_not_active": 400,
    "leverage_too_high": 400,
    "leverage_mismatch": 400,
    "insufficient_supply": 400,
    "no_holding": 400,
    "insufficient_shares": 400,
    "invalid_package": 400,
    "provider_not_offered": 400,
    "invalid_signature": 400,
    "wrong_password": 400,
    "invalid_token": 401,
    "not_authenticated": 401,
    "invalid_credentials": 401,
    "invalid_refresh_token": 401,
    "token_reused": 401,
    "account_suspended": 403,
    "account_leaving": 403,
    "market_not_found": 404,
    "bet_not_found": 404,
    "stock_not_found": 404,
    "email_taken": 409,
    "username_taken": 409,
    "external_id_taken": 409,
    "idempotency_key_reused": 409,
    "idempotency_in_progress": 409,
    "position_changed": 409,
    "price_unavailable": 503,
    "payment_unavailable": 503,
    "try_again": 503,
}
# Failures of others, in which nothing happened.
MAY_COME_AGAIN = ("try_again", "price_unavailable", "payment_unavailable")


class Violation(Exception):
    """The service did what the model says it mustn't. `rule`: what it broke, in a few words."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}: {found}")
        self.rule, self.found = rule, found


def expect(rule: str, found: Any, expected: Any) -> None:
    """Raise Violation unless what was found is what the rule says."""
    if found != expected:
        raise Violation(rule, f"expected {expected}, found {found}")


class Action:
    """Something that is done to the service. `users`: whom it concerns, by id; `market`: its market's number."""

    # A collision with another transaction is tried again by the service itself.
    is_retried: ClassVar[bool] = True

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.market: int | None = None
        # When it begins, and when it has its effect.
        self.started: datetime | None = None
        self.now: datetime | None = None

    def arrive(self, sim: "Simulation") -> None:
        """Note what holds when the action begins."""
        self.started = self.now = sim.time.now

    def look_early(self, sim: "Simulation") -> None:
        """Note what it may be refused for by what it finds before it is locked, where another runs at the same time."""

    def run(self) -> Any:
        raise NotImplementedError

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        """Judge the result, and have the model follow. `raced`: another transaction was under way at the same time."""
        raise NotImplementedError


class Call(Action):
    """A request of the API. `user`: who makes it, None without a token; `key`: its idempotency key."""

    method: ClassVar[str] = "POST"
    success: ClassVar[int] = 200
    # Whether the service keeps the response under an idempotency key.
    is_keyed: ClassVar[bool] = False
    # The status of each code that it may be refused with.
    statuses: ClassVar[Mapping[str, int]] = STATUSES

    def __init__(self, user: User | None, path: str, body: Any = None) -> None:
        super().__init__()
        self.user = user.id if user else None
        self.path, self.body = path, body
        self.key: str | None = None
        self.sent = service.encode(body)
        self.headers: Mapping[str, str] = {}
        self.token: str | None = None
        self.refusal = ""
        # What more may happen under a disturbance.
        self.early: set[str] = set()
        self.lied_to: set[str] = set()
        self.may_be_replayed = self.raced = False
        if user:
            self.users.add(user.id)

    def look_early(self, sim: "Simulation") -> None:
        assert self.now
        self.early = set() if self.refusal else self.refusals(sim.world, self.now)

    def arrive(self, sim: "Simulation") -> None:
        super().arrive(sim)
        if self.user is None:
            return
        user = sim.world.users[self.user]
        access = sim.world.sessions.access.get(self.user)
        self.token = access.value if access else None
        self.refusal = sim.world.access_refusal(user, self.token, sim.time.now) if self.token else "not_authenticated"

    def run(self) -> Response:
        return service.request(self.method, self.path, self.sent, token=self.token, key=self.key, headers=self.headers)

    def conclude(self, sim: "Simulation", result: Response, *, raced: bool = False) -> None:
        self.raced = raced
        sim.note(f"{self} -> {result}")
        if result.status >= 500 and result.code not in MAY_COME_AGAIN:
            raise Violation("no request fails", f"{self}: {result} {result.body[:300]!r}")
        if self.refusal:
            self.check_refused(result, {self.refusal})
            return
        if raced and self.user and result.code == self.refusal_by_now(sim):
            # It was held before its token was looked at, and the user was suspended meanwhile.
            return
        assert self.started
        if self.user:
            sim.world.users[self.user].note_active(self.started, sim.world.rules.activity_minutes)
        if self.key and (kept := sim.world.keys.get((str(self.user), self.key))):
            self.check_replay(result, kept)
            return
        self.judge(sim, result)

    def judge(self, sim: "Simulation", result: Response) -> None:
        """Judge what a request got that was let in, and that wasn't made before."""
        assert self.now
        if result.was_replayed and not self.may_be_replayed:
            raise Violation("only a key that was used before is replayed", str(self))
        codes = self.refusals(sim.world, self.now)
        if result.status >= 400:
            racing = self.refusals_of_racers(codes) | self.early if self.raced else set()
            self.check_refused(result, codes | racing | self.lied_to)
            self.refused(sim, result)
            return
        if codes:
            raise Violation("what a rule refuses is refused", f"{self}: {result}, expected {sorted(codes)}")
        expect(f"the status of a success of {self.path}", result.status, self.status(sim))
        self.follow(sim, result.json, self.now)
        if self.key and self.is_keyed:
            sim.world.keys[str(self.user), self.key] = Key(self.name_of_request(), result.status, result.body)

    def refusal_by_now(self, sim: "Simulation") -> str | None:
        """Return the code with which its token would be refused now; None where it wouldn't."""
        user = sim.world.users[str(self.user)]
        return sim.world.access_refusal(user, str(self.token), sim.time.now) or None

    def name_of_request(self) -> tuple[str, str, bytes]:
        return self.method, self.path.rstrip("/"), self.sent

    def check_refused(self, result: Response, codes: Iterable[str]) -> None:
        allowed = set(codes)
        if result.code not in allowed:
            raise Violation(
                "a refusal is for its reason", f"{self}: {result}, expected {sorted(allowed) or 'a success'}"
            )
        expect(f"the status of {result.code}", result.status, self.statuses[result.code])

    def check_replay(self, result: Response, kept: Key) -> None:
        """Judge what comes back for a key that was used."""
        if kept.request != self.name_of_request():
            self.check_refused(result, {"idempotency_key_reused"})
            return
        expect("a replay has the first status", result.status, kept.status)
        expect("a replay is the first response, byte for byte", result.body, kept.body)
        expect("a replay says that it is one", result.was_replayed, True)

    def status(self, sim: "Simulation") -> int:
        return self.success

    def refusals(self, world: World, now: datetime) -> set[str]:
        """Return the codes for which it may be refused; where there are any it must be."""
        return set()

    def refusals_of_racers(self, codes: set[str]) -> set[str]:
        """Return the codes that may stand for others where something changed between a look and the lock."""
        return set()

    def refused(self, sim: "Simulation", result: Response) -> None:
        """Follow a refusal that has an effect."""

    def follow(self, sim: "Simulation", body: Any, now: datetime) -> None:
        """Check the body of a success, and have the model follow."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class StaffAct(Action):
    """A use case of staff, called as the admin calls it."""

    early: frozenset[str] | set[str] = frozenset()

    def look_early(self, sim: "Simulation") -> None:
        assert self.now
        self.early = self.refusals(sim, self.now)

    def run(self) -> Any:
        return service.attempt(self.act)

    def act(self) -> Any:
        raise NotImplementedError

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note(f"{self} -> {result.code if isinstance(result, Refused) else 'done'}")
        assert self.now
        codes = self.refusals(sim, self.now)
        if isinstance(result, Refused):
            if result.code not in codes | self.early:
                raise Violation(
                    "staff are refused for a reason", f"{self}: {result.code}, expected {sorted(codes) or 'done'}"
                )
            return
        if codes:
            raise Violation("what a rule refuses staff is refused", f"{self}: done, expected {sorted(codes)}")
        self.follow(sim, result, self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        """Have the model follow."""

    def __str__(self) -> str:
        return type(self).__name__


def number(value: Any) -> Decimal:
    """Return a number of a response: one without a fraction was read as an int."""
    return Decimal(value)
