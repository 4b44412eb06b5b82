"""What staff do to users, their credits and their purchases."""

from datetime import datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from tests.simulation import service
from tests.simulation.actions import StaffAct, Violation, expect
from tests.simulation.model.ledger import User
from tests.simulation.model.purchases import Purchase
from tests.simulation.model.rules import CENT, ZERO, midnight
from tests.simulation.model.world import Adjustment

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

REASON = "As the simulation has it."
FORMS = UUID("5f3c1f6e-6a57-4f0e-9a58-0d1f6b1d9d11")


class OnUser(StaffAct):
    """Something that one of the staff does to a user."""

    def __init__(self, staff: str, user: User) -> None:
        super().__init__()
        self.staff, self.user, self.number = staff, user.id, user.number
        self.users = {user.id}

    @property
    def common(self) -> dict[str, Any]:
        return {"by": service.staff_member(self.staff), "reason": REASON, "now": self.now}


class Adjust(OnUser):
    """Credits given or taken. `form`: a form that is sent twice has its effect once."""

    def __init__(self, staff: str, user: User, amount: Decimal, form: UUID) -> None:
        super().__init__(staff, user)
        self.amount, self.form = amount, form

    def act(self) -> Any:
        from economy.adjustments import AdjustmentRequest, adjust_credits

        asked = AdjustmentRequest(user_id=UUID(self.user), amount=self.amount, reason=REASON, request_id=self.form)
        return adjust_credits(asked, by=service.staff_member(self.staff), now=self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        earlier = sim.forms.get(self.form)
        if earlier:
            return set() if earlier[:3] == (self.user, self.amount, self.staff) else {"request_reused"}
        return {"insufficient_credits"} if -self.amount > sim.world.users[self.user].available else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        if earlier := sim.forms.get(self.form):
            expect("a form that is sent twice is one adjustment", str(result.pk), earlier[3])
            return
        world, user = sim.world, sim.world.users[self.user]
        is_alone = world.may_adjust_alone(user, self.staff, self.amount, now)
        expect("beyond the limit a second decides", result.status, "applied" if is_alone else "pending")
        sim.forms[self.form] = (self.user, self.amount, self.staff, str(result.pk))
        if is_alone:
            day = (user.id, self.staff, midnight(now))
            world.adjusted[day] = world.adjusted.get(day, ZERO) + abs(self.amount)
            world.adjust(user, str(result.pk), self.amount, now=now)
        else:
            waiting = Adjustment(str(result.pk), user.id, self.amount, self.staff)
            world.waiting_adjustments[waiting.id] = waiting

    def __str__(self) -> str:
        return f"staff adjust u{self.number} by {self.amount}"


class Decide(StaffAct):
    """A second decides about an adjustment; the one who asked for it may not."""

    def __init__(self, staff: str, adjustment: Adjustment, *, approve: bool) -> None:
        super().__init__()
        self.staff, self.adjustment, self.approve = staff, adjustment, approve
        self.users = {adjustment.user}

    def act(self) -> Any:
        from economy.adjustments import decide_adjustment

        by = service.staff_member(self.staff)
        return decide_adjustment(
            adjustment_id=UUID(self.adjustment.id), approve=self.approve, by=by, reason=REASON, now=self.now
        )

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        if self.staff == self.adjustment.staff:
            return {"second_person_needed"}
        if self.adjustment.id not in sim.world.waiting_adjustments:
            return {"already_decided"}
        short = self.approve and -self.adjustment.amount > sim.world.users[self.adjustment.user].available
        return {"insufficient_credits"} if short else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        del sim.world.waiting_adjustments[self.adjustment.id]
        sim.decided_adjustments.append(self.adjustment)
        if self.approve:
            sim.world.adjust(sim.world.users[self.adjustment.user], self.adjustment.id, self.adjustment.amount, now=now)

    def __str__(self) -> str:
        verb = "approve" if self.approve else "decline"
        return f"staff {verb} an adjustment by {self.adjustment.amount}"


class Hold(OnUser):
    """Credits put on hold, or with a negative amount released."""

    def __init__(self, staff: str, user: User, amount: Decimal) -> None:
        super().__init__(staff, user)
        self.amount = amount

    def act(self) -> Any:
        from economy import adjustments

        do = adjustments.hold_credits if self.amount > 0 else adjustments.release_hold
        return do(user_id=UUID(self.user), amount=abs(self.amount), **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        user = sim.world.users[self.user]
        short = self.amount > user.available if self.amount > 0 else -self.amount > user.held
        return {"insufficient_credits"} if short else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        user = sim.world.users[self.user]
        user.held += self.amount
        if self.amount < 0:
            user.repay(now=now)

    def __str__(self) -> str:
        return f"staff hold {self.amount} of u{self.number}"


class Suspend(OnUser):
    def act(self) -> Any:
        from accounts.suspension import suspend_user

        return suspend_user(user_id=UUID(self.user), **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        user = sim.world.users[self.user]
        return set() if user.is_active or user.deletion_due_at else {"already_suspended"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.suspend(sim.world.users[self.user])

    def __str__(self) -> str:
        return f"staff suspend u{self.number}"


class Restore(OnUser):
    def act(self) -> Any:
        from accounts.suspension import restore_user

        return restore_user(user_id=UUID(self.user), **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        user = sim.world.users[self.user]
        if user.erased:
            return {"user_erased"}
        return {"not_suspended"} if user.is_active or user.deletion_due_at else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.users[self.user].is_active = True

    def __str__(self) -> str:
        return f"staff restore u{self.number}"


class CancelDeletion(OnUser):
    def act(self) -> Any:
        from accounts.suspension import cancel_deletion

        return cancel_deletion(user_id=UUID(self.user), **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return set() if sim.world.users[self.user].deletion_due_at else {"not_leaving"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.come_back(sim.world.users[self.user])

    def __str__(self) -> str:
        return f"staff cancel the deletion of u{self.number}"


class EndSessions(OnUser):
    def act(self) -> Any:
        from accounts.suspension import end_sessions

        return end_sessions(user_id=UUID(self.user), **self.common)

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.end_sessions(sim.world.users[self.user], "ended by staff")

    def __str__(self) -> str:
        return f"staff sign u{self.number} out everywhere"


class Erase(OnUser):
    def act(self) -> Any:
        from ops.personal_data import erase_user

        return erase_user(user_id=UUID(self.user), **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return {"user_erased"} if sim.world.users[self.user].erased else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.erase(sim.world.users[self.user], result.username)

    def __str__(self) -> str:
        return f"u{self.number} is erased"


class RefundPurchase(StaffAct):
    def __init__(self, staff: str, purchase: Purchase) -> None:
        super().__init__()
        self.staff, self.purchase, self.number, self.users = staff, purchase.id, purchase.number, {purchase.user}

    def act(self) -> Any:
        from purchases.services import refund_purchase

        by = service.staff_member(self.staff)
        return refund_purchase(purchase_id=UUID(self.purchase), by=by, reason=REASON, now=self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        is_paid = sim.world.purchases[self.purchase].status == "completed"
        return set() if is_paid else {"purchase_not_refundable"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        purchase = sim.world.purchases[self.purchase]
        purchase.take_back(sim.world.users[purchase.user], now=now)

    def __str__(self) -> str:
        return f"staff refund purchase {self.number}"


class Overstep(StaffAct):
    """One of the staff does what their role doesn't allow, or to their own account."""

    def __init__(self, user: User, staff: str, *, own: bool) -> None:
        super().__init__()
        self.user, self.staff, self.own = user.id, staff, own
        self.users = {user.id}

    def act(self) -> Any:
        from economy.adjustments import AdjustmentRequest, adjust_credits

        target = UUID(self.staff if self.own else self.user)
        form = uuid5(FORMS, f"overstep {self.now}")
        asked = AdjustmentRequest(user_id=target, amount=Decimal(100), reason=REASON, request_id=form)
        return adjust_credits(asked, by=service.staff_member(self.staff), now=self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return {"not_yourself"} if self.own else {"staff_permission_required"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        raise Violation("staff do what they may", str(self))

    def __str__(self) -> str:
        return "staff adjust their own credits" if self.own else "staff adjust credits without the permission"


# -- Drawing


def draw_on_credits(sim: "Simulation", random: Random) -> StaffAct | None:
    user = sim.somebody(random, active=False)
    if user is None:
        return None
    (draw,) = random.choices((draw_decision, draw_overstep, draw_hold, draw_adjustment), (28, 3, 25, 44))
    return draw(sim, random, user) or draw_adjustment(sim, random, user)


def draw_decision(sim: "Simulation", random: Random, user: User) -> StaffAct | None:
    staff = random.choice(sim.world.staff)
    waiting = list(sim.world.waiting_adjustments.values())
    if waiting and random.random() < 0.9:
        return Decide(staff, random.choice(waiting), approve=random.random() < 0.8)
    decided = sim.decided_adjustments[-5:]
    return Decide(staff, random.choice(decided), approve=True) if decided else None


def draw_overstep(sim: "Simulation", random: Random, user: User) -> StaffAct:
    if random.random() < 0.5:
        return Overstep(user, sim.limited_staff, own=False)
    return Overstep(user, random.choice(sim.world.staff), own=True)


def draw_hold(sim: "Simulation", random: Random, user: User) -> StaffAct | None:
    staff = random.choice(sim.world.staff)
    if user.held and random.random() < 0.7:
        part = user.held if random.random() < 0.6 else (user.held / 3).quantize(CENT)
        return Hold(staff, user, -(part or user.held) - (1 if random.random() < 0.1 else 0))
    part = (user.available * Decimal(random.random())).quantize(CENT)
    return Hold(staff, user, part + (user.balance if random.random() < 0.1 else 0)) if part else None


def draw_adjustment(sim: "Simulation", random: Random, user: User) -> StaffAct:
    if sim.forms and random.random() < 0.12:
        form, (whom, amount, by, _) = random.choice(list(sim.forms.items())[-20:])
        return Adjust(by, sim.world.users[whom], amount + (1 if random.random() < 0.3 else 0), form)
    amount = Decimal(random.choice((50, 500, 3_000, 5_000, 10_000, 10_001, 25_000)))
    if random.random() < 0.4:
        amount = -min(amount, user.available + random.choice((0, 0, 1))) or amount
    return Adjust(random.choice(sim.world.staff), user, amount.quantize(CENT), uuid5(FORMS, str(sim.number)))


def draw_on_user(sim: "Simulation", random: Random) -> StaffAct | None:
    user = sim.somebody(random, active=False)
    if user is None:
        return None
    staff = random.choice(sim.world.staff)
    if user.deletion_due_at and random.random() < 0.5:
        return CancelDeletion(staff, user)
    if not user.is_active and random.random() < 0.8:
        return Restore(staff, user)
    if random.random() < 0.08:
        return Erase(staff, user)
    return random.choice((Suspend, EndSessions, Restore))(staff, user)


def draw_refund(sim: "Simulation", random: Random) -> StaffAct | None:
    made = list(sim.world.purchases.values())
    return RefundPurchase(random.choice(sim.world.staff), sim.pick(random, made[-60:])) if made else None
