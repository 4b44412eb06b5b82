"""A world to look at: something ends every ten seconds, on time, and it goes on after a restart.

Its time is the real one, so `endDate` is when a market ends. Markets end when their time is up, and no sooner. Beside
the catalogue of every world it keeps short markets open, whose ends are ten seconds apart. The same seed and start make
the same world. Its state is kept in a file, with the version of the code that wrote it: what another version wrote is
not read, and the world begins anew, with other ids. What it had is then unknown here, as what upstream has removed.
"""

import pickle
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random

from .blueprints import SHORT
from .models import Market
from .world import World, advance_endings, finish, move_prices, name_placeholder, price_newcomers, propose

SHORT_MARKETS, SHORT_EVERY, FIRST_SHORT = 24, timedelta(seconds=10), timedelta(seconds=30)
# In ticks.
NEW_EVENT_EVERY, NAMED_EVERY = 20, 40
# Time that passed while nothing ran is lived through tick by tick up to so many, and skipped beyond.
MOST_TICKS_AT_ONCE = 60
VERSION = blake2b(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))), digest_size=12
).hexdigest()


class LivelyWorld(World):
    """A world at real time, or `ahead` of it by the ticks that were asked for. `file` keeps its state."""

    def __init__(self, *, seed: int, events: int, start: datetime, tick_length: timedelta) -> None:
        self.ahead = timedelta(0)
        self.file: Path | None = None
        super().__init__(seed=seed, events=events, start=start, tick_length=tick_length)
        self._add_short_markets()

    @property
    def _content_seed(self) -> str:
        return f"{self.seed}:{self.start.isoformat()}"

    def tick(self, ticks: int = 1) -> None:
        with self.clock.lock:
            self.ahead += ticks * self._tick_length
        super().tick(ticks)

    def catch_up(self, now: datetime) -> None:
        """Live on until the real time `now`."""
        with self.clock.lock:
            behind = now + self.ahead - self.clock.now
            if behind > MOST_TICKS_AT_ONCE * self._tick_length:
                self.clock.now += behind - behind % self._tick_length - self._tick_length
            while self.clock.now + self._tick_length <= now + self.ahead:
                self._tick()

    def _tick(self) -> None:
        self.ticks += 1
        self.clock.now += self._tick_length
        rng = Random(f"tick:{self._content_seed}:{self.ticks}")  # noqa: S311 - a world to be repeated, not a secret
        move_prices(self.markets, rng)
        price_newcomers(self.markets)
        self._end_what_is_due(rng)
        if self.ticks % NAMED_EVERY == 0:
            name_placeholder(self.events, self._builder, rng)
        if self.ticks % NEW_EVENT_EVERY == 0 and sum(not event.closed for event in self.events) < 2 * self._size:
            self._add(self._builder.new_event())
        self._add_short_markets()
        self._drop_ended()

    def _end_what_is_due(self, rng: Random) -> None:
        due = [market for market in self.markets if self._is_due(market)]
        for market in due:
            if market.has_book and market.uma_status is None:
                propose(market, rng)
            if market.event.series == SHORT:
                finish(market, rng)
        advance_endings(due, rng)

    def _is_due(self, market: Market) -> bool:
        is_over = market.ends_at is not None and market.ends_at <= self.clock.now
        is_ours_to_end = not market.scripted and not market.placeholder and market.event.legacy_category is None
        return is_over and is_ours_to_end and market.final is None

    def _add_short_markets(self) -> None:
        """Keep so many open; each ends some seconds after the one before it."""
        ends = [event.ends_at for event in self.events if event.series == SHORT and not event.closed and event.ends_at]
        last = max([self.clock.now + FIRST_SHORT - SHORT_EVERY, *ends])
        for _ in range(SHORT_MARKETS - len(ends)):
            last += SHORT_EVERY
            self._add(self._builder.short_event(last - self.clock.now))

    def save(self) -> None:
        """Write the state to its file, if it has one, whole or not at all."""
        if self.file is None:
            return
        with self.clock.lock:
            state = pickle.dumps((VERSION, self.seed, self._size, self._tick_length, self))
        temporary = self.file.with_suffix(".new")
        temporary.write_bytes(state)
        temporary.replace(self.file)

    def go_on(self, file: Path, now: datetime) -> None:
        """Catch up after the state was read from the file; what was rendered may name another address of pictures."""
        self.file, self.clock.register = file, self._register
        for market in self.markets:
            market.json = market.ladders = None
        for event in self.events:
            event.brief_json = None
        self.catch_up(now)


def load_or_begin(path: Path | None, *, seed: int, events: int, tick_length: timedelta) -> LivelyWorld:
    """Return the world that is kept in the file, if this code wrote it with the same options, else a new one."""
    wanted = (VERSION, seed, events, tick_length)
    now = datetime.now(UTC).replace(microsecond=0)
    if path and path.exists():
        try:
            *made_with, world = pickle.loads(path.read_bytes())  # noqa: S301 - a file of our own
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError):
            made_with = []
        if tuple(made_with) == wanted and isinstance(world, LivelyWorld):
            world.go_on(path, now)
            return world
    world = LivelyWorld(seed=seed, events=events, start=now, tick_length=tick_length)
    world.file = path
    return world
