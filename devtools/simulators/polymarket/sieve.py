"""What lists can be ordered and filtered by."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .event import Event
from .market import Market
from .replies import Call, invalid
from .stamps import read_time

Test = Callable[[Any], bool]
Maker = Callable[[Call, str, list[str]], Test]
Filters = dict[str, Maker]

# What `order` may name, in camelCase. `volume` of a market is text upstream and sorts as text.
COMMON_ORDERS: dict[str, Callable[[Any], Any]] = {
    "id": lambda item: item.number,
    "slug": lambda item: item.slug,
    "volume24hr": lambda item: item.volume24hr,
    "startDate": lambda item: item.starts_at.timestamp(),
    "createdAt": lambda item: item.created_at.timestamp(),
    "endDate": lambda item: item.ends_at.timestamp() if item.ends_at else None,
    "liquidity": lambda item: item.liquidity,
}
MARKET_ORDERS = COMMON_ORDERS | {
    "volume": lambda market: str(market.volume),
    "volumeNum": lambda market: market.volume,
    "liquidityNum": lambda market: market.liquidity,
}
EVENT_ORDERS = COMMON_ORDERS | {"volume": lambda event: event.volume, "title": lambda event: event.title}


def _same(field: str) -> Maker:
    def make(call: Call, name: str, _values: list[str]) -> Test:
        asked = call.flag(name)
        return lambda item: asked is None or getattr(item, field) == asked

    return make


def _among(field: str) -> Maker:
    def make(_call: Call, _name: str, values: list[str]) -> Test:
        allowed = set(values)
        return lambda item: getattr(item, field, None) in allowed

    return make


def _bound(field: str, *, least: bool) -> Maker:
    def make(_call: Call, name: str, values: list[str]) -> Test:
        limit = _amount(name, values[0])
        return lambda item: getattr(item, field) >= limit if least else getattr(item, field) <= limit

    return make


def _amount(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise invalid(f"{name} is not a number") from error


def _moment(field: str, *, least: bool) -> Maker:
    def make(_call: Call, name: str, values: list[str]) -> Test:
        try:
            limit = read_time(values[0])
        except ValueError as error:
            raise invalid(f"{name} is not a date") from error
        return lambda item: _within(getattr(item, field), limit, least=least)

    return make


def _within(moment: datetime | None, limit: datetime, *, least: bool) -> bool:
    return moment is not None and (moment >= limit if least else moment <= limit)


def _tagged(_call: Call, name: str, values: list[str]) -> Test:
    allowed = set(values)

    def passes(item: Event | Market) -> bool:
        event = item.event if isinstance(item, Market) else item
        return any((str(tag.number) if name == "tag_id" else tag.slug) in allowed for tag in event.tags)

    return passes


def _tokened(_call: Call, _name: str, values: list[str]) -> Test:
    allowed = set(values)
    return lambda item: not allowed.isdisjoint(getattr(item, "tokens", ()))


_COMMON: Filters = {
    "closed": _same("closed"),
    "active": _same("active"),
    "id": _among("id"),
    "slug": _among("slug"),
    "tag_id": _tagged,
    "end_date_min": _moment("ends_at", least=True),
    "end_date_max": _moment("ends_at", least=False),
    "start_date_min": _moment("starts_at", least=True),
    "start_date_max": _moment("starts_at", least=False),
}

# Markets are bounded by `volume_num_min` and the like, events by `volume_min`: the other's names are ignored.
MARKET_FILTERS: Filters = _COMMON | {
    "liquidity_num_min": _bound("liquidity", least=True),
    "liquidity_num_max": _bound("liquidity", least=False),
    "volume_num_min": _bound("volume", least=True),
    "volume_num_max": _bound("volume", least=False),
    "condition_ids": _among("condition_id"),
    "question_ids": _among("question_id"),
    "uma_resolution_status": _among("uma_status"),
    "sports_market_types": _among("sports_type"),
    "clob_token_ids": _tokened,
}
EVENT_FILTERS: Filters = _COMMON | {
    "liquidity_min": _bound("liquidity", least=True),
    "liquidity_max": _bound("liquidity", least=False),
    "volume_min": _bound("volume", least=True),
    "volume_max": _bound("volume", least=False),
    "tag_slug": _tagged,
}
