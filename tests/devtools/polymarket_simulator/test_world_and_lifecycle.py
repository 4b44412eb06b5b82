import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devtools.simulators.polymarket import World
from devtools.simulators.polymarket.gamma_json import event_json, gamma_event, gamma_market

from .conftest import START, Caller


def _everything(world: World) -> list[bytes]:
    return [event_json(event) for event in world.events]


def test_the_same_seed_size_ticks_and_commands_make_the_same_world():
    twins = [World(seed=3, events=60, start=START) for _ in range(2)]
    for world in twins:
        world.tick(20)
        world.good_markets()[4].resolve("that")
        world.tick(5)
    assert _everything(twins[0]) == _everything(twins[1])


def test_another_seed_makes_another_world():
    assert _everything(World(seed=3, events=20, start=START)) != _everything(World(seed=4, events=20, start=START))


def test_without_a_start_the_world_begins_this_minute():
    now = datetime.now(UTC)
    start = World(events=1).now
    assert start.second == start.microsecond == 0
    assert abs((now - start).total_seconds()) < 120


def test_a_small_world_has_every_shape_of_the_upstream():
    markets = [gamma_market(market) for market in World(seed=11, events=100, start=START).markets]
    pairs = Counter(str(market["outcomes"]) for market in markets)
    assert {'["Yes", "No"]', '["Up", "Down"]', '["Over", "Under"]'} <= set(pairs)
    assert any(market.get("sportsMarketType") == "moneyline" and "Yes" not in market["outcomes"] for market in markets)
    assert any("endDate" not in market for market in markets)
    assert any(market.get("endDate", "9") < "2026-08-01" and not market["closed"] for market in markets)
    assert {market.get("acceptingOrders") for market in markets if not market["closed"]} == {True, False, None}
    assert any(market["image"] == "" and market["icon"] for market in markets)
    assert any(market["image"] == market["icon"] == "" for market in markets)
    assert any(market["conditionId"] == "" for market in markets)
    assert any(isinstance(market["outcomes"], list) for market in markets)
    assert any("outcomePrices" not in market and market["active"] for market in markets)
    assert any("outcomePrices" not in market and not market["active"] for market in markets)
    assert any("outcomePrices" in market and not market["active"] for market in markets)
    assert any("bestBid" not in market and market.get("bestAsk", 1) < 0.01 for market in markets)
    assert any(market["outcomes"] == '["Under $22M", "$22M-$29M", "Over $29M"]' for market in markets)
    assert any(market.get("outcomePrices") == '["0", "0"]' and "category" in market for market in markets)
    assert any(market["outcomes"] == '["Long", "Short"]' and market["closed"] for market in markets)
    ends = {(market["closed"], market.get("umaResolutionStatus")) for market in markets}
    assert ends >= {(False, "proposed"), (False, "disputed"), (True, "proposed"), (True, "requested"), (True, None)}
    finals = {market.get("outcomePrices") for market in markets if market.get("umaResolutionStatus") == "resolved"}
    assert finals == {'["1", "0"]', '["0", "1"]', '["0.5", "0.5"]'}
    assert any(market.get("acceptingOrders") and market.get("automaticallyResolved") for market in markets)
    assert {type(market["clobTokenIds"]) for market in markets} == {str, list}


def test_a_good_market_is_open_binary_identified_priced_and_pictured():
    world = World(seed=11, events=150, start=START)
    shown = {market.id: gamma_market(market) for market in world.markets}
    good = {market.id for market in world.good_markets()}
    for market in world.markets:
        gamma = shown[market.id]
        pictured = bool(gamma["image"] or gamma["icon"] or gamma_event(market.event)["image"])
        open_ = gamma["active"] and not gamma["closed"] and "outcomePrices" in gamma
        assert (market.id in good) == bool(open_ and pictured and gamma["conditionId"] and len(market.outcomes) == 2)
    assert any(gamma_event(event)["image"] == "" for event in world.events)
    volumes = [market.event.volume24hr for market in world.good_markets()]
    assert volumes == sorted(volumes, reverse=True)


def test_ids_are_unique_and_tokens_are_long_text():
    world = World(seed=2, events=200, start=START)
    tokens = [token for market in world.markets for token in market.tokens]
    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} <= {76, 77, 78}
    assert Counter(map(len, tokens)).most_common(2)[0][0] >= 77
    for values in ([m.id for m in world.markets], [m.slug for m in world.markets], [e.id for e in world.events]):
        assert len(set(values)) == len(values)


def test_prices_walk_within_bounds_and_gamma_is_one_tick_behind():
    world = World(seed=5, events=40, start=START)
    moved = 0
    for _ in range(30):
        live = {market.id: market.price for market in world.markets if market.has_book}
        world.tick()
        for market in world.markets:
            if market.has_book and market.id in live:
                assert market.gamma_price == live[market.id]
                assert 0 < market.price < 1
                assert abs(market.price - live[market.id]) <= Decimal("0.015")
                moved += market.price != live[market.id]
    assert moved > 100


def test_time_brings_results_disputes_newcomers_and_names():
    world = World(seed=9, events=60, start=START)
    spare = {market.id for market in world.markets if market.placeholder}
    before = {market.id for market in world.markets}
    seen: Counter[str] = Counter()
    for _ in range(150):
        world.tick()
        seen.update({str(market.uma_status) for market in world.markets if not market.scripted})
        newest = world.events[-1]
        assert all(market.gamma_prices() is None for market in newest.markets)
    assert seen["proposed"]
    assert seen["disputed"]
    assert seen["resolved"]
    assert {m.proposed_outcome for m in world.markets if m.final and m.proposed_outcome} == {"this", "that", "50-50"}
    assert any(m.id in spare and m.active and not m.placeholder for m in world.markets)
    assert any(m.id not in before and m.priced for m in world.markets)
    assert any(m.closed and m.accepting and m.uma_status == "resolved" for m in world.markets)


def test_a_pool_of_candidates_has_at_most_one_winner():
    world = World(seed=13, events=120, start=START)
    world.tick(300)
    pools = [event for event in world.events if event.neg_risk]
    winners = [sum(market.proposed_outcome == "this" for market in event.markets) for event in pools]
    assert set(winners) <= {0, 1}
    assert 1 in winners


def test_a_long_life_forgets_the_oldest_ended_events():
    world = World(seed=1, events=5, start=START)
    world.tick(600)
    assert len(world.events) < 400
    assert {market.id for event in world.events for market in event.markets} == {m.id for m in world.markets}
    assert world.find(world.markets[0].id) is world.markets[0]


def test_a_command_is_final_whatever_ticks_do(upstream):
    first, second, third, fourth = upstream.world.good_markets()[:4]
    first.propose("this")
    second.close()
    third.set_price(Decimal("0.42"))
    fourth.drop_prices()
    upstream.world.tick(40)
    assert (first.uma_status, first.closed) == ("proposed", False)
    assert second.closed
    assert second.uma_status is None
    assert second.final is None
    assert third.price == third.gamma_price == Decimal("0.42")
    assert fourth.gamma_prices() is None


@pytest.mark.parametrize("price", ["0.42", "0.5", "0.005", "0.9995", "0.4237", "0.00005"])
def test_a_price_set_is_the_midpoint_and_gammas_price(upstream, price):
    market = upstream.world.good_markets()[0]
    market.set_price(Decimal(price))
    assert market.price == Decimal(price)
    assert market.gamma_prices() == [price, f"{1 - Decimal(price):f}"]


@pytest.mark.parametrize("price", ["0", "1", "-0.1", "1.5", "0.123456", "NaN"])
def test_a_price_no_book_can_have_is_refused(upstream, price):
    market = upstream.world.good_markets()[0]
    before = market.price
    with pytest.raises((ValueError, ArithmeticError)):
        market.set_price(Decimal(price))
    assert market.price == before


def test_a_price_can_be_live_before_gamma_shows_it(upstream):
    market = upstream.world.good_markets()[0]
    old = market.gamma_price
    market.set_price(Decimal("0.4237"), gamma=False)
    assert (market.price, market.gamma_price) == (Decimal("0.4237"), old)
    upstream.world.tick()
    assert market.gamma_price == Decimal("0.4237")


@pytest.mark.parametrize(
    ("outcome", "prices", "winners"),
    [
        ("this", ["1", "0"], [True, False]),
        ("that", ["0", "1"], [False, True]),
        ("50-50", ["0.5", "0.5"], [False, False]),
    ],
)
def test_a_resolved_market_says_so_in_both_sources(upstream, caller: Caller, outcome, prices, winners):
    market = upstream.world.good_markets()[0]
    market.resolve(outcome)
    gamma = caller.get(f"/markets/{market.id}").json
    assert gamma["closed"]
    assert gamma["umaResolutionStatus"] == "resolved"
    assert json.loads(gamma["outcomePrices"]) == prices
    assert gamma["closedTime"].endswith("+00")
    assert gamma["automaticallyResolved"]
    assert gamma["resolvedBy"].startswith("0x")
    assert "volume24hr" not in gamma
    clob = caller.get(f"/markets/{market.condition_id}").json
    assert clob["closed"]
    assert [token["winner"] for token in clob["tokens"]] == winners
    assert clob["is_50_50_outcome"] is (outcome == "50-50")


def test_the_second_source_may_disagree_wait_or_lose_its_flag(upstream, caller):
    wrong, late, unflagged = upstream.world.good_markets()[:3]
    wrong.resolve("this", clob="that", status=None, accepting=True)
    late.resolve("this", clob="pending")
    unflagged.resolve("50-50", fifty_flag=False)
    gamma = caller.get(f"/markets/{wrong.id}").json
    assert "umaResolutionStatus" not in gamma
    assert gamma["acceptingOrders"] is True
    tokens = caller.get(f"/markets/{wrong.condition_id}").json["tokens"]
    assert [token["winner"] for token in tokens] == [False, True]
    assert not any(token["winner"] for token in caller.get(f"/markets/{late.condition_id}").json["tokens"])
    fifty = caller.get(f"/markets/{unflagged.condition_id}").json
    assert fifty["is_50_50_outcome"] is False
    assert [token["price"] for token in fifty["tokens"]] == [0.5, 0.5]


def test_proposing_and_disputing_leave_it_open(upstream, caller):
    market = upstream.world.good_markets()[0]
    market.propose("this")
    market.dispute()
    gamma = caller.get(f"/markets/{market.id}").json
    assert gamma["closed"] is False
    assert gamma["umaResolutionStatus"] == "disputed"
    assert json.loads(gamma["umaResolutionStatuses"]) == ["proposed", "disputed"]


def test_a_renamed_placeholder_keeps_its_id(upstream, caller):
    market = next(market for market in upstream.world.markets if market.placeholder)
    slug = market.slug
    market.rename("Vera Lund")
    gamma = caller.get(f"/markets/{market.id}").json
    assert gamma["groupItemTitle"] == "Vera Lund"
    assert "Vera Lund" in gamma["question"]
    assert gamma["active"]
    assert gamma["slug"] == slug
    assert "outcomePrices" in gamma
