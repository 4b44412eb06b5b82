"""Commands that change a market's order books and its last trade."""

from collections.abc import Iterable
from decimal import Decimal

from .books import Ladder, Order, Side, as_text, read_orders
from .state import MarketState, Trade, TradeSide

Given = Iterable[Iterable[object]]


class BookCommands(MarketState):
    """Commands for the books. Gamma's best prices follow at once; ticks no longer end the market."""

    __slots__ = ()

    def set_book(
        self, bids: Given, asks: Given, that_bids: Given | None = None, that_asks: Given | None = None
    ) -> None:
        """Give THIS exactly these orders, (price, shares) with the best first; ticks then leave them alone.

        THAT mirrors them, but for a side that is given. Nothing is checked: books may be empty, one-sided, crossed, and
        any text may stand for a number. What isn't an order that one could trade with doesn't count for best prices.
        """
        this = Ladder(read_orders(bids), read_orders(asks))
        own_bids, own_asks = (None if given is None else read_orders(given) for given in (that_bids, that_asks))
        with self.clock.lock:
            self.book.clear_orders()
            self.book.this, self.book.that_bids, self.book.that_asks = this, own_bids, own_asks
            self.script()

    def set_spread(self, ticks: int) -> None:
        """Make the generated book so many ticks wide; its middle moves down half a tick where it must.

        A book or dust that was set goes. Ticks keep the spread, but near 0 and 1. A price that is set later may need
        one tick more. Raises ValueError where the book has no room.
        """
        with self.clock.lock:
            level = self.level - (self.level - ticks) % 2
            if not 0 < ticks <= min(level, 2 * self.grid - level):
                raise ValueError(f"a spread of {ticks} ticks has no room at {self.price}")
            self.book.clear_orders()
            self.book.spread, self.level = ticks, level
            self.gamma_level, self.gamma_spread = level, ticks
            self.script()

    def thin_book(self, shares: object) -> None:
        """Leave only so many shares on each side, the best first; 0 empties the book."""
        with self.clock.lock:
            self.book.shares = _amount(shares)
            self.script()

    def add_dust(self, side: Side, price: object, size: object = 1) -> None:
        """Put one order inside the spread of THIS, on `bid` or `ask`. Raises ValueError where it isn't inside."""
        if side not in {"bid", "ask"}:
            raise ValueError("a side is bid or ask")
        with self.clock.lock:
            top = self.top
            if not top.low < _amount(price) < top.high:
                raise ValueError(f"{price} is not between {top.low} and {top.high}")
            self.book.dust.append((side, Order(as_text(price), as_text(size))))
            self.script()

    def clear_book(self) -> None:
        """Go back to the generated book. A price that was set stays."""
        with self.clock.lock:
            self.book = type(self.book)()
            self.gamma_level, self.gamma_spread = self.level, self.spread
            self.script()

    def refuse_books(self, *, refused: bool = True) -> None:
        """Refuse each request for books, 400, that names one of its tokens."""
        with self.clock.lock:
            self.books_refused = refused
            self.script()

    def set_last_trade(
        self,
        price: object,
        side: TradeSide = "SELL",
        that_price: object = None,
        that_side: TradeSide | None = None,
    ) -> None:
        """Set the last trade of THIS, any text; None: never traded. That of THAT mirrors it, but for what is given."""
        if not {side, that_side} <= {"BUY", "SELL", None}:
            raise ValueError("a side is BUY or SELL")
        with self.clock.lock:
            this = None if price is None else Trade(as_text(price), side)
            that = this.mirrored() if this else None
            if that_price is not None:
                that = Trade(as_text(that_price), that_side or (that.side if that else "SELL"))
            self.trades = (this, that)
            self.script()


def _amount(value: object) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite() or number < 0:
        raise ValueError(f"{value} is no amount")
    return number
