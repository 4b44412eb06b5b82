"""Order books: what one looks like at a price, and what its readable orders say.

Sizes are shares, prices lie between 0 and 1. Lists of orders have the best first. A book of THIS is also one of THAT:
a bid at p is an ask at 1 - p.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

from .formats import plain

Side = Literal["bid", "ask"]
ZERO, ONE = Decimal(0), Decimal(1)
DEPTH = 12
# In 256ths: how often the spread of a generated book is one tick wider on each side, and how often it is wide.
_WIDER, _WIDE = 64, 12
_DUSTY = 20


def readable(text: str) -> Decimal | None:
    """The finite number in a text; None for anything else."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_text(value: object) -> str:
    """A number as a book writes it. Text stays as it is, however nonsensical."""
    return plain(value) if isinstance(value, Decimal) and value.is_finite() else str(value)


@lru_cache(20_000)
def complement(price: str) -> str:
    """The price of the other token. What isn't a price stays as it is."""
    number = readable(price)
    return price if number is None or not ZERO <= number <= ONE else plain(ONE - number)


class Order(NamedTuple):
    """All that is offered at one price."""

    price: str
    size: str

    @property
    def good_price(self) -> Decimal | None:
        """Its price, if one could trade with it."""
        price, size = readable(self.price), readable(self.size)
        good = price is not None and size is not None and ZERO < price < ONE and size > ZERO
        return price if good else None

    def mirrored(self) -> "Order":
        return Order(complement(self.price), self.size)


Orders = tuple[Order, ...]


def read_orders(given: Iterable[Iterable[object]]) -> Orders:
    """Orders of (price, size) pairs. Raises ValueError or TypeError for anything but pairs."""
    pairs = [tuple(pair) for pair in given]
    if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - a price and a size
        raise ValueError("an order is a price and a size")
    return tuple(Order(as_text(price), as_text(size)) for price, size in pairs)


class Top(NamedTuple):
    """The best prices of a book; None on a side without orders."""

    bid: Decimal | None
    ask: Decimal | None

    @property
    def middle(self) -> Decimal | None:
        """Half way between both, an empty side counting as 0 or 1; None where both are empty."""
        if self.bid is None and self.ask is None:
            return None
        return (self.low + self.high) / 2

    @property
    def low(self) -> Decimal:
        return ZERO if self.bid is None else self.bid

    @property
    def high(self) -> Decimal:
        return ONE if self.ask is None else self.ask

    @property
    def spread(self) -> Decimal:
        """Negative in a crossed book."""
        return self.high - self.low

    def mirrored(self) -> "Top":
        return Top(None if self.ask is None else ONE - self.ask, None if self.bid is None else ONE - self.bid)


class Ladder(NamedTuple):
    """Both sides of one token's book."""

    bids: Orders
    asks: Orders

    @property
    def top(self) -> Top:
        """The best prices one could trade at, wherever in the lists they stand."""
        bids, asks = (
            [price for order in side if (price := order.good_price) is not None] for side in (self.bids, self.asks)
        )
        return Top(max(bids, default=None), min(asks, default=None))

    def mirrored(self) -> "Ladder":
        return Ladder(tuple(order.mirrored() for order in self.asks), tuple(order.mirrored() for order in self.bids))

    def thinned(self, shares: Decimal) -> "Ladder":
        """At most so many shares on each side, the best first."""
        return Ladder(_first_shares(self.bids, shares), _first_shares(self.asks, shares))

    def with_order(self, side: Side, order: Order) -> "Ladder":
        """The same with one more order in front."""
        return self._replace(bids=(order, *self.bids)) if side == "bid" else self._replace(asks=(order, *self.asks))


def _first_shares(orders: Orders, shares: Decimal) -> Orders:
    kept: list[Order] = []
    for order in orders:
        size = readable(order.size)
        if shares <= ZERO:
            break
        if size is not None and size > ZERO:
            kept.append(order._replace(size=plain(min(size, shares))))
            shares -= size
    return tuple(kept)


@dataclass(slots=True, eq=False)
class BookOverrides:
    """What commands changed in a market's generated book. `that_bids` and `that_asks` don't mirror THIS."""

    this: Ladder | None = None
    that_bids: Orders | None = None
    that_asks: Orders | None = None
    dust: list[tuple[Side, Order]] = field(default_factory=list)
    shares: Decimal | None = None
    spread: int | None = None

    def clear_orders(self) -> None:
        """Drop every order that was given, but keep the spread and the number of shares."""
        self.this = self.that_bids = self.that_asks = None
        self.dust = []

    @property
    def set_prices(self) -> bool:
        """Return whether the best prices are other than the generated ones, so that ticks leave the price alone."""
        return self.this is not None or bool(self.dust) or self.shares == ZERO

    def applied(self, generated: Ladder) -> tuple[Ladder, Ladder]:
        """The books of THIS and of THAT."""
        this = self._thinned(self.this or generated)
        for side, order in self.dust:
            this = this.with_order(side, order)
        that = this.mirrored()
        own = self._thinned(Ladder(self.that_bids or (), self.that_asks or ()))
        if self.that_bids is not None:
            that = that._replace(bids=own.bids)
        if self.that_asks is not None:
            that = that._replace(asks=own.asks)
        return this, that

    def _thinned(self, ladder: Ladder) -> Ladder:
        return ladder if self.shares is None else ladder.thinned(self.shares)


def natural_spread(key: str, level: int, widest: int) -> int:
    """A spread in ticks, mostly 1 to 4: odd where `level`, in half ticks, is. `key` draws it."""
    draw, extra = blake2b(key.encode(), digest_size=2, person=b"spread").digest()
    narrow = 1 if level % 2 else 2
    wanted = narrow + 4 + extra % 4 * 2 if draw < _WIDE else narrow + 2 if draw < _WIDE + _WIDER else narrow
    # Near 0 and 1 a wide one would leave a side without orders.
    return wanted if wanted < widest else narrow


def generate(key: str, level: int, spread: int, grid: int) -> Ladder:
    """The book with its middle at `level` half ticks, a few hundred shares near it and more behind. `key` draws it."""
    draws = blake2b(key.encode(), digest_size=4 * DEPTH, person=b"orders").digest()
    bid = (level - spread) // 2
    return Ladder(
        _orders(draws[: 2 * DEPTH], bid, -1, grid),
        _orders(draws[2 * DEPTH :], bid + spread, 1, grid),
    )


def _orders(draws: bytes, place: int, step: int, grid: int) -> Orders:
    """Orders from `place` ticks outwards, without gaps near the middle."""
    orders: list[Order] = []
    for position in range(DEPTH):
        first, second = draws[2 * position], draws[2 * position + 1]
        if 0 < place < grid:
            orders.append(Order(_fraction(place, grid), _size(position, first, second)))
        place += step * (1 if position < DEPTH // 2 else 1 + second % 3)
    return tuple(orders)


def _size(position: int, first: int, second: int) -> str:
    """Shares of the order at `position`: growing outwards, often a round number, now and then next to nothing."""
    if first < _DUSTY:
        return _fraction(100 + second * 2, 100)
    shares = (position + 1) * (60 + first * 2)
    if second % 3 == 0:
        return str(max(50, shares // 50 * 50))
    return _fraction(shares * 100 + second, 100)


@lru_cache(20_000)
def _fraction(part: int, whole: int) -> str:
    """`part` in `whole`, a power of ten."""
    return plain(Decimal(part) / whole)
