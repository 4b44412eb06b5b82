"""The simulated upstream: a function of its seed, its size, the ticks it lived and the commands it got.

It decides how and when markets end.
"""

from datetime import UTC, datetime, timedelta
from random import Random

from .builder import Builder, default_start
from .models import Event, Market
from .state import Clock, Outcome, Tag

MOVING_SHARE = 0.4
_DISPUTE, _SHUT_FIRST, _RESOLVE = 0.08, 0.3, 0.65
_DISPUTE_ENDS, _CLOSED_ENDS, _TIE, _FORGETS_FLAG = 0.15, 0.5, 0.06, 0.3
_LINGERS = 0.15


def move_prices(markets: list[Market], rng: Random) -> None:
    """Let Gamma catch up with the last tick, then walk some of the live prices, within the book's bounds."""
    for market in markets:
        step = rng.randint(-3, 3) if rng.random() < MOVING_SHARE else 0
        spread = market.spread
        if (market.level, spread) != (market.gamma_level, market.gamma_spread or spread):
            market.gamma_level = market.level
            if market.final is None:
                market.show()
        market.gamma_spread = spread
        if step and market.has_book:
            market.walk(step)


def price_newcomers(markets: list[Market]) -> None:
    """A market born without prices gets them on the next tick."""
    for market in markets:
        if not market.priced and not market.placeholder and not market.price_held:
            market.priced = True
            market.touch()


def begin_endings(markets: list[Market], rng: Random) -> None:
    """Have a few markets proposed: some whose time is up, and always at least one more."""
    waiting = [market for market in markets if market.has_book and market.uma_status is None and not market.scripted]
    now = waiting[0].clock.now if waiting else None
    due = [m for m in waiting if now and m.event.series and m.ends_at and m.ends_at <= now]
    chosen = rng.sample(waiting, min(len(waiting), max(1, len(waiting) // 2000)))
    for market in [*due, *chosen]:
        if market.uma_status is None:
            propose(market, rng)


def advance_endings(markets: list[Market], rng: Random) -> None:
    """Move every market on its way to a result one step on, or let it wait."""
    for market in markets:
        pending = market.proposed_outcome is not None and market.final is None
        if (pending or (market.closed and market.final is None)) and not market.scripted:
            _step(market, rng.random(), rng)


def name_placeholder(events: list[Event], builder: Builder, rng: Random) -> None:
    """Give one placeholder a name, under the id it has."""
    spare = [market for event in events for market in event.markets if market.placeholder and not market.scripted]
    if spare:
        rng.choice(spare).become(builder.name())


def propose(market: Market, rng: Random) -> None:
    if not market.event.neg_risk:
        market.oracle_says("proposed", _likely_outcome(market, rng))
        return
    rivals = [rival for rival in market.event.markets if rival.has_book and not rival.scripted]
    winner = rng.choices(rivals, [float(rival.price) for rival in rivals])[0]
    # One winner a pool, unless a script or an earlier result already has it.
    taken = any(rival.proposed_outcome == "this" for rival in market.event.markets)
    for rival in rivals:
        if rival.uma_status is None:
            rival.oracle_says("proposed", "this" if rival is winner and not taken else "that")


def _likely_outcome(market: Market, rng: Random) -> Outcome:
    if rng.random() < _TIE:
        return "50-50"
    return "this" if rng.random() < float(market.price) else "that"


def _step(market: Market, chance: float, rng: Random) -> None:
    if market.uma_status == "disputed":
        if chance < _DISPUTE_ENDS:
            finish(market, rng)
    elif market.closed:
        if chance < _CLOSED_ENDS and market.event.legacy_category is None:
            finish(market, rng)
    elif chance < _DISPUTE:
        market.oracle_says("disputed", market.proposed_outcome)
    elif chance < _SHUT_FIRST:
        market.shut(accepting=chance < _LINGERS)
    elif chance < _RESOLVE:
        finish(market, rng)


def finish(market: Market, rng: Random) -> None:
    outcome = market.proposed_outcome or _likely_outcome(market, rng)
    if market.uma_status is None:
        market.oracle_says("proposed", outcome)
    market.decide(outcome, accepting=rng.random() < _LINGERS, fifty_flag=rng.random() > _FORGETS_FLAG)


TICK = timedelta(seconds=60)


class World:
    """All events and markets. `start` is the simulated time of tick 0; each tick adds `tick_length`.

    Books list the best orders last, or first with `best_first`. Two with the same seed, size and start are
    equal. Reads and writes from other threads hold `clock.lock`.
    """

    def __init__(
        self, *, seed: int = 1, events: int = 400, start: datetime | None = None, tick_length: timedelta = TICK
    ) -> None:
        self.seed = seed
        self.ticks = 0
        self.start = start or default_start(datetime.now(UTC))
        self.clock = Clock(self.start)
        self.events: list[Event] = []
        self.markets: list[Market] = []
        self._size = events
        self._tick_length = tick_length
        self._builder = Builder(self._content_seed, self.clock)
        self._by_key: dict[str, Market] = {}
        self._events_by_key: dict[str, Event] = {}
        self.best_first = False
        self.clock.register = self._register
        for _ in range(events):
            self._add(self._builder.old_event())

    @property
    def _content_seed(self) -> str:
        return str(self.seed)

    @property
    def now(self) -> datetime:
        return self.clock.now

    @property
    def tags(self) -> list[Tag]:
        return self._builder.tags

    def find(self, key: str) -> Market:
        """A market by condition id, numeric id, token id or slug. Raises KeyError."""
        return self._by_key[key]

    def find_event(self, key: str) -> Event:
        """An event by numeric id or slug. Raises KeyError."""
        return self._events_by_key[key]

    def get(self, key: str) -> Market | None:
        """Like `find`, but None for a market that is unknown or deleted."""
        market = self._by_key.get(key)
        return None if market is None or market.is_deleted else market

    def good_markets(self) -> list[Market]:
        """The open markets that an ingester should take, by 24-hour volume of their event, then their own."""
        with self.clock.lock:
            good = [market for market in self.markets if market.is_good]
        return sorted(good, key=lambda market: (-market.event.volume24hr, -market.volume24hr))

    def tick(self, ticks: int = 1) -> None:
        """Let time pass: prices walk, a few markets end, a new event appears, a placeholder may get its name."""
        for _ in range(ticks):
            with self.clock.lock:
                self._tick()

    def _tick(self) -> None:
        self.ticks += 1
        self.clock.now += self._tick_length
        # A generator of its own for each tick: what a command changes today leaves tomorrow's draws as they were.
        rng = Random(f"tick:{self.seed}:{self.ticks}")  # noqa: S311 - a world to be repeated, not a secret
        move_prices(self.markets, rng)
        price_newcomers(self.markets)
        advance_endings(self.markets, rng)
        begin_endings(self.markets, rng)
        if self.ticks % 3 == 0:
            name_placeholder(self.events, self._builder, rng)
        for _ in range(1 + self._size // 1000):
            self._add(self._builder.new_event())
        self._drop_ended()

    def _add(self, event: Event) -> None:
        self.clock.ordering += 1
        self.events.append(event)
        self.markets += event.markets
        self._events_by_key[event.id] = self._events_by_key[event.slug] = event
        for market in event.markets:
            self._register(market)

    def _register(self, market: Market) -> None:
        """Make it known by its ids. An id that another one has stays with that."""
        for key in (market.condition_id, market.id, market.slug, *market.tokens):
            if key:
                self._by_key.setdefault(key, market)

    def _drop_ended(self) -> None:
        """Drop the oldest ended events once the world is four times its size, so that a long demo keeps its memory."""
        if len(self.events) <= 4 * self._size + 100:
            return
        ended = [event for event in self.events if event.closed][: self._size + 50]
        gone = set(map(id, ended))
        self.events = [event for event in self.events if id(event) not in gone]
        self.markets = [market for event in self.events for market in event.markets]
        self._by_key = {key: market for key, market in self._by_key.items() if id(market.event) not in gone}
        self._events_by_key = {key: event for key, event in self._events_by_key.items() if id(event) not in gone}
        self.clock.ordering += 1
