"""A seeded model of an upstream market, in simulated seconds: what is true, and the order books that are shown.

The probability of THIS is a martingale: each piece of news moves it as a Bayesian would, and the end reveals the
outcome. A market maker learns of news with a lag, and quotes around what is known: bid below it, ask above it, off its
middle by noise. Now and then the maker is away, and what others left behind is empty, one-sided, thin or wide, at
times with an order that is too cheap or too dear. Prices are thousandths, sizes shares; books begin with the best.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from math import ceil, floor
from random import Random
from typing import Any, NamedTuple

UNIT = 1_000
THIS, THAT = "1", "2"
TOKENS = (THIS, THAT)
# Of markets that end 50-50.
INVALID_SHARE = 0.01
# What a price is that can be relied on.
TIGHT = 20
# Bets that are held to the end are also valued at what is true so many seconds later, which foreknowledge is about.
HORIZON = 4.0
Level = tuple[int, int]


class Book(NamedTuple):
    """A book of THIS."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()

    @property
    def bid(self) -> int:
        return self.bids[0][0] if self.bids else 0

    @property
    def ask(self) -> int:
        return self.asks[0][0] if self.asks else UNIT

    @property
    def spread(self) -> int:
        return self.ask - self.bid

    @property
    def is_narrow(self) -> bool:
        return bool(self.bids and self.asks) and self.spread <= UNIT // 10

    @property
    def middle(self) -> float:
        """Half way between both sides; an empty one counts as 0 or 1."""
        return (self.bid + self.ask) / 2 / UNIT

    def with_order(self, *, is_bid: bool, price: int, shares: int) -> "Book":
        """The same with one more order, which is the best of its side."""
        level = ((price, shares),)
        return self._replace(bids=level + self.bids) if is_bid else self._replace(asks=level + self.asks)


@lru_cache(UNIT + 1)
def as_text(price: int) -> str:
    return str(Decimal(price) / UNIT)


def as_sent(book: Book, token: str) -> dict[str, Any]:
    """The book of a token as `POST /books` sends it: the best last; a bid on THIS is an ask on THAT."""
    bids, asks = book
    if token == THAT:
        bids, asks = (tuple((UNIT - price, shares) for price, shares in side) for side in (asks, bids))
    return {
        "asset_id": token,
        "bids": [{"price": as_text(price), "size": str(shares)} for price, shares in reversed(bids)],
        "asks": [{"price": as_text(price), "size": str(shares)} for price, shares in reversed(asks)],
    }


@dataclass(slots=True)
class Path:
    """What holds from each time on."""

    times: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, time: float, value: Any) -> None:
        self.times.append(time)
        self.values.append(value)

    def at(self, time: float) -> Any:
        return self.values[max(0, bisect_right(self.times, time) - 1)]

    def changes(self) -> Iterator[tuple[float, Any, Any]]:
        """Each time with the value before and the one from then on."""
        yield from zip(self.times[1:], self.values, self.values[1:], strict=False)


class Life:
    """A market from its opening to its end; every figure follows from seed and number.

    `probability` is of THIS, given that the market isn't decided 50-50; `books` holds a Book, or None once the upstream
    has closed, `tight` the middles of those that are at most TIGHT wide. `outcome` is known at `ends_at`, the maker learns it a little later, and the upstream closes at
    `closes_at`.
    """

    def __init__(self, seed: int, number: int) -> None:
        random = self.random = Random(f"{seed}/{number}")
        self.number = number
        self.tick = 1 if random.random() < 0.2 else 10
        self.ends_at = random.uniform(100, 140)
        self.probability, known = self._live()
        self.closes_at = known.times[-1] + random.uniform(1, 8)
        self.outcome = self._outcome()
        self.books = self._show(known)
        self.tight = Path()
        for time, book in zip(self.books.times, self.books.values, strict=True):
            if book and book.spread <= TIGHT:
                self.tight.add(time, book.middle)

    def _live(self) -> tuple[Path, Path]:
        """What is true, and what the maker knows of it, from each time on."""
        random, truth, known = self.random, Path(), Path()
        chance, time, heard = random.uniform(0.08, 0.92), 0.0, 0.0
        truth.add(time, chance)
        known.add(time, chance)
        while (time := time + random.expovariate(0.5)) < self.ends_at:
            is_news = random.random() < 0.06
            strength = random.uniform(0.1, 0.6) if is_news else random.uniform(0.01, 0.04)
            chance = learn(random, chance, strength)
            heard = max(heard, time + (random.uniform(0.2, 1.5) if is_news else random.uniform(0.02, 0.2)))
            truth.add(time, chance)
            known.add(heard, chance)
        truth.add(self.ends_at, learn(random, chance, 1))
        known.add(max(heard, self.ends_at + random.uniform(0.2, 1.5)), truth.values[-1])
        return truth, known

    def _outcome(self) -> str:
        if self.random.random() < INVALID_SHARE:
            return "invalid"
        return "this" if self.probability.values[-1] > 0.5 else "that"

    def _show(self, known: Path) -> Path:
        """The books: the maker's, drawn anew whenever it learns something and in between; while it is away, what others left."""
        random, books = self.random, Path()
        learned_at = known.times[-1]
        absences = [(start := random.uniform(0, self.ends_at), start + random.uniform(3, 12)) for _ in range(3)]
        quoted_at = {*known.times, *(random.uniform(0, self.ends_at) for _ in range(40)), *(end for _, end in absences)}
        left_at = {start for start, _ in absences}
        for time in sorted(quoted_at | left_at):
            is_away = any(start <= time < end for start, end in absences)
            if time <= learned_at and (time in left_at or not is_away):
                fair = known.at(time)
                worth = self._worth(fair) if time < learned_at else self._final(fair)
                books.add(time, (leftovers if is_away else quotes)(random, worth, self.tick))
        books.add(self.closes_at, None)
        return books

    @staticmethod
    def _worth(chance: float) -> float:
        """What a share of THIS is worth upstream, where a 50-50 market pays a half."""
        return (1 - INVALID_SHARE) * chance + INVALID_SHARE / 2

    def _final(self, chance: float) -> float:
        return 0.5 if self.outcome == "invalid" else chance

    def books_sent(self, time: float, lag: float = 0) -> tuple[Book | None, Book | None]:
        """The book that each token's is made of; that of THAT is `lag` older."""
        return self.books.at(time), self.books.at(time - lag)

    def expected(self, filled_at: float, side: str, *, payout: float, stake: float) -> float:
        """What a bet is worth HORIZON later: its payout at its probability, or its stake back."""
        if filled_at >= self.ends_at and self.outcome == "invalid":
            return stake
        time = filled_at if filled_at >= self.ends_at else min(filled_at + HORIZON, self.ends_at - 0.001)
        chance = self.probability.at(time)
        won = payout * (chance if side == "this" else 1 - chance)
        return won if filled_at >= self.ends_at else (1 - INVALID_SHARE) * won + INVALID_SHARE * stake


def learn(random: Random, chance: float, strength: float) -> float:
    """The probability after news that is true with this strength, and worth nothing otherwise. A martingale."""
    return chance + strength * (1 - chance) if random.random() < chance else chance - strength * chance


def quotes(random: Random, worth: float, tick: int) -> Book:
    """The maker's book: mostly a few ticks wide, now and then wider, its middle off by what keeps a profit."""
    half = random.choice((0.002, 0.004, 0.005, 0.005, 0.005, 0.01, 0.01, 0.03))
    middle = worth + half * random.uniform(-0.9, 0.9)
    bid = floor((middle - half) * UNIT / tick + 1e-9) * tick
    ask = max(ceil((middle + half) * UNIT / tick - 1e-9) * tick, bid + tick)
    return Book(levels(random, bid, -tick), levels(random, ask, tick))


def levels(random: Random, best: int, step: int) -> tuple[Level, ...]:
    """Three orders outwards, of which the first is often small."""
    first = random.choice((40, 120, 300, 300))
    sizes = (first, 150, 900)
    return tuple((best + place * step, size) for place, size in enumerate(sizes) if 0 < best + place * step < UNIT)


def leftovers(random: Random, worth: float, tick: int) -> Book:
    """What stands while nobody quotes. An order that is too cheap or too dear lasts where the other side is far away."""
    kind = random.choice(("empty", "bids", "asks", "thin", "wide", "cheap", "dear"))
    near, far = random.uniform(0.02, 0.08), random.uniform(0.15, 0.45)
    bid = {"cheap": worth - far, "dear": worth + near, "thin": worth - near}.get(
        kind, worth - random.uniform(0.06, 0.4)
    )
    ask = {"cheap": worth - near, "dear": worth + far, "thin": worth + near}.get(
        kind, worth + random.uniform(0.06, 0.4)
    )
    size = 20 if kind == "thin" else 400
    bids, asks = (((round(price * UNIT / tick) * tick, size),) for price in (bid, ask))
    has_bids, has_asks = kind not in ("empty", "asks"), kind not in ("empty", "bids")
    return Book(
        bids if has_bids and 0 < bids[0][0] < UNIT else (),
        asks if has_asks and 0 < asks[0][0] < UNIT else (),
    )
