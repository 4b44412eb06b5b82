"""Reading the history of a market's odds: at most HISTORY_POINTS_MAX points, each a look-up in an index."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from core.db.sql import fetch_all, fetch_one
from markets import rules
from markets.fills import house_prices
from markets.history.models import UNIT
from markets.models import Market
from markets.rules import Interval

EPOCH = datetime.fromtimestamp(0, UTC)
MINUTES, HOURS = "market_points", "market_hourly_points"
# Hours that are over so long ago have been copied to the hourly points, unless the job is late.
NOT_ROLLED_UP = timedelta(hours=2)


# How long an interval is, and the seconds from one point to the next.
SPANS = {
    Interval.HOUR: (timedelta(hours=1), 60),
    Interval.SIX_HOURS: (timedelta(hours=6), 60),
    Interval.DAY: (timedelta(days=1), 300),
    Interval.WEEK: (timedelta(weeks=1), 1_800),
    Interval.MONTH: (timedelta(days=30), 7_200),
}
# What all of a market's history may be read at: the finest of these that is coarse enough.
RESOLUTIONS = (60, 300, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800)
HOUR_SECONDS = 3_600


class Window(NamedTuple):
    """What is read: from `first`, excluded, to `last`; both are whole multiples of the resolution."""

    first: datetime
    last: datetime
    resolution: int

    @property
    def step(self) -> timedelta:
        return timedelta(seconds=self.resolution)

    @property
    def size(self) -> int:
        return (self.last - self.first) // self.step


class Read(NamedTuple):
    """The last point at or before a time of the window."""

    at: datetime
    recorded_at: datetime
    this_odds: int
    bid: int | None
    ask: int | None


@dataclass(frozen=True, slots=True)
class History:
    """A market's odds, oldest first. `has_gaps`: there are times of the window that no point is known for."""

    resolution: int
    points: list[dict[str, Any]]
    has_gaps: bool


# The bounds of all buckets beside those of each let the planner leave out the partitions that none of them needs.
POINTS = """
SELECT bucket.at, point.recorded_at, point.this_odds, point.bid, point.ask
FROM generate_series(%(first)s::timestamptz + %(step)s, %(last)s, %(step)s) AS bucket (at)
CROSS JOIN LATERAL (
    SELECT recorded_at, this_odds, bid, ask FROM {table}
    WHERE market_id = %(market_id)s AND recorded_at <= bucket.at AND recorded_at > bucket.at - %(carried)s
    AND recorded_at <= %(last)s AND recorded_at > %(first)s::timestamptz - %(carried)s
    ORDER BY recorded_at DESC LIMIT 1
) AS point
ORDER BY bucket.at
"""
NEAREST = """
SELECT recorded_at, this_odds, bid, ask FROM (
    (SELECT recorded_at, this_odds, bid, ask FROM market_hourly_points
        WHERE market_id = %(market_id)s AND recorded_at <= %(until)s ORDER BY recorded_at {order} LIMIT 1)
    UNION ALL
    (SELECT recorded_at, this_odds, bid, ask FROM market_points
        WHERE market_id = %(market_id)s AND recorded_at <= %(until)s ORDER BY recorded_at {order} LIMIT 1)
) AS nearest ORDER BY recorded_at {order} LIMIT 1
"""
FIRST_POINT, LAST_POINT = NEAREST.format(order="ASC"), NEAREST.format(order="DESC")


def get_history(market: Market, *, interval: Interval, now: datetime) -> History:
    """Return the history of a market's odds.

    A point is the odds as of its time, those of the last one recorded within HISTORY_GAP and a step before. The last is
    what is known last: of an open market its odds of now, of one that is over its result.
    """
    newest = newest_point(market, now=now)
    end = now if newest is None or market.status == Market.Status.OPEN else newest.at
    window = window_of(market.pk, interval, end=end, now=now)
    found = read_points(market.pk, window)
    has_gaps = len(found) < window.size
    if newest and found and found[-1].at == newest.at:
        found.pop()
    if newest and (not found or newest.at > found[-1].at):
        found.append(newest)
    points = [as_json(point, market) for point in found]
    return History(resolution=window.resolution, points=points, has_gaps=has_gaps)


def newest_point(market: Market, *, now: datetime) -> Read | None:
    """Return what is known last: the odds of the market's own row while it is open, else the last point.

    Points later than its end, or than now, are of a system time that was ahead.
    """
    if market.status == Market.Status.OPEN:
        prices = (stored(price) for price in (market.this_odds, market.bid, market.ask))
        return Read(market.odds_updated_at, market.odds_updated_at, *prices)
    row = fetch_one(LAST_POINT, {"market_id": market.pk, "until": min(market.resolved_at or now, now)})
    return Read(row[0], *row) if row else None


def stored(price: Decimal | None) -> Any:
    return None if price is None else int(price * UNIT)


def window_of(market_id: UUID, interval: Interval, *, end: datetime, now: datetime) -> Window:
    """Return the window that ends with `end`. Of what is older than minutes are kept, it is at least of hours."""
    if interval == Interval.MAX:
        row = fetch_one(FIRST_POINT, {"market_id": market_id, "until": end})
        span = end - row[0] if row else timedelta()
        resolution = finest_resolution(span)
        # So that the bucket of the first point is inside.
        span += timedelta(seconds=resolution)
    else:
        span, resolution = SPANS[interval]
    if end - span < now - rules.HISTORY_MINUTES_KEPT_FOR:
        resolution = max(resolution, HOUR_SECONDS)
    step = timedelta(seconds=resolution)
    last = floor(end, step)
    return Window(last - max(span // step, 1) * step, last, resolution)


def finest_resolution(span: timedelta) -> int:
    """Return the finest resolution at which so long a time has fewer points than there may be."""
    most = rules.HISTORY_POINTS_MAX - 2
    return next((each for each in RESOLUTIONS if span.total_seconds() / each <= most), RESOLUTIONS[-1])


def read_points(market_id: UUID, window: Window) -> list[Read]:
    """Return the points of a window: by hours from the hourly points, what those don't have yet from the minutes."""
    if window.resolution < HOUR_SECONDS:
        return read_table(MINUTES, market_id, window)
    hourly = read_table(HOURS, market_id, window)
    rolled_up_until = min(hourly[-1].recorded_at, window.last - NOT_ROLLED_UP) if hourly else window.first
    tail = window._replace(first=max(window.first, floor(rolled_up_until, window.step)))
    found = {point.at: point for point in hourly}
    for point in read_table(MINUTES, market_id, tail):
        if point.at not in found or point.recorded_at > found[point.at].recorded_at:
            found[point.at] = point
    return [found[at] for at in sorted(found)]


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the last whole multiple of `step` at or before the moment."""
    return EPOCH + (moment - EPOCH) // step * step


def read_table(table: str, market_id: UUID, window: Window) -> list[Read]:
    parameters = {
        "market_id": market_id,
        "first": window.first,
        "last": window.last,
        "step": window.step,
        "carried": rules.HISTORY_GAP + window.step,
    }
    return [Read(*row) for row in fetch_all(POINTS.format(table=table), parameters)]


def as_json(point: Read, market: Market) -> dict[str, Any]:
    """Return a point as it is sent. The prices of a house market follow from its odds, as everywhere."""
    odds, bid, ask = decimal_of(point.this_odds), optional_decimal(point.bid), optional_decimal(point.ask)
    if market.market_type == Market.Type.CREDITS and 0 < odds < 1:
        bid, ask, *_ = house_prices(odds, is_lmsr=market.is_lmsr)
    return {"t": point.at, "thisOdds": odds, "bid": bid, "ask": ask}


@lru_cache(maxsize=UNIT + 1)
def decimal_of(stored: int) -> Decimal:
    return Decimal(stored).scaleb(-4)


def optional_decimal(stored: int | None) -> Decimal | None:
    return None if stored is None else decimal_of(stored)
