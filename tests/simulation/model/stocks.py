"""Stocks: what shares cost, what a holding is worth, and which are worthless (docs/ledger.md, "Stocks").

A holding is worth what was invested, and its leverage times what its price has moved by since. What is bought is
rounded up to the cent, what is sold down. A part takes its share of what was invested, rounded up, and of the exact
cost, rounded down.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from tests.simulation.model.ledger import User
from tests.simulation.model.rules import CENT, ZERO

EXACT = Decimal("1e-16")
DIGITS = 120


@dataclass(slots=True)
class Holding:
    """Shares of one leverage, what was paid for them, and what they cost before that was rounded."""

    leverage: int
    shares: Decimal = ZERO
    invested: Decimal = ZERO
    exact_cost: Decimal = ZERO

    def worth(self, price: Decimal) -> Decimal:
        """Return credits, not rounded, never below 0."""
        with localcontext(prec=DIGITS):
            return max(ZERO, self.invested + self.leverage * (self.shares * price - self.exact_cost))

    def is_worthless(self, price: Decimal) -> bool:
        return self.worth(price) < CENT


@dataclass(slots=True)
class Stock:
    """A stock, and who holds how much of it."""

    id: str
    symbol: str
    price: Decimal
    supply: Decimal
    max_leverage: int
    status: str = "active"
    circulating: Decimal = ZERO
    holdings: dict[str, Holding] = field(default_factory=dict)


def cost(shares: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """Return what so many shares cost, and the same before it is rounded."""
    with localcontext(prec=DIGITS):
        exact = shares * price
        return exact.quantize(CENT, ROUND_CEILING), exact


def buy(user: User, stock: Stock, shares: Decimal, leverage: int, trade: str, *, now: datetime) -> None:
    invested, exact = cost(shares, stock.price)
    user.move(-invested, "stock_purchase", "stocks", trade, staked=invested, now=now)
    holding = stock.holdings.setdefault(user.id, Holding(leverage))
    with localcontext(prec=DIGITS):
        holding.shares += shares
        holding.invested += invested
        holding.exact_cost += exact
        stock.circulating += shares


def sell(user: User, stock: Stock, shares: Decimal, trade: str, *, now: datetime) -> tuple[Decimal, Decimal]:
    """Sell shares that are held; return the proceeds and the profit."""
    holding = stock.holdings[user.id]
    with localcontext(prec=DIGITS):
        proceeds = (holding.worth(stock.price) * shares / holding.shares).quantize(CENT, ROUND_FLOOR)
        invested = (holding.invested * shares / holding.shares).quantize(CENT, ROUND_CEILING)
        exact = (holding.exact_cost * shares / holding.shares).quantize(EXACT, ROUND_FLOOR)
    leave(user, stock, shares, invested, exact)
    user.receive(proceeds, "stock_sale", "stocks", trade, staked=-invested, now=now)
    return proceeds, proceeds - invested


def leave(user: User, stock: Stock, shares: Decimal, invested: Decimal, exact: Decimal) -> None:
    """Take shares out of a holding."""
    holding = stock.holdings[user.id]
    with localcontext(prec=DIGITS):
        holding.shares -= shares
        holding.invested -= invested
        holding.exact_cost -= exact
        stock.circulating -= shares
    if not holding.shares:
        del stock.holdings[user.id]


def liquidate(user: User, stock: Stock, *, now: datetime) -> bool:
    """Close the user's holding if it is worthless: no entry, and all that was invested is lost."""
    holding = stock.holdings.get(user.id)
    if holding is None or not holding.is_worthless(stock.price):
        return False
    user.move(ZERO, "stock_sale", "stocks", None, staked=-holding.invested, now=now)
    leave(user, stock, holding.shares, holding.invested, holding.exact_cost)
    return True
