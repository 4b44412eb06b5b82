"""What staff do: to users, their credits and purchases, to markets, and to stocks."""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid5

from tests.simulation import service
from tests.simulation.actions import StaffAct, Violation, expect
from tests.simulation.model import bets, stocks
from tests.simulation.model.bets import OVER, Market
from tests.simulation.model.ledger import User
from tests.simulation.model.purchases import Purchase
from tests.simulation.model.rules import CENT, ZERO, midnight
from tests.simulation.model.stocks import Stock
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
        return set() if sim.world.users[self.user].is_active else {"already_suspended"}

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
        return {"not_suspended"} if user.is_active else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.users[self.user].is_active = True

    def __str__(self) -> str:
        return f"staff restore u{self.number}"


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


# -- Markets


class OnMarket(StaffAct):
    """A decision about a market, from the statuses in which it may be made."""

    allowed: ClassVar[tuple[str, ...]] = ("open", "closed")

    def __init__(self, staff: str, market: Market) -> None:
        super().__init__()
        self.staff, self.id, self.market = staff, market.id, market.number

    @property
    def common(self) -> dict[str, Any]:
        by = service.staff_member(self.staff)
        return {"market_id": UUID(self.id), "by": by, "reason": REASON, "now": self.now}

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return set() if sim.world.markets[self.id].status in self.allowed else {"market_status_conflict"}


class CloseMarket(OnMarket):
    allowed = ("open",)

    def act(self) -> Any:
        from markets.resolution.staff import close_market

        return close_market(**self.common)

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = sim.world.markets[self.id]
        market.status, market.closed_by_staff = "closed", True

    def __str__(self) -> str:
        return f"staff close m{self.market}"


class OpenMarket(OnMarket):
    allowed = ("closed",)

    def act(self) -> Any:
        from markets.resolution.staff import open_market_again

        return open_market_again(**self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        market = sim.world.markets[self.id]
        # Not one that closed upstream, nor one whose result was undone.
        may = market.status == "closed" and market.closed_by_staff and not sim.was_undone_last(market)
        return set() if may else {"market_status_conflict"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = sim.world.markets[self.id]
        market.status, market.closed_by_staff = "open", False

    def __str__(self) -> str:
        return f"staff open m{self.market} again"


class ResolveMarket(OnMarket):
    """`outcome`: this, that, invalid; or cancelled, to void it."""

    def __init__(self, staff: str, market: Market, outcome: str) -> None:
        super().__init__(staff, market)
        self.outcome = outcome

    def act(self) -> Any:
        from markets.resolution import staff

        if self.outcome == "cancelled":
            return staff.void_market(**self.common)
        return staff.resolve_market(outcome=self.outcome, **self.common)

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = sim.world.markets[self.id]
        market.status = "cancelled" if self.outcome == "cancelled" else "resolved"
        market.resolution = "invalid" if self.outcome == "cancelled" else self.outcome
        market.ended_at = now
        market.closed_by_staff = False
        sim.undone_last.discard(market.id)

    def __str__(self) -> str:
        return f"staff decide m{self.market}: {self.outcome}"


class ReverseMarket(OnMarket):
    allowed = OVER

    def act(self) -> Any:
        from betting.reversal import reverse_settlement

        return reverse_settlement(**self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return set() if sim.world.markets[self.id].status in OVER else {"market_not_over"}

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = sim.world.markets[self.id]
        undone = bets.reverse(market, sim.world.users, now=now)
        self.users |= {bet.user for bet in undone}
        sim.undone_last.add(market.id)
        sim.comparison.touch_bets(*(bet.id for bet in undone))
        expect("a reversal says how many bets are open again", result.bets, len(undone))

    def __str__(self) -> str:
        return f"staff reverse m{self.market}"


class CreateMarket(StaffAct):
    def __init__(self, staff: str, title: str, odds: Decimal, expires_at: datetime | None) -> None:
        super().__init__()
        self.staff, self.title, self.odds, self.expires_at = staff, title, odds, expires_at

    def act(self) -> Any:
        from markets.house import Question, create_house_market

        question = Question(
            title=self.title,
            this_option="Yes",
            that_option="No",
            image_url="https://img.example/a.png",
            expires_at=self.expires_at,
        )
        by = service.staff_member(self.staff)
        return create_house_market(question, this_odds=self.odds, by=by, reason=REASON, now=self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        asked = any(m.is_house and m.status == "open" and m.title == self.title for m in sim.world.markets.values())
        return {"market_already_asked"} if asked else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = Market(str(result.pk), sim.number, self.title, odds=self.odds, expires_at=self.expires_at)
        sim.world.markets[market.id] = market
        self.market = market.number

    def __str__(self) -> str:
        until = f" until {self.expires_at:%d %H:%M}" if self.expires_at else ""
        return f"staff make {self.title!r} at {self.odds}{until}"


class ChangeOdds(OnMarket):
    def __init__(self, staff: str, market: Market, odds: Decimal) -> None:
        super().__init__(staff, market)
        self.odds = odds

    def act(self) -> Any:
        from markets.house import change_odds

        return change_odds(this_odds=self.odds, **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        market = sim.world.markets[self.id]
        if not market.is_house:
            return {"not_a_house_market"}
        if market.status != "open":
            return {"market_status_conflict"}
        return {"nothing_changed"} if market.odds == self.odds else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.markets[self.id].odds = self.odds

    def __str__(self) -> str:
        return f"staff set the odds of m{self.market} to {self.odds}"


# -- Stocks


class SetPrice(StaffAct):
    """A new price; holdings that the old one made worthless are closed first."""

    def __init__(self, staff: str, stock: Stock, price: Decimal) -> None:
        super().__init__()
        self.staff, self.id, self.symbol, self.price = staff, stock.id, stock.symbol, price

    def act(self) -> Any:
        from economy.stocks.prices import set_price

        by = service.staff_member(self.staff)
        return set_price(stock_id=UUID(self.id), price=self.price, by=by, reason=REASON, now=self.now)

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        stock = sim.world.stocks[self.id]
        self.users |= close_worthless(sim, stock, now)
        stock.price = self.price
        sim.comparison.touch_stock(stock.id)

    def __str__(self) -> str:
        return f"staff set {self.symbol} to {self.price}"


def close_worthless(sim: "Simulation", stock: Stock, now: datetime) -> set[str]:
    """Close what is worthless; return whose it was."""
    closed = {user for user in list(stock.holdings) if stocks.liquidate(sim.world.users[user], stock, now=now)}
    sim.comparison.touch_stock(stock.id)
    return closed


class SetStockStatus(StaffAct):
    def __init__(self, staff: str, stock: Stock, status: str) -> None:
        super().__init__()
        self.staff, self.id, self.symbol, self.status = staff, stock.id, stock.symbol, status

    def act(self) -> Any:
        from economy.stocks.models import Stock as Row
        from economy.stocks.prices import change_status

        by = service.staff_member(self.staff)
        return change_status(stock_id=UUID(self.id), status=Row.Status(self.status), by=by, reason=REASON, now=self.now)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return {"nothing_changed"} if sim.world.stocks[self.id].status == self.status else set()

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.stocks[self.id].status = self.status

    def __str__(self) -> str:
        return f"staff make {self.symbol} {self.status}"


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
    if not user.is_active and random.random() < 0.8:
        return Restore(staff, user)
    if random.random() < 0.08:
        return Erase(staff, user)
    return random.choice((Suspend, EndSessions, Restore))(staff, user)


def draw_refund(sim: "Simulation", random: Random) -> StaffAct | None:
    made = list(sim.world.purchases.values())
    return RefundPurchase(random.choice(sim.world.staff), sim.pick(random, made[-60:])) if made else None


def draw_create_market(sim: "Simulation", random: Random) -> StaffAct:
    number = sim.number if random.random() < 0.97 else sim.number - 1
    odds = Decimal(random.randint(300, 9_700)) / 10_000
    if random.random() < 0.05:
        odds = random.choice((Decimal("0.0001"), Decimal("0.9999"), Decimal("0.0100"), Decimal("0.9950")))
    lasts = timedelta(minutes=random.choice((20, 120, 600, 3_000)))
    expires_at = sim.time.now + lasts if random.random() < 0.6 else None
    return CreateMarket(random.choice(sim.world.staff), f"Will number {number} be drawn?", odds, expires_at)


def draw_on_market(sim: "Simulation", random: Random) -> StaffAct | None:
    market = sim.some_market(random, any_status=True)
    if market is None:
        return None
    staff = random.choice(sim.world.staff)
    kind = random.random()
    if market.is_house and kind < 0.35:
        return ChangeOdds(staff, market, Decimal(random.randint(300, 9_700)) / 10_000)
    if kind < 0.45:
        return CloseMarket(staff, market)
    if kind < 0.55:
        return OpenMarket(staff, market)
    return ResolveMarket(staff, market, random.choice(("this", "this", "that", "that", "invalid", "cancelled")))


def draw_reversal(sim: "Simulation", random: Random) -> StaffAct | None:
    over = [market for market in sim.world.markets.values() if market.status in OVER]
    if not over:
        return None
    market = sim.pick(random, over if random.random() < 0.95 else sim.world.markets.values())
    return ReverseMarket(random.choice(sim.world.staff), market)


def draw_on_stock(sim: "Simulation", random: Random) -> StaffAct:
    stock = random.choice(list(sim.world.stocks.values()))
    staff = random.choice(sim.world.staff)
    if random.random() < 0.2:
        return SetStockStatus(staff, stock, random.choice(("active", "active", sim.other_stock_status)))
    factor = Decimal(random.choice((50, 80, 95, 99, 101, 105, 120, 180))) / 100
    price = (stock.price * factor).quantize(Decimal("0.0001"))
    return SetPrice(staff, stock, min(max(price, Decimal("0.0100")), Decimal(5_000) / stock.max_leverage))
