"""Valuation: what shares cost, and what a holding is worth, in pure Decimals.

A holding at leverage L carries L times the price's move since it was bought:

    worth = invested + L * shares * (price - average price), and nothing where that is below zero

The average price isn't rounded: kept is `exact_cost`, the sum of shares times price, so that `shares * average price`
is `exact_cost`. Costs are rounded up to the cent, values down. A part of a holding gets at most its share of what the
whole is worth, and what stays is worth at most its share at every price: nobody gains by selling in parts.

All of it is exact at PRECISION digits. Numbers of a holding have at most 36, so a quotient that isn't a whole cent is
farther from one than such a division errs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
PRECISION = 120
CENT = Decimal("0.01")
SHARE = Decimal("1e-8")  # the smallest part of one, and of a price
EXACT = Decimal("1e-16")
NOTHING = Decimal("0.00")


def exactly(compute: Callable[P, R]) -> Callable[P, R]:
    """Compute a function's Decimals at PRECISION digits."""

    @wraps(compute)
    def precise(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(prec=PRECISION):
            return compute(*args, **kwargs)

    return precise


@dataclass(frozen=True, slots=True)
class Position:
    """Shares, what was paid for them (credits), what they cost before rounding (credits), and their leverage."""

    shares: Decimal
    invested: Decimal
    exact_cost: Decimal
    leverage: int

    @exactly
    def plus(self, other: "Position") -> "Position":
        """Return the two as one: the average price follows."""
        return Position(
            self.shares + other.shares,
            self.invested + other.invested,
            self.exact_cost + other.exact_cost,
            self.leverage,
        )

    @exactly
    def minus(self, part: "Position") -> "Position":
        return Position(
            self.shares - part.shares,
            self.invested - part.invested,
            self.exact_cost - part.exact_cost,
            self.leverage,
        )


@exactly
def bought(shares: Decimal, price: Decimal, leverage: int) -> Position:
    """Return a new position, paid at `shares * price`, rounded up to the cent."""
    exact_cost = (shares * price).quantize(EXACT)
    return Position(shares, exact_cost.quantize(CENT, ROUND_CEILING), exact_cost, leverage)


@exactly
def worth(position: Position, price: Decimal) -> Decimal:
    """Return credits, not rounded; below zero where the move has eaten more than was invested."""
    return position.invested + position.leverage * (position.shares * price - position.exact_cost)


@exactly
def value(position: Position, price: Decimal) -> Decimal:
    """Return the credits that the position can be sold for."""
    return max(NOTHING, worth(position, price)).quantize(CENT, ROUND_FLOOR)


@exactly
def part_of(position: Position, shares: Decimal) -> Position:
    """Return what selling so many of its shares takes away; of all of them, all.

    Rounded so that the rest, whatever the price, is worth no more than its share: of the invested up, of the cost down.
    """
    invested = (position.invested * shares / position.shares).quantize(CENT, ROUND_CEILING)
    exact_cost = (position.exact_cost * shares / position.shares).quantize(EXACT, ROUND_FLOOR)
    return Position(shares, invested, exact_cost, position.leverage)


@exactly
def proceeds(position: Position, shares: Decimal, price: Decimal) -> Decimal:
    """Return the credits that so many of its shares bring: their share of what the whole is worth, rounded down."""
    return (max(NOTHING, worth(position, price)) * shares / position.shares).quantize(CENT, ROUND_FLOOR)


@exactly
def average_price(position: Position) -> Decimal:
    """Return the average price as it is shown, to 8 decimals."""
    return (position.exact_cost / position.shares).quantize(SHARE)


@exactly
def percent(change: Decimal, of: Decimal) -> Decimal:
    """Return the change in percent as it is shown, to 2 decimals; 0 of nothing."""
    return (100 * change / of).quantize(CENT) if of else NOTHING
