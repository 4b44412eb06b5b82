import json
from typing import Any

import pytest

from devtools.simulators.polymarket import Market, Simulator

VALUES: list[Any] = [2**80, -(2**63) - 1, "x" * 300, "HTTPS://EXAMPLE.ORG/a.png", None, [1], {"a": [None]}, True, 1e308]


@pytest.fixture
def market(upstream: Simulator) -> Market:
    return upstream.world.good_markets()[0]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("field", ["id", "volumeNum", "image", "outcomes", "notThereBefore"])
def test_any_value_in_any_field_of_gamma(caller, market, field, value):
    market.poison(field, value)
    listed = caller.get("/markets/keyset", closed="false", condition_ids=market.condition_id).json["markets"]
    nested = caller.get(f"/events/{market.event.id}").json["markets"]
    assert [item[field] for item in listed] == [value]
    assert value in [item.get(field) for item in nested]
    market.cure()
    cured = caller.get(f"/markets/{market.id}").json
    assert (field in cured) == (field != "notThereBefore")
    assert cured.get(field) != value or value is None
    assert cured["id"] == market.id


@pytest.mark.parametrize("value", VALUES)
def test_any_value_in_any_field_of_the_clob(caller, market, value):
    token = market.tokens[0]
    for field in ("question", "neg_risk", "token_id", "bids", "timestamp", "mid"):
        market.poison(field, value, host="clob")
    clob = caller.get(f"/markets/{market.condition_id}").json
    assert (clob["question"], clob["neg_risk"], clob["tokens"][1]["token_id"]) == (value, value, value)
    assert "bids" not in clob
    (book,) = caller.post("/books", [{"token_id": token}]).json
    assert (book["bids"], book["neg_risk"], book["timestamp"]) == (value, value, value)
    assert "question" not in book
    assert caller.post("/midpoints", [{"token_id": token}]).json == {token: value}
    assert caller.post("/last-trades-prices", [{"token_id": token}]).json[0]["token_id"] == value
    market.cure()
    assert caller.get("/book", token_id=token).json["asset_id"] == token
    assert caller.get("/midpoint", token_id=token).json["mid"] != value


def test_poison_spoils_no_other_market(upstream, caller, market):
    others = [other for other in upstream.world.good_markets() if other is not market][:5]
    before = [caller.get(f"/markets/{other.id}").body for other in others if other.event is not market.event]
    market.poison("question", None)
    assert [caller.get(f"/markets/{o.id}").body for o in others if o.event is not market.event] == before


def test_a_price_can_be_poisoned_in_every_list(caller, market):
    token = market.tokens[0]
    market.poison("price", "1e400", host="clob")
    assert caller.get("/price", token_id=token, side="BUY").json == {"price": "1e400"}
    assert caller.post("/prices", [{"token_id": token, "side": "SELL"}]).json == {token: {"SELL": "1e400"}}
    assert caller.post("/last-trades-prices", [{"token_id": token}]).json[0]["price"] == "1e400"


def test_poison_is_given_over_http(caller, market):
    body = {"market": market.id, "do": "poison", "field": "clobTokenIds", "value": json.dumps([1, 2])}
    assert caller.post("/_control/market", body).status == 200
    assert caller.get(f"/markets/{market.id}").json["clobTokenIds"] == "[1, 2]"
    assert caller.post("/_control/market", {**body, "host": "moon"}).status == 400
    assert caller.post("/_control/market", {"market": market.id, "do": "poison", "field": "id"}).status == 400
    assert caller.post("/_control/market", {"market": market.id, "do": "cure"}).status == 200
    assert json.loads(caller.get(f"/markets/{market.id}").json["clobTokenIds"]) == list(market.tokens)
