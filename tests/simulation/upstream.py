"""Polymarket's simulator: books that move, markets that end in every way, and lies."""

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from tests.simulation.actions import Action
from tests.simulation.model.bets import Market
from tests.simulation.model.prices import Book

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

UNIT = 1_000
RESULTS = {"this": "this", "that": "that", "invalid": "50-50"}


class Command(Action):
    """Something that happens to a market at Polymarket; the service isn't told."""

    def __init__(self, market: Market, text: str) -> None:
        super().__init__()
        self.reference, self.id, self.market, self.text = market.reference, market.id, market.number, text

    def run(self) -> Any:
        return None

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note(str(self))
        market = sim.world.markets[self.id]
        assert market.upstream
        self.do(sim.polymarket.world.find(self.reference), market)

    def do(self, there: Any, market: Market) -> None:
        raise NotImplementedError

    def __str__(self) -> str:
        return f"Polymarket: {self.text} m{self.market}"


class MoveBook(Command):
    def __init__(self, market: Market, book: Book) -> None:
        super().__init__(market, f"another book ({describe(book)}) of")
        self.book = book

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        set_book(there, self.book)
        market.upstream.book = self.book


def describe(book: Book) -> str:
    bid, ask = (f"{side[0][0]} x {side[0][1]}" if side else "nothing" for side in (book.bids, book.asks))
    return f"bid {bid}, ask {ask}"


def set_book(there: Any, book: Book) -> None:
    """Have Polymarket show this book, and a last trade that goes with it."""
    there.set_book(bids=book.bids, asks=book.asks)
    best = [side[0][0] for side in (book.bids, book.asks) if side]
    if best:
        there.set_last_trade(best[0])


class End(Command):
    """A result; `second`: what the order book's own record says of it."""

    def __init__(self, market: Market, result: str, second: str) -> None:
        super().__init__(market, f"decided {result}, the second source says {second}, of")
        self.result, self.second = result, second

    def do(self, there: Any, market: Market) -> None:
        up = market.upstream
        assert up
        there.resolve(RESULTS[self.result], clob=RESULTS.get(self.second, self.second))
        up.is_closed, up.accepting, up.book.is_known = True, False, False
        up.result, up.second, up.oracle = self.result, self.second, ""


class Dispute(Command):
    """A result that is proposed, and disputed, of a market that closes: it waits."""

    def __init__(self, market: Market) -> None:
        super().__init__(market, "closed and disputed:")

    def do(self, there: Any, market: Market) -> None:
        up = market.upstream
        assert up
        there.propose("this")
        there.dispute()
        there.close()
        up.oracle, up.is_closed, up.accepting, up.book.is_known = "disputed", True, False, False


class Close(Command):
    def __init__(self, market: Market) -> None:
        super().__init__(market, "closed without a result:")

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        there.close()
        market.upstream.is_closed, market.upstream.accepting, market.upstream.book.is_known = True, False, False


class Reopen(Command):
    def __init__(self, market: Market) -> None:
        super().__init__(market, "open again:")

    def do(self, there: Any, market: Market) -> None:
        up = market.upstream
        assert up
        there.reopen()
        up.is_closed, up.accepting, up.book.is_known, up.oracle = False, True, True, ""


class ChangeResult(Command):
    """Another result after the end: nothing may be paid for it."""

    def __init__(self, market: Market, result: str) -> None:
        super().__init__(market, f"another result, {result}, of")
        self.result = result

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        there.change_result(RESULTS[self.result])
        market.upstream.result = market.upstream.second = self.result


class Withdraw(Command):
    def __init__(self, market: Market) -> None:
        super().__init__(market, "archived:")

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        there.archive()
        market.upstream.problem = True


class Restore(Command):
    def __init__(self, market: Market) -> None:
        super().__init__(market, "no longer archived:")

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        there.unarchive()
        market.upstream.problem = False


class StopAccepting(Command):
    def __init__(self, market: Market) -> None:
        super().__init__(market, "no more orders:")

    def do(self, there: Any, market: Market) -> None:
        assert market.upstream
        there.stop_accepting()
        market.upstream.accepting = False


class Reorder(Command):
    """Outcomes, prices and tokens listed the other way round: the market is the same."""

    def __init__(self, market: Market) -> None:
        super().__init__(market, "all lists reversed:")

    def do(self, there: Any, market: Market) -> None:
        there.reorder()


class Tick(Action):
    """Time passes at Polymarket: other markets move and end, and new ones appear."""

    def run(self) -> Any:
        return None

    def conclude(self, sim: "Simulation", result: Any, *, raced: bool = False) -> None:
        sim.note("Polymarket: a tick")
        sim.polymarket.world.tick()

    def __str__(self) -> str:
        return "Polymarket: a tick"


class Lie(Action):
    """The next responses of Polymarket are errors, nonsense or none."""

    KINDS: ClassVar[tuple[tuple[str, dict[str, Any]], ...]] = (
        ("status", {"status": 500}),
        ("status", {"status": 404}),
        ("html", {}),
        ("broken_json", {}),
        ("wrong_shape", {}),
        ("reset", {}),
        ("malformed", {}),
    )

    def __init__(self, kind: int, then: Action) -> None:
        super().__init__()
        self.kind, self.options = self.KINDS[kind]
        self.then = then

    def __str__(self) -> str:
        return f"Polymarket lies ({self.kind} {self.options or ''})"


# -- Drawing


def draw_book(random: Random, market_number: int) -> Book:
    """Return a book whose middle stays in one half, so that no move looks like prices that swapped places."""
    low, high = (540, 930) if market_number % 2 else (70, 460)
    middle, kind = random.randint(low, high), random.random()
    step = random.choice((1, 10))
    spread = random.choice((1, 2, 2, 4)) * step if kind < 0.85 else random.randint(60, 140)
    bid = max(1, (middle - spread // 2) // step * step)
    ask = min(UNIT - 1, bid + spread)
    sides = [levels(random, bid, -step), levels(random, ask, step)]
    if kind > 0.95:
        sides[random.randrange(2)] = []
    elif kind > 0.92:
        sides = [[(price, min(size, Decimal(30))) for price, size in side[:2]] for side in sides]
    return Book(*sides)


def levels(random: Random, best: int, step: int) -> list[tuple[Decimal, Decimal]]:
    """Return four orders outwards, of which the first is often less than a price is made of."""
    sizes = (random.choice((7, 40, 99, 100, 101, 250)), random.choice((13, 60, 300)), 150, 900)
    places = [best + step * place for place in range(len(sizes))]
    return [
        (Decimal(place) / UNIT, Decimal(size)) for place, size in zip(places, sizes, strict=True) if 0 < place < UNIT
    ]


def draw_upstream(sim: "Simulation", random: Random) -> Action | None:
    if random.random() < 0.02:
        return Tick()
    mirrored = [market for market in sim.world.markets.values() if market.upstream]
    if not mirrored:
        return None
    market: Market = sim.pick(random, mirrored)
    up = market.upstream
    assert up
    if up.is_closed:
        return draw_after_the_end(random, market)
    if random.random() < 0.84:
        return MoveBook(market, draw_book(random, market.number))
    if up.problem:
        return Restore(market)
    # Before the first bet another order is another market: THIS is what was THAT.
    seldom: tuple[type[Command], ...] = (Withdraw, Reorder) if market.was_bet_on else ()
    kinds = (*seldom, StopAccepting, Close, Dispute, None, None, None)
    kind = random.choice(kinds)
    return kind(market) if kind else draw_end(random, market)


def draw_end(random: Random, market: Market) -> Action:
    result = random.choice(("this", "this", "that", "that", "invalid"))
    second = result if random.random() < 0.6 else random.choice(("pending", "this", "that"))
    return End(market, result, second)


def draw_after_the_end(random: Random, market: Market) -> Action:
    up = market.upstream
    assert up
    result = random.choice(("this", "that", "invalid"))
    if not up.result:
        return Reopen(market) if not up.oracle and random.random() < 0.5 else End(market, result, result)
    if up.result != up.second:
        return End(market, up.result, up.result)
    # Seldom: another result is a matter for staff.
    return (
        ChangeResult(market, result)
        if market.status in ("resolved", "cancelled")
        else End(market, up.result, up.second)
    )
