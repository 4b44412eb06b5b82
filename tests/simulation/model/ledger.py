"""Users, their credits, and the ledger entries that move them (docs/ledger.md)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from tests.simulation.model.rules import ZERO, midnight

# Who gets or gives what a user gives or gets.
STAKED_WITH = ("escrow", "stocks")


@dataclass(slots=True)
class Entry:
    """An entry that must be in the ledger. `reference`: None where only the service knows it."""

    sequence: int
    amount: Decimal
    balance_after: Decimal
    type: str
    counterparty: str
    reference: str | None
    occurrence: int


@dataclass(slots=True)
class Debt:
    """What the house lent for a bet's reversal or a purchase's refund, and what came back. `entries`: of both kinds."""

    reference: str
    type: str
    created_at: datetime
    lent: Decimal = ZERO
    repaid: Decimal = ZERO
    entries: int = 0

    @property
    def due(self) -> Decimal:
        return self.lent - self.repaid


@dataclass(slots=True)
class User:
    """A user. `new_entries`: those that were not yet compared with the ledger."""

    id: str
    number: int
    username: str
    email: str
    password: str
    referral_code: str
    created_at: datetime
    is_staff: bool = False
    referrer: str | None = None
    balance: Decimal = ZERO
    held: Decimal = ZERO
    locked: Decimal = ZERO
    expended: Decimal = ZERO
    volume: Decimal = ZERO
    profit: Decimal = ZERO
    referral_earned: Decimal = ZERO
    referral_count: int = 0
    streak: int = 0
    last_reward_at: datetime | None = None
    last_active_at: datetime | None = None
    active_before: datetime | None = None
    active_days: set[date] = field(default_factory=set)
    is_active: bool = True
    # When the account is erased that the user deleted; None while they aren't leaving.
    deletion_due_at: datetime | None = None
    erased: bool = False
    is_verified: bool = False
    sessions_ended: int = 0
    entries: int = 0
    new_entries: list[Entry] = field(default_factory=list)
    debts: dict[tuple[str, str], Debt] = field(default_factory=dict)
    # When bonuses for new users were paid to this one.
    bonuses_paid: list[datetime] = field(default_factory=list)

    @property
    def available(self) -> Decimal:
        return self.balance - self.held

    @property
    def debt(self) -> Decimal:
        return sum((debt.due for debt in self.debts.values()), ZERO)

    def move(
        self,
        amount: Decimal,
        type: str,  # noqa: A002 - the entry's name for it
        counterparty: str,
        reference: str | None,
        *,
        occurrence: int = 0,
        staked: Decimal = ZERO,
        now: datetime,
    ) -> None:
        """Move credits by one entry, and what follows from it; an amount of 0 has no entry. Debts aren't repaid yet."""
        self.balance += amount
        if counterparty == "escrow":
            self.locked += staked
        if counterparty in STAKED_WITH:
            self.profit += amount + staked
        if type in ("bet_placed", "stock_purchase"):
            self.expended -= amount
        if type == "bet_placed":
            self.volume -= amount
        if type == "referral_bonus":
            self.referral_earned += amount
        if not amount:
            return
        self.entries += 1
        self.new_entries.append(
            Entry(self.entries, amount, self.balance, type, counterparty, reference, occurrence),
        )
        if counterparty == "house":
            self._note_debt(amount, type, str(reference), now)

    def _note_debt(self, amount: Decimal, kind: str, reference: str, now: datetime) -> None:
        debt = self.debts.setdefault((reference, kind), Debt(reference, kind, now))
        debt.entries += 1
        if amount > 0:
            debt.lent += amount
        else:
            debt.repaid -= amount

    def repay(self, *, now: datetime) -> None:
        """Repay debts, the oldest first, from what is available: after any credit that isn't a loan."""
        for debt in sorted(self.debts.values(), key=lambda debt: (debt.created_at, debt.reference)):
            part = min(debt.due, self.available)
            if part > 0:
                self.move(-part, debt.type, "house", debt.reference, occurrence=debt.entries, now=now)

    def receive(
        self,
        amount: Decimal,
        type: str,  # noqa: A002
        counterparty: str,
        reference: str | None,
        *,
        occurrence: int = 0,
        staked: Decimal = ZERO,
        now: datetime,
    ) -> None:
        """Move credits to the user, who repays debts from them."""
        self.move(amount, type, counterparty, reference, occurrence=occurrence, staked=staked, now=now)
        if amount > 0:
            self.repay(now=now)

    def take_back(
        self,
        amount: Decimal,
        missing: Decimal,
        type: str,  # noqa: A002
        counterparty: str,
        reference: str,
        *,
        occurrence: int = 0,
        staked: Decimal = ZERO,
        now: datetime,
    ) -> None:
        """Take credits back for what is undone; the house lends what is missing first."""
        if missing > 0:
            debt = self.debts.get((reference, type))
            self.move(missing, type, "house", reference, occurrence=debt.entries if debt else 0, now=now)
        self.move(-amount, type, counterparty, reference, occurrence=occurrence, staked=staked, now=now)

    def bonuses_today(self, now: datetime) -> int:
        today = midnight(now)
        self.bonuses_paid = [moment for moment in self.bonuses_paid if moment >= today]
        return len(self.bonuses_paid)

    def note_active(self, now: datetime, minutes: int) -> None:
        """Note that the user made a request, at most once in so many minutes, and at the first request of a day."""
        last = self.last_active_at
        if last is None or (now - last).total_seconds() >= 60 * minutes or midnight(last) < midnight(now):
            self.note_sign_in(now)

    def note_sign_in(self, now: datetime) -> None:
        self.active_before, self.last_active_at = self.last_active_at, now
        self.active_days.add(midnight(now).date())

    def was_last_active(self, moment: datetime | None) -> None:
        """Forget activity that was noted later than this: it wasn't written. What was is activity on its day."""
        self.last_active_at = moment
        last_day = {midnight(moment).date()} if moment else set()
        self.active_days = last_day | {day for day in self.active_days if last_day and day <= max(last_day)}
