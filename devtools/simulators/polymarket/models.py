"""Markets and events of the simulated upstream, with the commands of a test or of the control endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from .book_commands import BookCommands
from .books import ONE, ZERO
from .identity_commands import IdentityCommands
from .state import GRIDS, ClobOutcome, Clock, Outcome, Tag


class Market(BookCommands, IdentityCommands):
    """One market: its state, and the commands that change it."""

    __slots__ = ()

    def set_price(self, price: Decimal, *, gamma: bool = True) -> None:
        """Give index 0 the live price, between 0 and 1 exclusive, in steps of 0.00005; ticks then leave it alone.

        A book or dust that was set goes. With `gamma=False` Gamma shows the old price until the next tick. Raises
        ValueError for any other price.
        """
        if not ZERO < price < ONE:
            raise ValueError(f"a price lies between 0 and 1, not at {price}")
        with self.clock.lock:
            grid = next((grid for grid in (self.grid, *GRIDS) if price * 2 * grid % 1 == 0), None)
            if grid is None:
                raise ValueError(f"{price} is finer than the finest tick")
            self.gamma_spread = (self.gamma_spread or self.spread) * grid // self.grid
            self.gamma_level = self.gamma_level * grid // self.grid
            self.grid, self.level, self.priced = grid, int(price * 2 * grid), True
            self.book.clear_orders()
            self.script(holds_price=True)
            if gamma:
                self.gamma_level, self.gamma_spread = self.level, self.spread

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
            self.script(holds_price=True)

    def stop_accepting(self) -> None:
        with self.clock.lock:
            self.accepting = False
            self.script()

    def close(self) -> None:
        """Close it undecided: prices stay in between."""
        with self.clock.lock:
            self.shut(accepting=False)
            self.script()

    def propose(self, outcome: Outcome) -> None:
        """Propose an outcome; open stays open."""
        with self.clock.lock:
            self.oracle_says("proposed", outcome)
            self.script()

    def dispute(self) -> None:
        with self.clock.lock:
            self.oracle_says("disputed", self.proposed_outcome)
            self.script()

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
            self.script()

    def rename(self, name: str) -> None:
        """Give a placeholder its name, under the same id. Its slug stays, as upstream's does."""
        with self.clock.lock:
            self.become(name)
            self.script()

    def change_result(self, outcome: Outcome, *, clob: ClobOutcome | None = None) -> None:
        """Give a decided market another result. `clob` lets the second source say something else."""
        with self.clock.lock:
            if self.final is None:
                raise ValueError("only a decided market has a result to change")
            self.decide(outcome, accepting=bool(self.accepting))
            self.clob_outcome = clob or outcome
            self.clob_says_50_50 = self.clob_outcome == "50-50"
            self.script()

    def reopen(self) -> None:
        """Open a market again that closed without a result, with no word from the oracle."""
        with self.clock.lock:
            if not self.closed or self.final is not None:
                raise ValueError("only a market that closed without a result opens again")
            self.closed, self.closed_at = False, None
            self.accepting = None if self.accepting is None else True
            self.uma_status, self.proposed_outcome = None, None
            self.script()

    def move_to_event(self, other_event: Event) -> None:
        """Take it out of its event and put it last into another."""
        with self.clock.lock:
            self.event.markets.remove(self)
            self.event.touch()
            other_event.markets.append(self)
            self.event, self.position = other_event, len(other_event.markets) - 1
            self.clock.ordering += 1
            self.script()


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
    active: bool = True
    archived: bool = False
    deleted: bool = False
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
        return all(market.closed or market.placeholder for market in self.listed)

    @property
    def is_deleted(self) -> bool:
        return self.deleted

    @property
    def listed(self) -> list[Market]:
        """Its markets without the deleted ones."""
        return [market for market in self.markets if not market.deleted]

    @property
    def closed_at(self) -> datetime | None:
        return max((market.closed_at for market in self.listed if market.closed_at), default=None)

    @property
    def volume(self) -> float:
        return sum(market.volume for market in self.listed)

    @property
    def volume24hr(self) -> float:
        return sum(market.volume24hr for market in self.listed)

    @property
    def liquidity(self) -> float:
        return sum(market.liquidity for market in self.listed)

    def touch(self) -> None:
        self.brief_json = None
        self.updated_at = self.clock.now

    # Commands of a test or of the control endpoint. The flags are the event's own: its markets keep theirs

    def edit(self, *, title: str | None = None, description: str | None = None) -> None:
        """Change its words. The description is also that of its markets, but for those that were given their own."""
        with self.clock.lock:
            self.title = self.title if title is None else title
            self.rules = self.rules if description is None else description
            self.clock.ordering += 1
            self._touch_all()

    def archive(self) -> None:
        self._set(archived=True)

    def unarchive(self) -> None:
        self._set(archived=False)

    def deactivate(self) -> None:
        self._set(active=False)

    def activate(self) -> None:
        self._set(active=True)

    def delete(self) -> None:
        """Make it and its markets unknown to both hosts."""
        self._set(deleted=True)

    def restore(self) -> None:
        """Undo `delete`. A market that was deleted by itself stays so."""
        self._set(deleted=False)

    def move_end(self, date: datetime | None) -> None:
        """Change or drop its end; its markets keep theirs."""
        self._set(ends_at=date)

    def _set(self, **changed: object) -> None:
        with self.clock.lock:
            for name, value in changed.items():
                setattr(self, name, value)
            self.clock.ordering += 1
            self._touch_all()

    def _touch_all(self) -> None:
        for market in self.markets:
            market.touch()
        self.touch()
