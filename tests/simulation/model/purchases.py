"""Purchases: granted once when they are paid, taken back once when they are refunded, whatever comes how often."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tests.simulation.model.ledger import User
from tests.simulation.model.rules import PACKAGES, ZERO


@dataclass(slots=True)
class Purchase:
    """A purchase. `session` and `payment`: Stripe's names; `paid_there`: what became of the session at Stripe."""

    id: str
    number: int
    user: str
    package: str
    provider: str
    external_id: str
    created_at: datetime
    status: str = "pending"
    session: str = ""
    payment: str = ""
    paid_there: str = ""
    payment_known: bool = False
    looked_up_at: datetime | None = None
    events: set[str] = field(default_factory=set)

    @property
    def credits(self) -> Decimal:
        return Decimal(PACKAGES[self.package][0])

    @property
    def cents(self) -> int:
        return PACKAGES[self.package][1]

    def grant(self, user: User, *, now: datetime) -> None:
        self.status = "completed"
        user.receive(self.credits, "credit_purchase", "store", self.id, now=now)

    def take_back(self, user: User, *, now: datetime) -> None:
        """Refund it. What was never granted isn't taken back."""
        if self.status == "completed":
            missing = max(ZERO, self.credits - user.available)
            user.take_back(self.credits, missing, "purchase_refund", "store", self.id, now=now)
        self.status = "refunded"

    def paid(self, user: User, cents: int, *, now: datetime) -> None:
        """Follow the news that its session is paid."""
        if self.status in ("completed", "refunded"):
            return
        self.payment_known = True
        if cents == self.cents:
            self.grant(user, now=now)

    def never_paid(self) -> None:
        if self.status == "pending":
            self.status = "failed"

    def refunded(self, user: User, *, now: datetime) -> None:
        """Follow the news that all of the money was given back."""
        if self.status != "refunded":
            self.payment_known = True
            self.take_back(user, now=now)
