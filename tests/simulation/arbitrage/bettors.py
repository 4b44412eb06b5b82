"""Bettors: one honest, the others bots. Each sees the upstream's books as they are shown, and plans bets on a market.

A bot sees the price that the service shows (`shown`), and takes it where it thinks it is wrong: that is what a leak of
any pricing would be made of. What it thinks is the last middle of a tight book. Only the bot with foreknowledge sees
books before they are there.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random

from tests.simulation.arbitrage.exchange import Plan
from tests.simulation.arbitrage.upstream import TIGHT, UNIT, Book, Life

Bettor = Callable[[Life, Random], Iterator[Plan]]
# In thousandths: the widest spread at which the service takes bets.
WIDEST = 100


def later(life: Life, random: Random, time: float, shortest: float = 2, longest: float = 20) -> float | None:
    """When a bet is sold, where the book is narrow then; half of the bets are held to the end."""
    sell_at = time + random.uniform(shortest, longest)
    book = life.books.at(sell_at)
    return sell_at if random.random() < 0.5 and book and book.is_narrow else None


def is_cheap_to_trade(life: Life, time: float, side: str) -> bool:
    """Whether a bot that looks at the costs would trade: at a spread of at most two cents, and not at long odds."""
    book = life.books.at(time)
    if not book or not book.is_narrow or book.spread > TIGHT:
        return False
    return (book.bid if side == "this" else UNIT - book.ask) >= 250


def side_of(move: float) -> str:
    return "this" if move > 0 else "that"


def honest(life: Life, random: Random) -> Iterator[Plan]:
    """Bets at any time on either side."""
    for _ in range(28):
        at = random.uniform(0, life.ends_at)
        amount = Decimal(random.randint(1_000, 50_000)) / 100
        yield Plan(at=at, side=random.choice(("this", "that")), amount=amount, sell_at=later(life, random, at, 5, 60))


def moves(life: Life, least: float) -> Iterator[tuple[float, float, float]]:
    """When the middle of tight books moved, from where and to where."""
    yield from (change for change in life.tight.changes() if abs(change[2] - change[1]) >= least)


def watcher(life: Life, random: Random) -> Iterator[Plan]:
    """Sees every move of the upstream at once, and bets with it."""
    for at, before, after in moves(life, least=0.004):
        if is_cheap_to_trade(life, at, side_of(after - before)):
            yield Plan(at=at, side=side_of(after - before), sell_at=later(life, random, at))


def with_foreknowledge(life: Life, random: Random) -> Iterator[Plan]:
    """Sees a move a second before the upstream shows it; pays no more than it knows that the side is worth then."""
    for at, before, after in moves(life, least=0.005):
        worth = after if after > before else 1 - after
        most = Decimal(f"{worth:.4f}")
        for early in (1, 0.95):
            sell_at = later(life, random, at, 1, 10)
            yield Plan(at=at - early, side=side_of(after - before), max_odds=most, sell_at=sell_at)


def news_reader(life: Life, random: Random) -> Iterator[Plan]:
    """Knows what happens as it happens, while the upstream's book takes its time."""
    for at, before, after in life.probability.changes():
        worth = after if after > before else 1 - after
        if abs(after - before) >= 0.05 and 0 < after < 1:
            sell_at = later(life, random, at, 3, 10)
            yield Plan(at=at, side=side_of(after - before), max_odds=Decimal(f"{worth:.4f}"), sell_at=sell_at)


def dust_placer(life: Life, random: Random) -> Iterator[Plan]:
    """Places a share or three inside the spread, for a better price than the book's."""
    yield from inside_the_spread(life, random, shares=random.randint(1, 3))


def depth_placer(life: Life, random: Random) -> Iterator[Plan]:
    """Places as many shares as a price is made of: with money upstream, and at the risk that they are taken."""
    yield from inside_the_spread(life, random, shares=100)


def inside_the_spread(life: Life, random: Random, *, shares: int) -> Iterator[Plan]:
    """Whoever buys THIS wants it to be sold near the bid, and the other way round when selling it again."""
    for _ in range(55):
        at = random.uniform(0, life.ends_at)
        book = life.books.at(at)
        if book and book.spread > 2 * life.tick:
            cheap, dear = (False, book.bid + life.tick, shares), (True, book.ask - life.tick, shares)
            side = random.choice(("this", "that"))
            dust, sale_dust = (cheap, dear) if side == "this" else (dear, cheap)
            sell_at = later(life, random, at, 1, 3)
            yield Plan(at=at, side=side, dust=dust, sell_at=sell_at, sale_dust=sale_dust)


def wide_picker(life: Life, random: Random) -> Iterator[Plan]:
    """Waits for wide, thin and one-sided books, and bets on the side that they make cheaper."""
    yield from picks(life, random, narrowest=2 * TIGHT)


def leftovers_picker(life: Life, random: Random) -> Iterator[Plan]:
    """Takes what is too cheap in books that are wider than the service allows."""
    yield from (plan for plan in picks(life, random, narrowest=WIDEST, least=0))


def leftovers_seller(life: Life, random: Random) -> Iterator[Plan]:
    """Bets in tight books, and sells where somebody left a bid that is too dear; else holds to the end."""
    for _ in range(60):
        at, side = random.uniform(0, life.ends_at), random.choice(("this", "that"))
        if is_cheap_to_trade(life, at, side):
            chances = (time for time, dear in dear_bids(life) if time > at and dear == side)
            yield Plan(at=at, side=side, sell_at=next(chances, None))


def dear_bids(life: Life) -> Iterator[tuple[float, str]]:
    """When a book wider than the service allows pays more for a side than it seems to be worth, and for which."""
    for time, book in zip(life.books.times, life.books.values, strict=True):
        if book and book.spread > WIDEST:
            thought = life.tight.at(time)
            if book.bids and book.bid / UNIT > thought:
                yield time + 0.1, "this"
            if book.asks and book.ask / UNIT < thought:
                yield time + 0.1, "that"


def picks(life: Life, random: Random, *, narrowest: int, least: float = -1) -> Iterator[Plan]:
    """Bets on cheap sides in books wider than `narrowest`, where at least so much seems to be gained a share."""
    for time, book in zip(life.books.times, life.books.values, strict=True):
        if book and book.spread > narrowest:
            side, edge = cheap_side(book, life.tight.at(time))
            for _ in range(3 if edge > least else 0):
                at = time + random.uniform(0.05, 1)
                yield Plan(at=at, side=side, sell_at=later(life, random, at))


def cheap_side(book: Book, thought: float) -> tuple[str, float]:
    """The side that costs less than one thinks that it is worth, and by how much."""
    this, that = thought - book.ask / UNIT, book.bid / UNIT - thought
    return ("this", this) if this > that else ("that", that)


def close_racer(life: Life, random: Random) -> Iterator[Plan]:
    """Bets on the favourite in the last seconds, and on the winner as soon as the books show who won."""
    for _ in range(45):
        at = life.ends_at - random.uniform(0, 8)
        side = side_of(life.tight.at(at) - 0.5)
        if is_cheap_to_trade(life, at, side):
            yield Plan(at=at, side=side)
    shown_at, book = max(pair for pair in zip(life.books.times, life.books.values, strict=True) if pair[1])
    for _ in range(6):
        at = random.uniform(shown_at, life.closes_at + 5)
        yield Plan(at=at, side=side_of(book.middle - 0.5))


def splitter(life: Life, random: Random) -> Iterator[Plan]:
    """Splits an order into many small ones, and its sale into more."""
    for _ in range(4):
        at, side = random.uniform(0, life.ends_at - 5), random.choice(("this", "that"))
        sell_at = later(life, random, at)
        if not is_cheap_to_trade(life, at, side):
            continue
        for _ in range(16):
            at += random.uniform(0, 0.1)
            yield Plan(at=at, side=side, amount=Decimal(10), sell_at=sell_at, sale_parts=3)


def churner(life: Life, random: Random) -> Iterator[Plan]:
    """Sells each bet at once."""
    for _ in range(65):
        at = random.uniform(0, life.ends_at)
        side = random.choice(("this", "that"))
        if is_cheap_to_trade(life, at, side):
            yield Plan(at=at, side=side, sell_at=at + random.uniform(0.1, 1))


WITHOUT_FOREKNOWLEDGE: dict[str, Bettor] = {
    "honest": honest,
    "sees every move at once": watcher,
    "places dust": dust_placer,
    "picks wide books": wide_picker,
    "sells into wide books": leftovers_seller,
    "races the close": close_racer,
    "splits orders": splitter,
    "churns": churner,
}
