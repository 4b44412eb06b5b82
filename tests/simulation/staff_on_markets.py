"""What staff do to markets and to stocks."""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from tests.simulation import service
from tests.simulation.actions import StaffAct, expect
from tests.simulation.model import bets, stocks
from tests.simulation.model.bets import OVER, Market
from tests.simulation.model.makers import Maker
from tests.simulation.model.stocks import Stock
from tests.simulation.staff import REASON

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


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
    """A house market: with a subsidy one that prices itself."""

    def __init__(
        self, staff: str, title: str, odds: Decimal, expires_at: datetime | None, subsidy: Decimal | None
    ) -> None:
        super().__init__()
        self.staff, self.title, self.odds, self.expires_at = staff, title, odds, expires_at
        self.subsidy = subsidy

    def act(self) -> Any:
        from betting.makers import open_lmsr_market
        from markets.house import Question, create_house_market

        question = Question(
            title=self.title,
            this_option="Yes",
            that_option="No",
            image_url="https://img.example/a.png",
            expires_at=self.expires_at,
        )
        by = service.staff_member(self.staff)
        given: dict[str, Any] = {"this_odds": self.odds, "by": by, "reason": REASON, "now": self.now}
        if self.subsidy is None:
            return create_house_market(question, **given)
        return open_lmsr_market(question, subsidy=self.subsidy, **given)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        asked = any(m.is_house and m.status == "open" and m.title == self.title for m in sim.world.markets.values())
        codes = {"market_already_asked"} if asked else set()
        if self.subsidy is not None and not Decimal("0.01") <= self.odds <= Decimal("0.99"):
            codes.add("invalid_house_market")
        return codes

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        market = Market(str(result.pk), sim.number, self.title, odds=self.odds, expires_at=self.expires_at)
        market.maker = Maker.begin(self.odds, self.subsidy) if self.subsidy is not None else None
        sim.world.markets[market.id] = market
        self.market = market.number

    def __str__(self) -> str:
        until = f" until {self.expires_at:%d %H:%M}" if self.expires_at else ""
        subsidized = f" with {self.subsidy}" if self.subsidy is not None else ""
        return f"staff make {self.title!r} at {self.odds}{subsidized}{until}"


class OnHouseMarket(OnMarket):
    """What staff do to an open house market."""

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        market = sim.world.markets[self.id]
        if not market.is_house:
            return {"not_a_house_market"}
        return set() if market.status == "open" else {"market_status_conflict"}


class AddLiquidity(OnHouseMarket):
    def __init__(self, staff: str, market: Market, amount: Decimal) -> None:
        super().__init__(staff, market)
        self.amount = amount

    def act(self) -> Any:
        from betting.makers import add_liquidity

        return add_liquidity(amount=self.amount, **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        return super().refusals(sim, now) or ({"not_a_house_market"} if not sim.world.markets[self.id].maker else set())

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        maker = sim.world.markets[self.id].maker
        assert maker
        maker.deepen(self.amount)
        expect("liquidity is added to the subsidy", result, maker.subsidy)

    def __str__(self) -> str:
        return f"staff add {self.amount} to the subsidy of m{self.market}"


class PauseMarket(OnHouseMarket):
    """Pauses a market, or resumes it."""

    def __init__(self, staff: str, market: Market) -> None:
        super().__init__(staff, market)
        self.accepting = not market.accepting

    def act(self) -> Any:
        from markets.house import pause_house_market, resume_house_market

        return (resume_house_market if self.accepting else pause_house_market)(**self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        same = sim.world.markets[self.id].accepting == self.accepting
        return super().refusals(sim, now) or ({"nothing_changed"} if same else set())

    def follow(self, sim: "Simulation", result: Any, now: datetime) -> None:
        sim.world.markets[self.id].accepting = self.accepting

    def __str__(self) -> str:
        return f"staff {'resume' if self.accepting else 'pause'} m{self.market}"


class ChangeOdds(OnHouseMarket):
    def __init__(self, staff: str, market: Market, odds: Decimal) -> None:
        super().__init__(staff, market)
        self.odds = odds

    def act(self) -> Any:
        from markets.house import change_odds

        return change_odds(this_odds=self.odds, **self.common)

    def refusals(self, sim: "Simulation", now: datetime) -> set[str]:
        market = sim.world.markets[self.id]
        if codes := super().refusals(sim, now):
            return codes
        if market.maker:
            return {"odds_follow_bets"}
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


# -- Drawing


def draw_create_market(sim: "Simulation", random: Random) -> StaffAct:
    number = sim.number if random.random() < 0.97 else sim.number - 1
    odds = Decimal(random.randint(300, 9_700)) / 10_000
    if random.random() < 0.05:
        odds = random.choice((Decimal("0.0001"), Decimal("0.9999"), Decimal("0.0100"), Decimal("0.9950")))
    lasts = timedelta(minutes=random.choice((20, 120, 600, 3_000)))
    expires_at = sim.time.now + lasts if random.random() < 0.6 else None
    subsidy = Decimal(random.choice((200, 1_000, 5_000))) if random.random() < 0.5 else None
    return CreateMarket(random.choice(sim.world.staff), f"Will number {number} be drawn?", odds, expires_at, subsidy)


def draw_on_market(sim: "Simulation", random: Random) -> StaffAct | None:
    market = sim.some_market(random, any_status=True)
    if market is None:
        return None
    staff = random.choice(sim.world.staff)
    kind = random.random()
    if market.is_house and kind < 0.35:
        return draw_on_house_market(staff, market, random)
    if kind < 0.45:
        return CloseMarket(staff, market)
    if kind < 0.55:
        return OpenMarket(staff, market)
    return ResolveMarket(staff, market, random.choice(("this", "this", "that", "that", "invalid", "cancelled")))


def draw_on_house_market(staff: str, market: Market, random: Random) -> StaffAct:
    kind = random.random()
    # What is paused is resumed soon: else there is little to bet on.
    if kind < (0.15 if market.accepting else 0.7):
        return PauseMarket(staff, market)
    if kind < (0.75 if market.maker else 0.2):
        return AddLiquidity(staff, market, Decimal(random.choice((1, 250, 4_000))))
    return ChangeOdds(staff, market, Decimal(random.randint(300, 9_700)) / 10_000)


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
