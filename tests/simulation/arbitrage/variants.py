"""Pricings that the service must not have: each has a leak, which a bot has to find."""

from decimal import Decimal

from markets.fills import FillPrices
from tests.simulation.arbitrage.exchange import Dust, Exchange, with_dust
from tests.simulation.arbitrage.upstream import Book, Life

MAX_AGE = 15
Books = tuple[Book | None, Book | None]


def at_one_price(odds: Decimal) -> FillPrices:
    return FillPrices(bid=odds, ask=odds, sale_bid=odds, sale_ask=odds)


class FirstVersion(Exchange):
    """The upstream's midpoint, up to 15 seconds old, for buying and selling, whatever the book."""

    def prices(self, life: Life, time: float, dust: Dust | None) -> tuple[FillPrices, Books]:
        read_at = time - (time + life.number) % MAX_AGE
        shown = [book for book in (life.books.at(read_at), life.books.at(life.closes_at - 0.001)) if book]
        book = with_dust(shown[0], dust)
        assert book
        return at_one_price(Decimal(f"{book.middle:.4f}")), (book, book)


class WithoutSpread(Exchange):
    """The middle of what one buys and sells at, from the books of the moment."""

    def prices(self, life: Life, time: float, dust: Dust | None) -> tuple[FillPrices, Books]:
        fills, books = super().prices(life, time, dust)
        if fills.bid is None or fills.ask is None:
            return fills, books
        return at_one_price((fills.bid + fills.ask) / 2), books
