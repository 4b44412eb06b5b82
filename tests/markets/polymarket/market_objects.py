"""Gamma objects as the upstream shapes them, written by hand, for the tests of the parser."""

from copy import deepcopy
from typing import Any

from markets.polymarket.parsing import ParsedMarket, Skipped, SkipReason, parse_market

THIS_TOKEN = "7" * 77
THAT_TOKEN = "8" * 78

_OPEN = {
    "id": "1001",
    "conditionId": "0xabc1",
    "question": "Will it rain in Reading on Monday?",
    "slug": "will-it-rain-in-reading-on-monday",
    "description": "Resolves to Yes if a drop falls.",
    "outcomes": '["Yes", "No"]',
    "outcomePrices": '["0.435", "0.565"]',
    "clobTokenIds": f'["{THIS_TOKEN}", "{THAT_TOKEN}"]',
    "umaResolutionStatuses": "[]",
    "active": True,
    "closed": False,
    "archived": False,
    "acceptingOrders": True,
    "liquidity": "1200.5",
    "volume": "34567.891",
    "volume24hr": 12.5,
    "image": "https://img.example/rain.png",
    "icon": "https://img.example/rain-icon.png",
    "endDate": "2026-12-01T00:00:00Z",
    "groupItemTitle": "Monday",
    "negRisk": False,
    "updatedAt": "2026-11-01T10:00:00.123456Z",
}

_EVENT = {
    "id": "77",
    "slug": "rain-in-reading",
    "title": "Rain in Reading",
    "image": "https://img.example/event.png",
    "icon": "https://img.example/event-icon.png",
    "negRisk": True,
    "negRiskMarketID": "0xfeed",
    "tags": [{"id": "1", "label": "Weather", "slug": "Weather"}, {"id": "2", "label": "All", "slug": "all"}],
}


def open_market(*without: str, **changes: Any) -> dict[str, Any]:
    """An ordinary open market with `changes`, the keys named in `without` missing."""
    return {name: value for name, value in (deepcopy(_OPEN) | changes).items() if name not in without}


def closed_market(*without: str, **changes: Any) -> dict[str, Any]:
    """A market that closed and resolved to its first outcome."""
    over = {
        "closed": True,
        "acceptingOrders": False,
        "outcomePrices": '["1", "0"]',
        "umaResolutionStatus": "resolved",
        "umaResolutionStatuses": '["proposed"]',
        "closedTime": "2026-08-22 14:18:27+00",
    }
    return open_market(*without, **(over | changes))


def event(*without: str, **changes: Any) -> dict[str, Any]:
    """The event of the open market."""
    return {name: value for name, value in (deepcopy(_EVENT) | changes).items() if name not in without}


def parsed(market: Any, of: Any = None) -> ParsedMarket:
    result = parse_market(market, of)
    assert isinstance(result, ParsedMarket), result
    return result


def skipped(market: Any, of: Any = None) -> SkipReason:
    result = parse_market(market, of)
    assert isinstance(result, Skipped), result
    return result.reason
