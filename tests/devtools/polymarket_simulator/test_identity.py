"""Commands that do what upstream was seen to do to markets it had already shown: new words, ids, places, and no longer there."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from devtools.simulators.polymarket import Market, Simulator

from .conftest import Caller


@pytest.fixture
def market(upstream: Simulator) -> Market:
    market = upstream.world.good_markets()[0]
    market.set_book([("0.3", 10)], [("0.34", 10)])
    return market


def _gamma(caller: Caller, market: Market) -> Any:
    return caller.get(f"/markets/{market.id}").json


def _listed(caller: Caller, **query: object) -> set[str]:
    return {market["id"] for market in caller.walk("/markets/keyset", "markets", limit=100, **query)}


@pytest.mark.parametrize("chosen", [set(), {"outcomes"}, {"prices"}, {"tokens"}, {"outcomes", "prices", "tokens"}])
def test_lists_are_reversed_alone_or_together(caller, market, chosen):
    lists = {"outcomes": "outcomes", "prices": "outcomePrices", "tokens": "clobTokenIds"}
    before = _gamma(caller, market)
    market.reorder(**{name: name in chosen for name in lists})
    after = _gamma(caller, market)
    for name, key in lists.items():
        old, new = json.loads(before[key]), json.loads(after[key])
        assert new == (old[::-1] if name in chosen else old)
    expected = (0.66, 0.7, 0.7) if "prices" in chosen else (0.3, 0.34, 0.3)
    assert (after["bestBid"], after["bestAsk"], after["lastTradePrice"]) == expected
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.32"}
    market.reorder(**{name: name in chosen for name in lists})
    assert _gamma(caller, market)["outcomePrices"] == before["outcomePrices"]


def test_a_reordered_market_resolves_in_its_new_order(caller, market):
    market.reorder()
    market.resolve("this")
    assert json.loads(_gamma(caller, market)["outcomePrices"]) == ["0", "1"]


def test_new_tokens_have_the_book_and_the_old_ones_have_none(caller, market):
    old = market.tokens
    market.change_tokens()
    assert set(old).isdisjoint(market.tokens)
    assert json.loads(_gamma(caller, market)["clobTokenIds"]) == list(market.tokens)
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.32"}
    assert caller.get("/midpoint", token_id=old[0]).status == 404
    clob = caller.get(f"/markets/{market.condition_id}").json
    assert [token["token_id"] for token in clob["tokens"]] == list(market.tokens)
    assert _listed(caller, closed="false", clob_token_ids=market.tokens[1]) == {market.id}
    assert _listed(caller, closed="false", clob_token_ids=old[1]) == set()


def test_outcomes_get_other_names_or_the_same(upstream, caller, market):
    market.rename_outcomes("Up", "Down")
    assert json.loads(_gamma(caller, market)["outcomes"]) == ["Up", "Down"]
    with pytest.raises(ValueError, match="binary"):
        next(other for other in upstream.world.markets if len(other.outcomes) > 2).equal_outcomes()
    market.equal_outcomes()
    assert json.loads(_gamma(caller, market)["outcomes"]) == ["Up", "Up"]
    assert [token["outcome"] for token in caller.get(f"/markets/{market.condition_id}").json["tokens"]] == ["Up", "Up"]


def test_words_are_edited_or_blanked(caller, market):
    market.edit(question="Will it rain?", description="By noon.")
    for shown in (_gamma(caller, market), caller.get(f"/markets/{market.condition_id}").json):
        assert (shown["question"], shown["description"]) == ("Will it rain?", "By noon.")
    market.blank_question()
    assert (_gamma(caller, market)["question"], _gamma(caller, market)["description"]) == ("", "By noon.")


def test_a_closed_market_without_a_result_opens_again(caller, market):
    market.propose("this")
    market.close()
    market.reopen()
    gamma = _gamma(caller, market)
    assert (gamma["closed"], gamma["acceptingOrders"]) == (False, True)
    assert "umaResolutionStatus" not in gamma
    assert "closedTime" not in gamma
    assert caller.get("/midpoint", token_id=market.tokens[0]).status == 200
    with pytest.raises(ValueError, match="without a result"):
        market.reopen()
    market.resolve("this")
    with pytest.raises(ValueError, match="without a result"):
        market.reopen()


def test_flags_are_set_and_taken_back(caller, market):
    market.archive()
    assert _gamma(caller, market)["archived"] is True
    assert caller.get(f"/markets/{market.condition_id}").json["archived"] is True
    assert market.id not in _listed(caller, closed="false", archived="false")
    market.unarchive()
    assert market.id in _listed(caller, closed="false", archived="false")
    market.deactivate()
    assert _gamma(caller, market)["active"] is False
    assert caller.get("/book", token_id=market.tokens[0]).status == 404
    market.activate()
    assert caller.get("/book", token_id=market.tokens[0]).status == 200


def test_a_deleted_market_is_nowhere_until_restored(caller, market):
    def nested() -> set[str]:
        return {item["id"] for item in caller.get(f"/events/{market.event.id}").json["markets"]}

    def statuses() -> set[int]:
        token = market.tokens[0]
        return {
            caller.get(f"/markets/{market.id}").status,
            caller.get(f"/markets/slug/{market.slug}").status,
            caller.get(f"/markets/{market.condition_id}").status,
            caller.get("/book", token_id=token).status,
            caller.get("/midpoint", token_id=token).status,
        }

    market.delete()
    assert statuses() == {404}
    assert market.id not in _listed(caller, closed="false") | nested()
    for closed in ("true", "false"):
        assert _listed(caller, closed=closed, condition_ids=market.condition_id) == set()
    assert caller.post("/midpoints", [{"token_id": market.tokens[0]}]).json == {}
    assert not market.is_good
    market.restore()
    assert statuses() == {200}
    assert market.id in _listed(caller, closed="false") & nested()


def test_a_deleted_event_takes_its_markets_along(upstream, caller, market):
    event = market.event
    own = {other.id for other in event.markets}
    event.delete()
    assert caller.get(f"/events/{event.id}").status == 404
    assert event.id not in {item["id"] for item in caller.walk("/events/keyset", "events", limit=100)}
    assert _listed(caller, closed="false").isdisjoint(own)
    assert caller.get("/book", token_id=market.tokens[0]).status == 404
    upstream.world.tick(5)
    event.restore()
    assert caller.get(f"/events/{event.id}").status == 200
    assert market.id in _listed(caller, closed="false")


def test_an_events_words_flags_and_end_change(caller, market):
    event = market.event
    event.edit(title="Another title", description="Other rules.")
    event.archive()
    event.deactivate()
    event.move_end(datetime(2027, 1, 2, tzinfo=UTC))
    shown = caller.get(f"/events/{event.id}").json
    assert (shown["title"], shown["description"]) == ("Another title", "Other rules.")
    assert (shown["archived"], shown["active"], shown["endDate"]) == (True, False, "2027-01-02T00:00:00Z")
    assert _gamma(caller, market)["description"] == "Other rules."
    event.unarchive()
    event.activate()
    shown = caller.get(f"/events/{event.id}").json
    assert (shown["archived"], shown["active"]) == (False, True)


def test_the_end_moves_or_goes(caller, market):
    market.move_end(datetime(2027, 3, 1, 5, tzinfo=UTC))
    assert _gamma(caller, market)["endDate"] == "2027-03-01T05:00:00Z"
    market.move_end(None)
    assert "endDate" not in _gamma(caller, market)
    assert caller.get(f"/markets/{market.condition_id}").json["end_date_iso"] is None


def test_two_markets_may_list_one_condition_id(upstream, caller, market):
    other = upstream.world.good_markets()[1]
    market.duplicate_condition_id(other)
    assert _listed(caller, closed="false", condition_ids=other.condition_id) == {market.id, other.id}
    assert caller.get(f"/markets/{other.condition_id}").json["question"] == other.question


def test_a_market_moves_to_another_event(upstream, caller, market):
    old = market.event
    new = next(other.event for other in upstream.world.good_markets() if other.event is not old)
    market.move_to_event(new)
    assert market.id not in {item["id"] for item in caller.get(f"/events/{old.id}").json["markets"]}
    assert market.id in {item["id"] for item in caller.get(f"/events/{new.id}").json["markets"]}
    assert [event["id"] for event in _gamma(caller, market)["events"]] == [new.id]


def test_a_result_changes_in_both_sources_or_in_one(caller, market):
    with pytest.raises(ValueError, match="decided"):
        market.change_result("that")
    market.resolve("this")
    market.change_result("that")
    assert json.loads(_gamma(caller, market)["outcomePrices"]) == ["0", "1"]
    tokens = caller.get(f"/markets/{market.condition_id}").json["tokens"]
    assert [token["winner"] for token in tokens] == [False, True]
    market.change_result("50-50", clob="that")
    assert json.loads(_gamma(caller, market)["outcomePrices"]) == ["0.5", "0.5"]
    tokens = caller.get(f"/markets/{market.condition_id}").json["tokens"]
    assert [token["winner"] for token in tokens] == [False, True]


def test_identities_are_commanded_over_http(upstream, caller, market):
    other = upstream.world.good_markets()[1]

    def command(do: str, **options: object) -> int:
        return caller.post("/_control/market", {"market": market.id, "do": do, **options}).status

    for do, options in (
        ("reorder", {"prices": False}),
        ("change_tokens", {}),
        ("rename_outcomes", {"a": "Left", "b": "Right"}),
        ("edit", {"question": "Which?"}),
        ("move_end", {"date": "2027-03-01T05:00:00Z"}),
        ("move_to_event", {"other_event": other.event.id}),
        ("duplicate_condition_id", {"other": other.id}),
        ("delete", {}),
        ("restore", {}),
        ("resolve", {"outcome": "this"}),
        ("change_result", {"outcome": "that"}),
    ):
        assert command(do, **options) == 200, do
    shown = _gamma(caller, market)
    assert (shown["question"], shown["outcomes"]) == ("Which?", '["Right", "Left"]')
    assert shown["endDate"] == "2027-03-01T05:00:00Z"
    assert (market.event, market.condition_id) == (other.event, other.condition_id)
    for do, options in (
        ("change_result", {"outcome": "maybe"}),
        ("move_end", {"date": "soon"}),
        ("move_end", {"date": 7}),
        ("move_to_event", {"other_event": "nowhere"}),
        ("reopen", {}),
    ):
        assert command(do, **options) == 400, do


def test_events_are_commanded_over_http(caller, market):
    event = market.event
    assert caller.post("/_control/event", {"event": event.id, "do": "edit", "title": "T"}).json["title"] == "T"
    assert caller.post("/_control/event", {"event": event.slug, "do": "delete"}).status == 200
    assert caller.get(f"/events/{event.id}").status == 404
    assert caller.post("/_control/event", {"event": event.id, "do": "restore"}).status == 200
    assert caller.get(f"/events/{event.id}").status == 200
    for wrong in ({"event": "nowhere", "do": "delete"}, {"event": event.id, "do": "touch"}, {"event": event.id}):
        assert caller.post("/_control/event", wrong).status == 400


def test_deleted_markets_do_not_count_in_their_event(upstream):
    event = next(event for event in upstream.world.events if len(event.listed) > 1 and not event.closed)
    first = event.listed[0]
    before = Decimal(event.volume)
    first.delete()
    assert Decimal(event.volume) == pytest.approx(before - Decimal(first.volume))
