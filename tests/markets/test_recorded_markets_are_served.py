"""What Polymarket really sent, from its wire to ours. Where no recordings lie beside the repository, the same tests
run on a few objects of the same shapes, written by hand."""

import json
from copy import deepcopy
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command

from tests.markets.factories import add_mirrored, read
from tests.markets.polymarket.market_objects import closed_market, event, open_market
from tests.markets.recorded_server import recorded_server

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "polymarket" / "recorded"
PAGE = "gamma_markets_page_100_2026-02-13.json"
FED = "gamma_events_fed_chair_27markets_2026-01-23_t1.json"
BAD_ALONE = ("gamma_market_three_outcomes_214743.json",)
CLOSED = ("gamma_market_closed_binary_accepting_false.json", "gamma_markets_closed_hourly_eth_x2_2026-06-10.json")
FED_PLACEHOLDERS = 14


class Catalogue(NamedTuple):
    """`expected`: the good market objects, by condition id, and their category."""

    events: list[dict[str, Any]]
    closed: list[dict[str, Any]]
    expected: dict[str, tuple[dict[str, Any], str]]


def objects(name: str) -> list[dict[str, Any]]:
    content = json.loads((RECORDED / name).read_text())
    return content if isinstance(content, list) else [content]


def recorded_catalogue() -> Catalogue:
    fed = objects(FED)[0]
    named = {market["conditionId"]: (market, "politics") for market in fed["markets"] if market["active"]}
    page = {market["conditionId"]: (market, "general") for market in objects(PAGE)}
    bad = [nested(market) for name in BAD_ALONE for market in objects(name)]
    closed = [market for name in CLOSED for market in objects(name)]
    assert (len(named), len(page)) == (len(fed["markets"]) - FED_PLACEHOLDERS, 100)
    return Catalogue([*grouped(objects(PAGE)), *bad, fed], closed, named | page)


def grouped(markets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as Gamma lists them, from markets that each brought their event along."""
    events: dict[str, dict[str, Any]] = {}
    for market in markets:
        inner = dict(market)
        (of,) = inner.pop("events")
        events.setdefault(of["id"], {**of, "markets": []})["markets"].append(inner)
    return list(events.values())


def nested(market: dict[str, Any]) -> dict[str, Any]:
    events = market.get("events") or [{"id": f"of-{market['id']}", "title": "Alone"}]
    return {**events[0], "closed": False, "markets": [{**market, "closed": False}]}


def written_catalogue() -> Catalogue:
    good = [
        open_market("slug", id="1", conditionId="0xa1", slug="one"),
        open_market(id="2", conditionId="0xa2", outcomes='["Up", "Down"]', outcomePrices='["0.0005", "0.9995"]'),
        open_market("endDate", id="3", conditionId="0xa3", clobTokenIds='["31", "32"]'),
    ]
    bad = [
        open_market("outcomePrices", id="4", conditionId="0xb1", active=False),
        open_market(id="5", conditionId="0xb2", outcomes='["Under", "Between", "Over"]'),
        open_market(id="6", conditionId=""),
    ]
    weather = event(markets=deepcopy([*good[:2], *bad[:2]]))
    untagged = event(id="78", tags=[], markets=deepcopy([good[2], bad[2]]))
    expected = {market["conditionId"]: (market, "weather") for market in good[:2]}
    expected |= {good[2]["conditionId"]: (good[2], "general")}
    return Catalogue([weather, untagged], [closed_market(conditionId="0xc1")], expected)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return recorded_catalogue() if (RECORDED / PAGE).exists() else written_catalogue()


@pytest.fixture
def served(catalogue, settings, db, capsys):
    """The catalogue, ingested by the command that a person runs; gives what the command said."""
    with recorded_server(catalogue.events, catalogue.closed) as url:
        settings.POLYMARKET_GAMMA_URL = url
        call_command("ingest_markets", "--json", "--force")
    return json.loads(capsys.readouterr().out)


def all_served(api) -> list[dict[str, Any]]:
    body = read(api, limit=200)
    assert body["nextCursor"] is None
    assert body["total"] == body["count"] == len(body["data"])
    return body["data"]


def test_all_good_markets_are_served_and_none_of_the_bad(served, catalogue, api):
    assert {market["polymarketId"] for market in all_served(api)} == set(catalogue.expected)
    assert len(all_served(api)) == len(catalogue.expected)


def test_the_run_counts_every_object_it_saw(served, catalogue):
    seen = sum(len(of["markets"]) for of in catalogue.events)
    result = served["data"]
    assert result["total"] == seen
    assert result["created"] == len(catalogue.expected)
    assert result["skipped"] + result["errors"] == seen - len(catalogue.expected)


def test_odds_category_image_and_end_are_those_that_were_sent(served, catalogue, api):
    for market in all_served(api):
        raw, category = catalogue.expected[market["polymarketId"]]
        this, that = (Decimal(price).quantize(Decimal("0.0001")) for price in json.loads(raw["outcomePrices"]))
        if market["illiquid"] and 0 < (trade := raw.get("lastTradePrice") or 0) < 1:
            this, that = Decimal(str(trade)), 1 - Decimal(str(trade))
        assert (market["thisOdds"], market["thatOdds"]) == (this, that)
        assert [float(market[name] or 0) for name in ("bid", "ask")] == [raw.get("bestBid", 0), raw.get("bestAsk", 0)]
        assert [market["thisOption"], market["thatOption"]] == json.loads(raw["outcomes"])
        assert (market["title"], market["imageUrl"]) == (raw["question"], raw["image"])
        assert market["category"] == category
        end = raw.get("endDate")
        assert market["expiresAt"] == (end[:19] + ".000Z" if end else None)
        assert market["volume24hr"] == Decimal(str(raw.get("volume24hr", 0))).quantize(Decimal("0.01"))


def test_each_market_is_in_the_event_that_it_came_with_under_its_label(served, catalogue, api):
    sent = {market["conditionId"]: (of, market) for of in catalogue.events for market in of["markets"]}
    for market in all_served(api):
        of, raw = sent[market["polymarketId"]]
        shown = market["event"]
        assert (shown["title"], shown["slug"]) == (of["title"].strip(), of["slug"])
        assert shown["outcomeLabel"] == (raw.get("groupItemTitle", "").strip() or raw["question"])
        assert shown["isPlaceholder"] is False, "those that have no name are left out"


def test_each_event_has_its_markets_and_what_the_upstream_says_of_it(served, catalogue, api):
    sent = {of["id"]: of for of in catalogue.events}
    body = json.loads(api.get("/api/v1/events", {"limit": 100}).content, parse_float=Decimal)
    assert body["nextCursor"] is None
    for found in body["data"]:
        of = sent.pop(found["polymarketId"])
        odds = [market["thisOdds"] for market in all_served(api) if market["event"]["id"] == found["id"]]
        known = [market for market in of["markets"] if market["conditionId"] in catalogue.expected]
        assert found["marketCount"] == len(odds) == len(known)
        assert [market["thisOdds"] for market in found["markets"]] == sorted(odds, reverse=True)[:3]
        assert (found["imageUrl"], found["negRisk"]) == (of["image"], of.get("negRisk", False))
    assert not [m for of in sent.values() for m in of["markets"] if m["conditionId"] in catalogue.expected]


def test_odds_are_the_prices_and_never_a_half_for_want_of_a_field(served, catalogue, api):
    """Lesson 21: odds read from a field that isn't sent made everything 0.5."""
    halves = [raw for raw, _ in catalogue.expected.values() if json.loads(raw["outcomePrices"])[0] == "0.5"]
    assert len([market for market in all_served(api) if market["thisOdds"] == Decimal("0.5")]) == len(halves)
    assert len({market["thisOdds"] for market in all_served(api)}) > len(catalogue.expected) // 3


def test_a_market_recorded_closed_is_found_by_its_id_and_closed(catalogue, settings, db, api):
    known = [
        add_mirrored(number, polymarket_id=market["conditionId"], category="sports")
        for number, market in enumerate(catalogue.closed, 1)
    ]
    with recorded_server(catalogue.events, catalogue.closed) as url:
        settings.POLYMARKET_GAMMA_URL = url
        call_command("ingest_markets", "--force", stdout=StringIO())
    for market in known:
        now = read(api, f"/{market.pk}")["data"]
        assert (now["status"], now["resolution"], now["category"]) == ("closed", None, "sports")
        assert now["imageUrl"] == market.image_url
