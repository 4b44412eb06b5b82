"""What an event is about, before it has ids, prices or a place in the world."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """One market to be. `likely` is the chance of index 0, `placeholder` a candidate without a name yet."""

    question: str
    outcomes: tuple[str, ...] = ("Yes", "No")
    group_title: str | None = None
    sports_type: str | None = None
    line: float | None = None
    placeholder: bool = False
    likely: float | None = None


@dataclass(frozen=True, slots=True)
class EventPlan:
    """One event to be. Times are counted from its creation in the world."""

    title: str
    tags: tuple[str, ...]
    markets: tuple[MarketPlan, ...]
    ends_in: timedelta
    neg_risk: bool = False
    fee_type: str | None = None
    game_in: timedelta | None = None
    series: str | None = None
    source: str = ""
    legacy_category: str | None = None
