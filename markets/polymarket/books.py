"""Order books of the CLOB: an upstream book in, the prices of THIS at which one can buy and sell out. Pure: no I/O.

Shapes: Polymarket API reference, CLOB, `POST /books`. Best prices are found whatever the order of the lists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple

from markets.polymarket import values

STEP: Final = Decimal("0.0001")
ONE: Final = Decimal(1)
ZERO: Final = Decimal(0)
# More shares than all of Polymarket has ever traded on one market: such a size is nonsense.
SIZE_MAX: Final = Decimal(10) ** 12
LEVELS_MAX: Final = 10_000

Tokens = tuple[str, str]
SentBooks = Mapping[str, Mapping[str, Any]]  # by token id, as `client.books` returns them


class Level(NamedTuple):
    """Orders at one price, between 0 and 1 exclusive; `size` in shares."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """An order book of THIS. Bids and asks begin with the best; the best bid is below the best ask."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookPrices(NamedTuple):
    """Odds of THIS that the first shares of a book give, 4 decimals, rounded against whoever trades here.

    `bid`, `ask`: volume-weighted prices of the first `depth` shares; None where there are fewer. `sale_bid`,
    `sale_ask`: the same with the missing shares counted at 0 and at 1, so that there is a price for a sale however thin
    the book is: of THIS at `sale_bid`, of THAT at `1 - sale_ask`.
    """

    bid: Decimal | None
    ask: Decimal | None
    sale_bid: Decimal
    sale_ask: Decimal


@dataclass(frozen=True, slots=True)
class ShownPrices:
    """What is shown of a market whose book was read, of THIS, 4 decimals: for looking at, never for credits.

    `bid`, `ask`: as in BookPrices. `odds`: half way between them, where the spread is narrow enough to mean something,
    else the price of the last trade; None where there was none, so that the odds known otherwise stay.
    """

    odds: Decimal | None
    bid: Decimal | None
    ask: Decimal | None


def spread_of(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    """Return the spread; None where one of the two isn't known."""
    return None if bid is None or ask is None else ask - bid


def is_narrow(bid: Decimal | None, ask: Decimal | None, *, max_spread: Decimal) -> bool:
    """Return whether both are known and no further apart than `max_spread`; otherwise the market is illiquid."""
    spread = spread_of(bid, ask)
    return spread is not None and spread <= max_spread


def parse_book(sent: object) -> Book | None:
    """Return one token's book as it was sent; None where it is no book: crossed, or with a nonsensical level."""
    book = values.as_mapping(sent)
    sides = [parse_levels(book.get("bids")), parse_levels(book.get("asks"))]
    if None in sides:
        return None
    bids, asks = (side or {} for side in sides)
    return make_book(bids, asks)


def parse_levels(sent: object) -> dict[Decimal, Decimal] | None:
    """Return sizes by price. None for what isn't a list of levels, each with a price and a size that make sense."""
    if not isinstance(sent, list) or len(sent) > LEVELS_MAX:
        return None
    found: dict[Decimal, Decimal] = {}
    for level in sent:
        stated = values.as_mapping(level)
        price, size = values.as_decimal(stated.get("price")), values.as_decimal(stated.get("size"))
        if price is None or size is None or not ZERO < price < ONE or not ZERO <= size <= SIZE_MAX:
            return None
        if size:
            found[price] = found.get(price, ZERO) + size
    return found


def make_book(bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]) -> Book | None:
    """Return the book of these sizes by price; None for a crossed or locked one."""
    if bids and asks and max(bids) >= min(asks):
        return None
    return Book(
        bids=tuple(Level(price, bids[price]) for price in sorted(bids, reverse=True)),
        asks=tuple(Level(price, asks[price]) for price in sorted(asks)),
    )


def merge_books(this: Book | None, that: Book | None) -> Book | None:
    """Return the book of THIS from those of both tokens: a bid on THAT at p is an ask on THIS at 1 - p.

    Upstream mostly shows each order in both books, so of two sizes at one price the larger counts, never the sum.
    None where neither is a book, or where together they are crossed.
    """
    if this is None or that is None:
        return this or (mirrored(that) if that else None)
    other = mirrored(that)
    return make_book(larger_sizes(this.bids, other.bids), larger_sizes(this.asks, other.asks))


def mirrored(book: Book) -> Book:
    """Return the book of the other token that shows the same orders."""
    return Book(
        bids=tuple(Level(ONE - price, size) for price, size in book.asks),
        asks=tuple(Level(ONE - price, size) for price, size in book.bids),
    )


def mirrored_price(price: Decimal | None) -> Decimal | None:
    """Return what a price of one token is on the other."""
    return None if price is None else ONE - price


def larger_sizes(first: Iterable[Level], second: Iterable[Level]) -> dict[Decimal, Decimal]:
    sizes = dict(first)
    for price, size in second:
        sizes[price] = max(size, sizes.get(price, ZERO))
    return sizes


def prices_of(book: Book, *, depth: int) -> BookPrices:
    """Return the prices of the first `depth` shares of each side."""
    bid_value, bid_shares = take_shares(book.bids, depth)
    ask_value, ask_shares = take_shares(book.asks, depth)
    sale_bid = round_down(bid_value / depth)
    sale_ask = round_up((ask_value + depth - ask_shares) / depth)
    return BookPrices(
        bid=sale_bid if bid_shares == depth else None,
        ask=sale_ask if ask_shares == depth else None,
        sale_bid=sale_bid,
        sale_ask=sale_ask,
    )


def read_book(sent: SentBooks, tokens: Tokens) -> Book | None:
    """Return the market's merged book; None where neither token has one that makes sense."""
    this, that = (parse_book(sent[token]) if token in sent else None for token in tokens)
    return merge_books(this, that)


def shown_prices(sent: SentBooks, tokens: Tokens, *, depth: int, max_spread: Decimal) -> ShownPrices | None:
    """Return what is to be shown of the market; None where neither token has a book that makes sense."""
    return shown_prices_of(read_book(sent, tokens), trade=last_trade(sent, tokens), depth=depth, max_spread=max_spread)


def shown_prices_of(book: Book | None, *, trade: Decimal | None, depth: int, max_spread: Decimal) -> ShownPrices | None:
    """Return what is to be shown of a merged book; `trade` is the price of THIS in the last trade, if known."""
    if book is None:
        return None
    prices = prices_of(book, depth=depth)
    bid, ask = prices.bid, prices.ask
    if bid is None or ask is None or ask - bid > max_spread:
        return ShownPrices(odds=trade, bid=bid, ask=ask)
    return ShownPrices(odds=((bid + ask) / 2).quantize(STEP, rounding=ROUND_HALF_EVEN), bid=bid, ask=ask)


def last_trade(sent: SentBooks, tokens: Tokens) -> Decimal | None:
    """Return the price of THIS in the last trade, from its own book or else mirrored from THAT's; None without one."""
    this, that = (parse_trade(sent[token].get("last_trade_price")) if token in sent else None for token in tokens)
    return trade_of_this(this, that)


def trade_of_this(this: Decimal | None, that: Decimal | None) -> Decimal | None:
    """Return the price of THIS from the last trades of both tokens: its own counts before THAT's."""
    return mirrored_price(that) if this is None else this


def parse_trade(sent: object) -> Decimal | None:
    """Return the price that something was traded at, 4 decimals; None for what lies not between 0 and 1."""
    price = values.as_decimal(sent)
    if price is None or not ZERO < price < ONE:
        return None
    rounded = price.quantize(STEP, rounding=ROUND_HALF_EVEN)
    return rounded if ZERO < rounded < ONE else None


def take_shares(levels: Iterable[Level], depth: int) -> tuple[Decimal, Decimal]:
    """Return what the first `depth` shares are worth, and how many of them there are."""
    value, shares = ZERO, ZERO
    for price, size in levels:
        taken = min(size, depth - shares)
        value += taken * price
        shares += taken
        if shares == depth:
            break
    return value, shares


def round_down(price: Decimal) -> Decimal:
    return price.quantize(STEP, rounding=ROUND_FLOOR)


def round_up(price: Decimal) -> Decimal:
    return price.quantize(STEP, rounding=ROUND_CEILING)
