"""Plans of bettors, carried out in simulated time at the prices of the service's own code; and what came of them.

Nothing is computed here that the service computes: books are parsed, merged and priced by `markets.fills`, orders
are filled, sold and paid by `betting.pricing` and `betting.services`. Only waiting is simulated.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from math import sqrt
from random import Random

from betting.errors import MarketNotAccepting, OddsMoved
from betting.orders import Order
from betting.pricing import Price, position_value, potential_payout
from markets import rules
from markets.errors import MarketIlliquid
from markets.fills import FillPrices, fill_prices
from tests.simulation.arbitrage.upstream import TOKENS, Book, Life, as_sent

# A piece of an order that is added to the upstream's book: is it a bid, its price, its shares.
Dust = tuple[bool, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A bet that somebody sends at a time, with the highest odds to pay, and when it is sold; unsold it is settled.

    `dust` stands in the upstream's book when the bet is priced, `sale_dust` when the sale is.
    """

    at: float
    side: str
    amount: Decimal = Decimal(100)
    max_odds: Decimal | None = None
    sell_at: float | None = None
    sale_parts: int = 1
    dust: Dust | None = None
    sale_dust: Dust | None = None


@dataclass(slots=True)
class Priced:
    """The odds at which something filled, the books that gave them, and the credits that it brings."""

    odds: Decimal
    books: tuple[Book | None, Book | None]
    part: Decimal
    credits: Decimal


@dataclass(slots=True)
class Trade:
    """What became of a plan. `paid`: by settlement, for what wasn't sold. `expected`: what that was worth when bet."""

    life: Life
    plan: Plan
    bet: Priced
    sales: list[Priced] = field(default_factory=list)
    paid: Decimal = Decimal(0)
    expected: float = 0.0

    @property
    def unsold(self) -> Decimal:
        return self.plan.amount - sum(sale.part for sale in self.sales)

    @property
    def brought(self) -> Decimal:
        return sum((sale.credits for sale in self.sales), Decimal(0))


@lru_cache(50_000)
def priced(this: Book | None, that: Book | None, depth: int) -> FillPrices:
    """The prices that the service makes of the two tokens' books."""
    found = {token: as_sent(book, token) for token, book in zip(TOKENS, (this, that), strict=True) if book}
    return fill_prices(found, TOKENS)


class Exchange:
    """Fills plans as the service does: at a book requested after the order arrived, and after the bet delay."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)

    def fill(self, life: Life, plans: Iterable[Plan]) -> Iterator[Trade]:
        """Carry plans out; those that are refused come to nothing."""
        for plan in plans:
            trade = self._bet(life, plan)
            if trade:
                self._sell(trade)
                self._settle(trade)
                yield trade

    def prices(self, life: Life, time: float, dust: Dust | None) -> tuple[FillPrices, tuple[Book | None, Book | None]]:
        """The prices of an order that arrives at a time, and the books that they come from."""
        read_at = time + rules.BET_DELAY + rules.FILL_COLLECT_SECONDS + self.random.uniform(0.02, 0.12)
        books = life.books_sent(read_at, lag=self.random.choice((0, 0, 0, 0.03)))
        books = with_dust(books[0], dust), with_dust(books[1], dust)
        return priced(*books, rules.PRICE_DEPTH), books

    def _bet(self, life: Life, plan: Plan) -> Trade | None:
        arrived_at = plan.at + self.random.uniform(0.005, 0.05)
        order = Order(market="", side=plan.side, amount=plan.amount, min_odds=None, max_odds=plan.max_odds)
        fills, books = self.prices(life, arrived_at, plan.dust)
        try:
            odds = Price(fills, None).to_buy(plan.side)
            order.ensure_within_bounds(odds)
        except (MarketIlliquid, MarketNotAccepting, OddsMoved):
            return None
        payout = potential_payout(plan.amount, odds)
        filled_at = arrived_at + rules.BET_DELAY
        trade = Trade(life, plan, Priced(odds, books, plan.amount, payout))
        trade.expected = life.expected(filled_at, plan.side, payout=float(payout), stake=float(plan.amount))
        return trade

    def _sell(self, trade: Trade) -> None:
        """Sell in as many parts as planned, the last of them all that is left."""
        plan = trade.plan
        if plan.sell_at is None:
            return
        part = (plan.amount / plan.sale_parts).quantize(Decimal("0.01"))
        for number in range(plan.sale_parts):
            is_last = number == plan.sale_parts - 1
            sent_at = max(plan.sell_at, plan.at + rules.BET_DELAY + 0.2) + number * 0.05
            fills, books = self.prices(trade.life, sent_at + self.random.uniform(0.005, 0.05), plan.sale_dust)
            try:
                odds = Price(fills, None).to_sell(plan.side)
            except (MarketIlliquid, MarketNotAccepting):
                return
            sold = trade.unsold if is_last else part
            value = position_value(sold, current_odds=odds, odds_at_bet=trade.bet.odds)
            trade.sales.append(Priced(odds, books, sold, value))

    @staticmethod
    def _settle(trade: Trade) -> None:
        unsold, outcome = trade.unsold, trade.life.outcome
        if not unsold:
            return
        if outcome == "invalid":
            trade.paid = unsold
        elif outcome == trade.plan.side:
            trade.paid = potential_payout(unsold, trade.bet.odds)


def with_dust(book: Book | None, dust: Dust | None) -> Book | None:
    """The book with dust in it, if that is inside the spread: elsewhere it would be taken, or change nothing."""
    if not book or not dust:
        return book
    is_bid, price, shares = dust
    if not book.bid < price < book.ask:
        return book
    return book.with_order(is_bid=is_bid, price=price, shares=shares)


# -- Figures


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean profit in % of stake, and its standard error. `expected` takes what wasn't sold at its probability."""

    trades: int
    mean: float
    error: float
    expected: float
    expected_error: float

    @property
    def earns(self) -> bool:
        """Whether either mean is above 0 by more than two standard errors."""
        return self.mean > 2 * self.error or self.expected > 2 * self.expected_error

    def __str__(self) -> str:
        return (
            f"{self.trades:>7,} trades: {self.mean:+6.2f} % (s.e. {self.error:.2f}), "
            f"at probabilities {self.expected:+6.2f} % (s.e. {self.expected_error:.2f})"
        )


def figures(trades: Iterable[Trade]) -> Figures:
    """The figures of trades. Those of one market share its news and its end: the error is that of independent markets."""
    by_life: dict[int, list[float]] = {}
    count = 0
    for trade in trades:
        count += 1
        row = by_life.setdefault(trade.life.number, [0.0, 0.0, 0.0])
        stake, unsold = float(trade.plan.amount), float(trade.unsold)
        row[0] += stake
        row[1] += float(trade.brought + trade.paid) - stake
        row[2] += float(trade.brought) + trade.expected * unsold / stake - stake
    rows = list(by_life.values())
    return Figures(count, *ratio(rows, 1), *ratio(rows, 2))


def ratio(rows: list[list[float]], column: int) -> tuple[float, float]:
    """The sum of a column in % of all stakes, and the standard error of that ratio over the rows."""
    stakes = sum(row[0] for row in rows)
    if len(rows) < 2:
        return 0.0, 0.0
    mean = sum(row[column] for row in rows) / stakes
    squares = sum((row[column] - mean * row[0]) ** 2 for row in rows)
    return 100 * mean, 100 * sqrt(squares * len(rows) / (len(rows) - 1)) / stakes
