"""A market's state, how it reads, and what happens to it. Commands that change it from outside are in `models`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .books import ONE, ZERO, BookOverrides, Ladder, Top, complement, generate, natural_spread
from .formats import plain

if TYPE_CHECKING:
    from .models import Event

Outcome = Literal["this", "that", "50-50"]
ClobOutcome = Literal["this", "that", "50-50", "pending"]
TradeSide = Literal["BUY", "SELL"]
Listed = Literal["outcomes", "prices", "tokens"]
HALF = Decimal("0.5")
FINAL_PRICES: dict[str, tuple[Decimal, Decimal]] = {"this": (ONE, ZERO), "that": (ZERO, ONE), "50-50": (HALF, HALF)}
GRIDS = (100, 1000, 10000)


class Clock:
    """The simulated time of a world, its one lock, the age of its sort orders, and who keeps its ids.

    `register` is called with a market that has new ids, `stirred` with one whose book may have changed. `pictures`:
    the address under which the simulator serves pictures of its own; empty for addresses of upstream's.
    """

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.lock = RLock()
        self.ordering = 0
        self.pictures = ""
        self.register: Callable[[Any], None] = lambda _market: None
        self.stirred: Callable[[Any], None] = lambda _market: None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept in a file: no lock, and no caller."""
        return {"now": self.now, "ordering": self.ordering}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["now"])  # type: ignore[misc]
        self.ordering = state["ordering"]


class Tag(NamedTuple):
    """A tag of events. `slug` may hold capitals."""

    number: int
    label: str
    slug: str


class Trade(NamedTuple):
    """The last trade of a token: the price, and what the taker did."""

    price: str
    side: TradeSide

    def mirrored(self) -> Trade:
        return Trade(complement(self.price), "BUY" if self.side == "SELL" else "SELL")


Trades = tuple[Trade | None, Trade | None]


@dataclass(slots=True, eq=False, kw_only=True)
class MarketState:
    """One market. `level` is the middle of the book in half ticks, `grid` the ticks in 1; Gamma shows `gamma_level`.

    `turn` counts how often its book was drawn anew, `revision` rises with every change of the book. Of `tokens` and
    `outcomes`, index 0 is THIS, whatever order Gamma lists them in (`reordered`).

    A market that got a command is `scripted`: ticks no longer change its state, nor a price that was set.
    """

    clock: Clock
    event: Event
    number: int
    question: str
    slug: str
    condition_id: str
    question_id: str
    outcomes: tuple[str, ...]
    tokens: tuple[str, ...]
    position: int
    created_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    volume: float
    volume24hr: float
    liquidity: float
    grid: int
    level: int
    group_title: str | None = None
    sports_type: str | None = None
    line: float | None = None
    request_id: str = ""
    has_image: bool = True
    has_icon: bool = True
    real_arrays: bool = False
    gamma_level: int = 0
    gamma_spread: int = 0
    turn: int = 0
    revision: int = 0
    book: BookOverrides = field(default_factory=BookOverrides)
    books_refused: bool = False
    ladders: tuple[Ladder, Ladder] | None = None
    trades: Trades | None = None
    priced: bool = True
    active: bool = True
    archived: bool = False
    deleted: bool = False
    description: str | None = None
    reordered: frozenset[Listed] = frozenset()
    poison_gamma: dict[str, Any] = field(default_factory=dict)
    poison_clob: dict[str, Any] = field(default_factory=dict)
    closed: bool = False
    placeholder: bool = False
    accepting: bool | None = True
    closed_at: datetime | None = None
    uma_status: str | None = None
    uma_history: list[str] = field(default_factory=list)
    final: tuple[Decimal, ...] | None = None
    proposed_outcome: Outcome | None = None
    clob_outcome: ClobOutcome = "pending"
    clob_says_50_50: bool = False
    resolved_by_oracle: bool = False
    scripted: bool = False
    price_held: bool = False
    updated_at: datetime | None = None
    json: bytes | None = None

    # Reading

    @property
    def id(self) -> str:
        """The numeric id, as the text Gamma gives."""
        return str(self.number)

    @property
    def tick(self) -> Decimal:
        return ONE / self.grid

    @property
    def price(self) -> Decimal:
        """The live price of index 0, as the CLOB gives it: the middle of its book."""
        if not self.book.set_prices:
            return self._at(self.level)
        middle = self.top.middle
        return self._at(self.level) if middle is None else middle

    @property
    def gamma_price(self) -> Decimal:
        """The price of index 0 that Gamma shows: one tick old, unless the market is decided or its book was set."""
        if self.final:
            return self.final[0]
        return self.price if self.book.set_prices else self._at(self.gamma_level)

    @property
    def spread(self) -> int:
        """The width of the generated book in ticks; odd where the middle lies between two ticks, so both sides fit."""
        widest = min(self.level, 2 * self.grid - self.level)
        if self.book.spread is not None:
            return min(self.book.spread + (self.level - self.book.spread) % 2, widest)
        if self.price_held:
            return 1 if self.level % 2 else 2
        return natural_spread(self._draw, self.level, widest)

    @property
    def top(self) -> Top:
        """The best prices of THIS."""
        return self.ladder(self.tokens[0]).top if self.book.set_prices else self._top(self.level, self.spread)

    @property
    def gamma_top(self) -> Top:
        """The best prices of THIS that Gamma shows: one tick old, unless a command set the book."""
        return self.top if self.book.set_prices else self._top(self.gamma_level, self.gamma_spread or self.spread)

    def token_top(self, token: str) -> Top:
        """The best prices of one token."""
        if self.book.set_prices:
            return self.ladder(token).top
        return self.top if token == self.tokens[0] else self.top.mirrored()

    def ladder(self, token: str) -> Ladder:
        """The book of one token."""
        if self.ladders is None:
            self.ladders = self.book.applied(generate(self._draw, self.level, self.spread, self.grid))
        return self.ladders[0 if token == self.tokens[0] else 1]

    def last_trade(self, token: str, top: Top | None = None) -> Trade | None:
        """The last trade of one token, or None: as set, else a sale to the best bid of `top` or of the book of THIS."""
        index = 0 if token == self.tokens[0] else 1
        if self.trades is not None:
            return self.trades[index]
        bid = (top or self.top).bid
        trade = None if bid is None else Trade(plain(bid), "SELL")
        return trade.mirrored() if trade and index else trade

    @property
    def has_book(self) -> bool:
        there = self.active and not self.is_deleted
        return there and self.priced and not self.closed and len(self.outcomes) == 2  # noqa: PLR2004 - binary

    @property
    def is_deleted(self) -> bool:
        return self.deleted or self.event.deleted

    @property
    def is_good(self) -> bool:
        """Return whether an ingester should take it: open, binary, with an id, prices, and a picture somewhere."""
        pictured = self.has_image or self.has_icon or self.event.has_picture
        return self.has_book and bool(self.condition_id) and pictured

    def gamma_prices(self) -> list[str] | None:
        """The prices in Gamma's words, or None where the key is missing."""
        if self.final is not None:
            prices = [plain(price) for price in self.final]
        elif not self.priced:
            return None
        else:
            first, others = self.gamma_price, len(self.outcomes) - 1
            rest = ONE - first if others == 1 else round((ONE - first) / others, 4)
            prices = [plain(first), *([plain(rest)] * others)]
        return prices[::-1] if "prices" in self.reordered else prices

    @property
    def _draw(self) -> str:
        return f"{self.question_id}:{self.turn}"

    def _top(self, level: int, spread: int) -> Top:
        bid, ask = self._at(level - spread), self._at(level + spread)
        return Top(bid if bid > ZERO else None, ask if ask < ONE else None)

    def _at(self, level: int) -> Decimal:
        return Decimal(level) / (2 * self.grid)

    # What happens, without marking the market as scripted

    def walk(self, step: int) -> None:
        """Move the live price by half ticks, within the book's bounds, and draw its book anew."""
        if not self.price_held and not self.book.set_prices:
            level = self.level + step
            if self.book.spread is not None:
                level -= (level - self.book.spread) % 2
            self.level = min(max(level, 1), 2 * self.grid - 1)
        self.turn += 1
        self.stir()

    def stir(self) -> None:
        """The book changed."""
        self.ladders = None
        self.revision += 1
        self.clock.stirred(self)

    def touch(self) -> None:
        """Something visible changed."""
        self.stir()
        self.show()

    def show(self) -> None:
        """Gamma shows something else."""
        self.json = None
        self.updated_at = self.clock.now
        self.event.touch()

    def become(self, name: str) -> None:
        if self.group_title:
            # A name inside the sentence, never the same letters inside a longer word.
            self.question = re.sub(rf"(?<!\w){re.escape(self.group_title)}(?!\w)", lambda _: name, self.question)
        self.group_title, self.placeholder, self.active, self.priced = name, False, True, True
        self.touch()

    def shut(self, *, accepting: bool) -> None:
        if not self.closed:
            self.closed, self.closed_at = True, self.clock.now
        if self.accepting is not None:
            self.accepting = accepting
        self.touch()

    def oracle_says(self, status: str, outcome: Outcome | None) -> None:
        self.uma_status, self.proposed_outcome = status, outcome
        self.uma_history.append(status)
        self.touch()

    def decide(self, outcome: Outcome, *, accepting: bool = False, fifty_flag: bool = True) -> None:
        self.shut(accepting=accepting)
        if not self.uma_history:
            self.uma_history.append("proposed")
        self.uma_status, self.proposed_outcome, self.clob_outcome = "resolved", outcome, outcome
        self.final = FINAL_PRICES[outcome]
        self.clob_says_50_50 = fifty_flag and outcome == "50-50"
        self.resolved_by_oracle = True

    def script(self, *, holds_price: bool = False) -> None:
        """A command changed it: ticks leave its state alone, and its price if that is held."""
        self.scripted = True
        self.price_held = self.price_held or holds_price
        self.touch()
