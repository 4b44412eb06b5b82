"""The simulated upstream: a function of its seed, its size, the ticks it lived and the commands it got."""

from datetime import UTC, datetime, timedelta
from random import Random

from . import lifecycle
from .builder import Builder, default_start
from .event import Event, Tag
from .market import Clock, Market

TICK = timedelta(seconds=60)


class World:
    """All events and markets. `start` is the simulated time of tick 0; each tick adds `tick_length`.

    Worlds with the same seed, size and start are equal. Reads and writes from other threads hold `clock.lock`.
    """

    def __init__(
        self, *, seed: int = 1, events: int = 400, start: datetime | None = None, tick_length: timedelta = TICK
    ) -> None:
        self.seed = seed
        self.ticks = 0
        self.clock = Clock(start or default_start(datetime.now(UTC)))
        self.events: list[Event] = []
        self.markets: list[Market] = []
        self._size = events
        self._tick_length = tick_length
        self._builder = Builder(seed, self.clock)
        self._by_key: dict[str, Market] = {}
        self._events_by_key: dict[str, Event] = {}
        for _ in range(events):
            self._add(self._builder.old_event())

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
        return self._by_key.get(key)

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
        lifecycle.move_prices(self.markets, rng)
        lifecycle.price_newcomers(self.markets)
        lifecycle.advance_endings(self.markets, rng)
        lifecycle.begin_endings(self.markets, rng)
        if self.ticks % 3 == 0:
            lifecycle.name_placeholder(self.events, self._builder, rng)
        for _ in range(1 + self._size // 1000):
            self._add(self._builder.new_event())
        self._forget()

    def _add(self, event: Event) -> None:
        self.clock.ordering += 1
        self.events.append(event)
        self.markets += event.markets
        self._events_by_key[event.id] = self._events_by_key[event.slug] = event
        for market in event.markets:
            for key in (market.condition_id, market.id, market.slug, *market.tokens):
                if key:
                    self._by_key[key] = market

    def _forget(self) -> None:
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
