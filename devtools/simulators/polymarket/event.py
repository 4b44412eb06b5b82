"""An event: the markets that share a title, tags and, with neg-risk, a pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from .market import Clock, Market


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
