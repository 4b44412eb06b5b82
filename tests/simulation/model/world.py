"""All that the model holds, and the rules about users: bonuses, daily rewards, who is refused."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tests.simulation.model.bets import Bet, Market
from tests.simulation.model.ledger import User
from tests.simulation.model.purchases import Purchase
from tests.simulation.model.rules import A_DAY, ZERO, Rules, midnight
from tests.simulation.model.sessions import Sessions
from tests.simulation.model.stocks import Stock


@dataclass(slots=True)
class Key:
    """A response that is kept under an idempotency key. `age`: how much simulated waiting it has seen."""

    request: tuple[str, str, bytes]
    status: int
    body: bytes
    age: timedelta = timedelta()


@dataclass(slots=True)
class Adjustment:
    """Credits that one of the staff asked for, and a second has to approve."""

    id: str
    user: str
    amount: Decimal
    staff: str


@dataclass(slots=True)
class World:
    """What must be true of the service."""

    rules: Rules
    users: dict[str, User] = field(default_factory=dict)
    staff: list[str] = field(default_factory=list)
    markets: dict[str, Market] = field(default_factory=dict)
    bets: dict[str, Bet] = field(default_factory=dict)
    stocks: dict[str, Stock] = field(default_factory=dict)
    purchases: dict[str, Purchase] = field(default_factory=dict)
    keys: dict[tuple[str, str], Key] = field(default_factory=dict)
    waiting_adjustments: dict[str, Adjustment] = field(default_factory=dict)
    # What one of the staff moved alone, by user, staff and day.
    adjusted: dict[tuple[str, str, datetime], Decimal] = field(default_factory=dict)
    sessions: Sessions = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.rules.refresh_days, self.rules.access_minutes)

    # -- Who is who

    def email_taken(self, email: str) -> bool:
        return any(user.email.lower() == email.lower() for user in self.users.values())

    def username_taken(self, username: str) -> bool:
        return any(user.username.lower() == username.lower() for user in self.users.values())

    def by_referral_code(self, code: str) -> User | None:
        return next((user for user in self.users.values() if user.referral_code == code.strip().upper()), None)

    def access_refusal(self, user: User, token: str, now: datetime) -> str:
        """Return the code with which a request with this access token must be refused, or nothing."""
        access = self.sessions.access.get(user.id)
        if access is None or access.value != token or access.expires_at <= now:
            return "invalid_token"
        if user.deletion_due_at:
            return "invalid_token"
        if not user.is_active:
            return "account_suspended"
        is_over = access.family.has_ended or access.sessions_ended != user.sessions_ended
        return "invalid_token" if is_over else ""

    # -- Bonuses

    def register(self, user: User, *, referrer: User | None, now: datetime) -> None:
        """Add a new user: starting credits, and one more to the referrer's count."""
        self.users[user.id] = user
        user.move(self.rules.starting_credits, "signup_bonus", "issuance", user.id, now=now)
        if referrer:
            user.referrer = referrer.id
            referrer.referral_count += 1

    def verify(self, user: User, *, now: datetime) -> None:
        """Verify a user's address: a bonus to the referrer unless suspended or paid often enough today."""
        user.is_verified = True
        referrer = self.users[user.referrer] if user.referrer else None
        if referrer and referrer.is_active and referrer.bonuses_today(now) < self.rules.referral_cap:
            referrer.bonuses_paid.append(now)
            referrer.receive(self.rules.referral_bonus, "referral_bonus", "issuance", user.id, now=now)

    # -- Daily rewards

    def reward(self, user: User, now: datetime, *, claimed: date | None = None) -> Decimal:
        """Reward the user for days that ended and on which they were active, then for one claimed.

        Return the credits of the last day that was rewarded, or 0.
        """
        if not user.is_active:
            return ZERO
        today, credits_ = midnight(now).date(), ZERO
        for day in [today - days * A_DAY for days in range(self.rules.days_rewarded_late, -1, -1)]:
            last = user.last_reward_at.date() if user.last_reward_at else None
            counts = day == claimed or (day != today and day in user.active_days)
            if not counts or (last is not None and day <= last):
                continue
            user.streak = user.streak + 1 if last == day - A_DAY else 1
            user.last_reward_at = min(now, datetime.combine(day + A_DAY, time.min, UTC) - timedelta(microseconds=1))
            credits_ = self.rules.reward(user.streak)
            user.move(credits_, "daily_reward", "issuance", None, now=now)
        if credits_:
            user.repay(now=now)
        return credits_

    def reward_active(self, now: datetime) -> list[User]:
        """Reward everybody, as the nightly run does, for days that ended; return whom."""
        return [user for user in self.users.values() if self.reward(user, now)]

    # -- Leaving

    def leave(self, user: User, now: datetime) -> None:
        """Have the user leave: out at once, erased later unless they come back."""
        user.is_active, user.deletion_due_at = False, now + self.rules.deletion_days * A_DAY
        self.end_sessions(user, "left")

    def come_back(self, user: User) -> bool:
        """Take the deletion back; return whether there was one."""
        was_leaving = user.deletion_due_at is not None
        if was_leaving:
            user.is_active, user.deletion_due_at = True, None
        return was_leaving

    # -- Staff

    def may_adjust_alone(self, user: User, staff: str, amount: Decimal, now: datetime) -> bool:
        moved = self.adjusted.get((user.id, staff, midnight(now)), ZERO)
        return moved + abs(amount) <= self.rules.adjustment_limit

    def adjust(self, user: User, adjustment: str, amount: Decimal, *, now: datetime) -> None:
        user.receive(amount, "admin_adjustment", "staff", adjustment, now=now)

    def suspend(self, user: User) -> None:
        user.is_active, user.deletion_due_at = False, None
        self.end_sessions(user, "suspended")

    def end_sessions(self, user: User, why: str) -> None:
        self.sessions.revoke_all(user.id, why)
        user.sessions_ended += 1

    def erase(self, user: User, username: str) -> None:
        """Erase what says who the user was; what happened to the credits stays."""
        self.sessions.drop(user.id)
        user.sessions_ended += 1
        user.is_active, user.deletion_due_at, user.erased = False, None, True
        user.username, user.email, user.referral_code = username, f"{username}@erased.invalid", ""
        user.last_active_at, user.active_days = None, set()
        for key in [key for key in self.keys if key[0] == user.id]:
            del self.keys[key]

    def pass_time(self, waited: timedelta) -> list[tuple[str, str]]:
        """Let stored responses grow older; return whose are of more than the hours that they are kept, and gone."""
        for key in self.keys.values():
            key.age += waited
        old = [name for name, key in self.keys.items() if key.age >= timedelta(hours=self.rules.key_hours)]
        for name in old:
            del self.keys[name]
        return old
