"""Traders with noisy beliefs on a market that prices itself: where its price ends, and what the house loses.

Each turn one of them hears something about the truth, and trades towards what that says: sells what it holds of the side
that it takes for too dear, else buys of the other with a part of its credits, but no further than it believes. The
market is `betting.lmsr` alone, so that 10,000 bets take seconds; `tests/betting/test_traders.py` also has some of
them bet over HTTP.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from math import exp, log
from random import Random

from betting.lmsr import BeyondLimit, Curve, first_curve

CENT, LEAST_BET = Decimal("0.01"), Decimal(10)
CREDITS = Decimal(1_000)
# How far what a trader hears is from the truth, as a standard deviation of log-odds; a part of the credits is bet.
NOISE, BOLDNESS = 0.6, 0.1


@dataclass(slots=True)
class Trader:
    """A trader's credits, and shares of THIS (True) and THAT (False)."""

    credits: Decimal = CREDITS
    shares: dict[bool, Decimal] = field(default_factory=lambda: {True: Decimal(0), False: Decimal(0)})


@dataclass(frozen=True, slots=True)
class Moment:
    """After a trade: the price of THIS, and what the house would have of it if THIS, or THAT, won now."""

    price: float
    if_this: Decimal
    if_that: Decimal


@dataclass(slots=True)
class Trading:
    """A market, and who trades on it. `bets`, `sales`: how many there were."""

    truth: float
    curve: Curve
    traders: list[Trader]
    random: Random
    collected: Decimal = Decimal(0)
    bets: int = 0
    sales: int = 0

    def price(self, *, is_this: bool = True) -> float:
        return float(self.curve.price(is_this=is_this))

    def hear(self) -> float:
        """Return what a trader takes the probability of THIS for."""
        return 1 / (1 + exp(-log(self.truth / (1 - self.truth)) - self.random.gauss(0, NOISE)))

    def turn(self) -> bool:
        """Let one of the traders act; return whether it did."""
        trader, belief = self.random.choice(self.traders), self.hear()
        is_this = belief > self.price()
        if trader.shares[not is_this] > 1:
            self.sell(trader, is_this=not is_this)
            return True
        return self.buy(trader, belief if is_this else 1 - belief, is_this=is_this)

    def sell(self, trader: Trader, *, is_this: bool) -> None:
        """Sell what the trader holds of the side."""
        shares = trader.shares[is_this]
        sold = self.curve.sell(shares, is_this=is_this)
        trader.shares[is_this] -= shares
        self.move(trader, -sold.credits, -shares, is_this=is_this)
        self.sales += 1

    def buy(self, trader: Trader, belief: float, *, is_this: bool) -> bool:
        """Buy of the side until it is as dear as believed, or with a part of the credits."""
        until_believed = float(self.curve.b) * log((1 - self.price(is_this=is_this)) / (1 - belief))
        amount = min(Decimal(until_believed), trader.credits * Decimal(BOLDNESS)).quantize(CENT, ROUND_DOWN)
        if amount < LEAST_BET:
            return False
        try:
            bought = self.curve.buy(amount, is_this=is_this)
        except BeyondLimit:
            return False
        trader.shares[is_this] += bought.shares
        self.move(trader, amount, bought.shares, is_this=is_this)
        self.bets += 1
        return True

    def move(self, trader: Trader, paid: Decimal, shares: Decimal, *, is_this: bool) -> None:
        trader.credits -= paid
        self.collected += paid
        self.curve = self.curve.with_shares(shares, is_this=is_this)

    def moment(self) -> Moment:
        return Moment(self.price(), self.collected - self.curve.q_this, self.collected - self.curve.q_that)


def trade(*, truth: float, traders: int, bets: int, subsidy: Decimal, start: Decimal, seed: int) -> Iterator[Moment]:
    """Yield the moments after each trade, until there were so many bets or nobody wants to trade."""
    curve = first_curve(odds=start, subsidy=subsidy)
    trading = Trading(truth, curve, [Trader() for _ in range(traders)], Random(seed))
    idle = 0
    while trading.bets < bets and idle < 100 * traders:
        idle = 0 if trading.turn() else idle + 1
        if not idle:
            yield trading.moment()
