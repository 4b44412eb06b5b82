"""Markets and events of the simulated upstream: their state, and the commands that change it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from threading import RLock
from typing import Literal, NamedTuple

from .formats import plain

Outcome = Literal["this", "that", "50-50"]
ClobOutcome = Literal["this", "that", "50-50", "pending"]
ZERO, ONE, HALF = Decimal(0), Decimal(1), Decimal("0.5")
FINAL_PRICES: dict[str, tuple[Decimal, Decimal]] = {"this": (ONE, ZERO), "that": (ZERO, ONE), "50-50": (HALF, HALF)}
GRIDS = (100, 1000, 10000)


class Clock:
    """The simulated time of a world, its one lock, and the age of its sort orders."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.lock = RLock()
        self.ordering = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Market:
    """One market. `level` is the middle of the book in half ticks, `grid` the ticks in 1; Gamma shows `gamma_level`.

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
    priced: bool = True
    active: bool = True
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
        """The live price of index 0, as the CLOB gives it."""
        return self._at(self.level)

    @property
    def gamma_price(self) -> Decimal:
        """The price of index 0 that Gamma shows: one tick old, unless the market is decided."""
        return self.final[0] if self.final else self._at(self.gamma_level)

    @property
    def spread(self) -> int:
        """The width of the book in ticks; odd where the middle lies between two ticks, so both sides fall on ticks."""
        return 1 if self.level % 2 else 2

    @property
    def has_book(self) -> bool:
        return self.active and self.priced and not self.closed and len(self.outcomes) == 2  # noqa: PLR2004 - binary

    @property
    def is_good(self) -> bool:
        """Whether an ingester should take it: open, binary, with an id, prices, and a picture or an event that has."""
        pictured = self.has_image or self.has_icon or self.event.has_picture
        return self.has_book and bool(self.condition_id) and pictured

    def gamma_prices(self) -> list[str] | None:
        """The prices in Gamma's words, or None where the key is missing."""
        if self.final is not None:
            return [plain(price) for price in self.final]
        if not self.priced:
            return None
        first, others = self.gamma_price, len(self.outcomes) - 1
        rest = ONE - first if others == 1 else round((ONE - first) / others, 4)
        return [plain(first), *([plain(rest)] * others)]

    def _at(self, level: int) -> Decimal:
        return Decimal(level) / (2 * self.grid)

    # Commands of a test or of the control endpoint

    def set_price(self, price: Decimal, *, gamma: bool = True) -> None:
        """Give index 0 the live price, between 0 and 1 exclusive, in steps of 0.00005; ticks then leave it alone.

        With `gamma=False` Gamma shows the old price until the next tick. Raises ValueError for any other price.
        """
        if not ZERO < price < ONE:
            raise ValueError(f"a price lies between 0 and 1, not at {price}")
        with self.clock.lock:
            grid = next((grid for grid in (self.grid, *GRIDS) if price * 2 * grid % 1 == 0), None)
            if grid is None:
                raise ValueError(f"{price} is finer than the finest tick")
            self.gamma_level = self.gamma_level * grid // self.grid
            self.grid, self.level, self.priced = grid, int(price * 2 * grid), True
            self.gamma_level = self.level if gamma else self.gamma_level
            self._script(holds_price=True)

    def set_volume(self, volume24hr: float) -> None:
        """Change the 24-hour volume in dollars, by which lists are ranked."""
        with self.clock.lock:
            self.volume24hr = volume24hr
            self.volume = max(self.volume, volume24hr)
            self.clock.ordering += 1
            self.touch()

    def drop_prices(self) -> None:
        """Make `outcomePrices`, `bestBid` and the book go away, as on a brand-new market."""
        with self.clock.lock:
            self.priced = False
            self._script(holds_price=True)

    def stop_accepting(self) -> None:
        with self.clock.lock:
            self.accepting = False
            self._script()

    def close(self) -> None:
        """Close it undecided: prices stay in between."""
        with self.clock.lock:
            self.shut(accepting=False)
            self._script()

    def propose(self, outcome: Outcome) -> None:
        """Propose an outcome; open stays open."""
        with self.clock.lock:
            self.oracle_says("proposed", outcome)
            self._script()

    def dispute(self) -> None:
        with self.clock.lock:
            self.oracle_says("disputed", self.proposed_outcome)
            self._script()

    def resolve(
        self,
        outcome: Outcome,
        *,
        clob: ClobOutcome | None = None,
        status: str | None = "resolved",
        fifty_flag: bool = True,
        accepting: bool = False,
    ) -> None:
        """Decide it for good.

        `clob` lets the second source say something else, or nothing yet (`pending`). `status=None` leaves
        `umaResolutionStatus` out. `fifty_flag=False` leaves the CLOB's `is_50_50_outcome` false on a true 50-50.
        `accepting=True` leaves `acceptingOrders` true on it.
        """
        with self.clock.lock:
            self.decide(outcome, accepting=accepting, fifty_flag=fifty_flag)
            self.uma_status = status
            self.clob_outcome = clob or outcome
            self.clob_says_50_50 = fifty_flag and self.clob_outcome == "50-50"
            self._script()

    def rename(self, name: str) -> None:
        """Give a placeholder its name, under the same id. Its slug stays, as upstream's does."""
        with self.clock.lock:
            self.become(name)
            self._script()

    # What happens, without marking the market as scripted

    def touch(self) -> None:
        """Something visible changed."""
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

    def _script(self, *, holds_price: bool = False) -> None:
        self.scripted = True
        self.price_held = self.price_held or holds_price
        self.touch()


class Tag(NamedTuple):
    """A tag of events. `slug` may hold capitals."""

    number: int
    label: str
    slug: str


@dataclass(slots=True, eq=False, kw_only=True)
class Event:
    """One event. Volumes and liquidity are the sums of its markets, in dollars."""

    clock: Clock
    number: int
    title: str
    slug: str
    rules: str
    tags: tuple[Tag, ...]
    created_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    neg_risk: bool = False
    neg_risk_id: str = ""
    fee_type: str | None = None
    series: str | None = None
    source: str = ""
    legacy_category: str | None = None
    game_at: datetime | None = None
    has_picture: bool = True
    markets: list[Market] = field(default_factory=list)
    updated_at: datetime | None = None
    brief_json: bytes | None = None
    tags_json: bytes | None = None

    @property
    def id(self) -> str:
        return str(self.number)

    @property
    def closed(self) -> bool:
        """Over once every market is; placeholders do not count."""
        return all(market.closed or market.placeholder for market in self.markets)

    @property
    def active(self) -> bool:
        return True

    @property
    def closed_at(self) -> datetime | None:
        return max((market.closed_at for market in self.markets if market.closed_at), default=None)

    @property
    def volume(self) -> float:
        return sum(market.volume for market in self.markets)

    @property
    def volume24hr(self) -> float:
        return sum(market.volume24hr for market in self.markets)

    @property
    def liquidity(self) -> float:
        return sum(market.liquidity for market in self.markets)

    def touch(self) -> None:
        self.brief_json = None
        self.updated_at = self.clock.now
