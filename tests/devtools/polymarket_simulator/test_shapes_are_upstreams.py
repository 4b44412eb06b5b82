"""The keys and value types of what the simulator serves, beside a table and, where they lie, real responses."""

import json
from collections import defaultdict
from typing import Any

import pytest

from devtools.simulators.polymarket import World
from devtools.simulators.polymarket.clob import book, clob_market
from devtools.simulators.polymarket.gamma_json import event_json, market_with_event_json

from .conftest import RECORDED, START

# What a reader of the upstream relies on: `a number` covers whole ones too.
MARKET = {
    "id": "text",
    "question": "text",
    "conditionId": "text",
    "slug": "text",
    "description": "text",
    "image": "text",
    "icon": "text",
    "outcomes": "text",
    "clobTokenIds": "text",
    "umaResolutionStatuses": "text",
    "active": "flag",
    "closed": "flag",
    "archived": "flag",
    "negRisk": "flag",
    "volume": "text",
    "volumeNum": "number",
    "startDate": "text",
    "createdAt": "text",
    "updatedAt": "text",
    "groupItemThreshold": "text",
    "questionID": "text",
    "orderPriceMinTickSize": "number",
    "orderMinSize": "number",
    "enableOrderBook": "flag",
    "feesEnabled": "flag",
    "spread": "number",
    "bestAsk": "number",
}
OPTIONAL = {
    "outcomePrices": "text",
    "endDate": "text",
    "endDateIso": "text",
    "acceptingOrders": "flag",
    "umaResolutionStatus": "text",
    "bestBid": "number",
    "liquidity": "text",
    "liquidityNum": "number",
    "volume24hr": "number",
    "closedTime": "text",
    "gameStartTime": "text",
    "groupItemTitle": "text",
    "sportsMarketType": "text",
    "negRiskMarketID": "text",
    "resolvedBy": "text",
    "automaticallyResolved": "flag",
    "lastTradePrice": "number",
}
EVENT = {
    "id": "text",
    "ticker": "text",
    "slug": "text",
    "title": "text",
    "description": "text",
    "image": "text",
    "active": "flag",
    "closed": "flag",
    "volume": "number",
    "negRisk": "flag",
    "markets": "list",
    "tags": "list",
    "commentCount": "number",
    "updatedAt": "text",
}
TAG = {"id": "text", "label": "text", "slug": "text", "updatedAt": "text"}
CLOB = {
    "condition_id": "text",
    "question_id": "text",
    "closed": "flag",
    "active": "flag",
    "accepting_orders": "flag",
    "is_50_50_outcome": "flag",
    "tokens": "list",
    "market_slug": "text",
    "neg_risk": "flag",
    "minimum_tick_size": "number",
    "rewards": "object",
}
KINDS = {str: "text", bool: "flag", int: "number", float: "number", list: "list", dict: "object", type(None): "null"}
# Served by the simulator and by the upstream, though by none of the recorded objects.
KNOWN_BESIDES = {
    "sportsMarketType",
    "gameId",
    "line",
    "feeSchedule",
    "feeType",
    "category",
    "finishedTimestamp",
}


def _kinds(objects: list[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for item in objects:
        for key, value in item.items():
            found[key].add(KINDS[type(value)])
    return found


@pytest.fixture(scope="module")
def world() -> World:
    world = World(seed=17, events=200, start=START)
    world.tick(40)
    return world


@pytest.fixture(scope="module")
def markets(world: World) -> list[dict[str, Any]]:
    return [json.loads(market_with_event_json(market)) for market in world.markets if not market.real_arrays]


@pytest.fixture(scope="module")
def events(world: World) -> list[dict[str, Any]]:
    return [json.loads(event_json(event)) for event in world.events]


def _recorded(name: str) -> list[dict[str, Any]]:
    """The objects of a real response; none where the recordings are not at hand."""
    path = RECORDED / name
    if not path.exists():
        return []
    given = json.loads(path.read_text())
    return given if isinstance(given, list) else [given]


def _recorded_markets() -> list[dict[str, Any]]:
    names = sorted(path.name for path in RECORDED.glob("gamma_market*.json"))
    nested = [
        market
        for event in _recorded("gamma_events_fed_chair_27markets_2026-01-23_t1.json")
        for market in event["markets"]
    ]
    return [market for name in names for market in _recorded(name)] + nested


def _assert_agrees(ours: list[dict[str, Any]], real: list[dict[str, Any]], besides: set[str]) -> None:
    """Every key served is one of the upstream's, with a kind of value that the upstream gives it."""
    real_kinds = _kinds(real)
    for key, kinds in _kinds(ours).items():
        if real and key not in besides:
            assert key in real_kinds, f"the upstream has no {key}"
            assert kinds <= real_kinds[key], f"{key}: {kinds} is not among {real_kinds[key]}"


def test_markets_have_the_upstreams_keys_and_kinds(markets):
    modern = [market for market in markets if "category" not in market]
    kinds = _kinds(modern)
    for key, kind in MARKET.items():
        assert all(key in market for market in modern), key
        assert kinds[key] == {kind}, key
    for key, kind in OPTIONAL.items():
        assert kinds[key] == {kind}, key
        assert not all(key in market for market in modern), key
    _assert_agrees(markets, _recorded_markets(), KNOWN_BESIDES)


def test_every_key_all_real_open_markets_have_is_served(markets):
    real = _recorded("gamma_markets_page_100_2026-02-13.json")
    always = set.intersection(*(set(market) for market in real)) if real else set(MARKET) | {"outcomePrices"}
    # A group title and a resolver go with the kind of market; the other may be missing by the page of facts.
    by_kind = {"groupItemTitle", "resolvedBy", "acceptingOrders"}
    good = [m for m in markets if m.get("outcomePrices") and not m["closed"] and m["active"] and "category" not in m]
    assert len(good) > 100
    assert all(always - set(market) <= by_kind for market in good)


def test_events_have_the_upstreams_keys_and_kinds(events):
    kinds = _kinds(events)
    for key, kind in EVENT.items():
        assert all(key in event for event in events), key
        assert kinds[key] == {kind}, key
    quoted = [event for market in _recorded_markets() for event in market.get("events", [])]
    real = _recorded("gamma_events_fed_chair_27markets_2026-01-23_t1.json") + quoted
    _assert_agrees(events, real if RECORDED.exists() else [], KNOWN_BESIDES)


def test_tags_have_the_upstreams_keys_and_kinds(events):
    tags = [tag for event in events for tag in event["tags"]]
    assert all(_kinds(tags)[key] == {kind} for key, kind in TAG.items())
    real = _recorded("gamma_tags.json") + [
        tag for event in _recorded("gamma_events_fed_chair_27markets_2026-01-23_t1.json") for tag in event["tags"]
    ]
    _assert_agrees(tags, real, set())


def test_clob_markets_have_the_upstreams_keys_and_kinds(world):
    ours = [clob_market(market) for market in world.markets]
    assert all(_kinds(ours)[key] == {kind} for key, kind in CLOB.items())
    tokens = [token for market in ours for token in market["tokens"]]
    assert _kinds(tokens) == {"outcome": {"text"}, "price": {"number"}, "token_id": {"text"}, "winner": {"flag"}}
    real = _recorded("clob_markets_subset_incl_50_50_2025-05.json")
    closed = _recorded("clob_market_closed_binary_accepting_false.json")
    _assert_agrees(ours, real + closed, set())
    assert all(set(market) == set(ours[0]) for market in real + closed)


def test_books_have_the_upstreams_keys_and_kinds(world):
    market = world.good_markets()[0]
    ours = book(market, market.tokens[0], world.now)
    kinds = _kinds([ours])
    text = {"market", "asset_id", "timestamp", "hash", "min_order_size", "tick_size", "last_trade_price"}
    assert {key for key, kind in kinds.items() if kind == {"text"}} == text
    assert _kinds(ours["bids"] + ours["asks"]) == {"price": {"text"}, "size": {"text"}}
    for real in _recorded("clob_book_fed_chair.json"):
        assert set(real) == set(ours)
        _assert_agrees([ours], [real], set())


def test_times_are_written_in_all_the_upstreams_ways(markets):
    created = {len(market["createdAt"].removesuffix("Z").partition(".")[2]) for market in markets}
    assert {0, 1, 2, 3, 4, 5, 6} <= created
    assert all(
        market["closedTime"][10] == " " and market["closedTime"].endswith("+00")
        for market in markets
        if "closedTime" in market
    )
    assert any("gameStartTime" in market for market in markets)
