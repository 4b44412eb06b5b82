from decimal import Decimal

import pytest


def test_midpoints_are_text_and_a_token_without_a_book_is_left_out(upstream, caller):
    market, closed = upstream.world.good_markets()[:2]
    closed.close()
    market.set_price(Decimal("0.435"))
    asked = [{"token_id": token} for token in (*market.tokens, *closed.tokens, "123")]
    response = caller.post("/midpoints", asked)
    assert response.status == 200
    assert response.json == {market.tokens[0]: "0.435", market.tokens[1]: "0.565"}


def test_one_midpoint_one_price_and_one_spread(upstream, caller):
    market = upstream.world.good_markets()[0]
    market.set_price(Decimal("0.435"))
    token = market.tokens[0]
    assert caller.get("/midpoint", token_id=token).json == {"mid": "0.435"}
    bid = Decimal(caller.get("/price", token_id=token, side="BUY").json["price"])
    ask = Decimal(caller.get("/price", token_id=token, side="SELL").json["price"])
    assert bid < Decimal("0.435") < ask
    assert Decimal(caller.get("/spread", token_id=token).json["spread"]) == ask - bid
    assert caller.get("/price", token_id=token, side="HOLD").status == 400


def test_prices_in_a_batch_are_by_token_and_side(upstream, caller):
    token = upstream.world.good_markets()[0].tokens[0]
    response = caller.post("/prices", [{"token_id": token, "side": "BUY"}, {"token_id": token, "side": "SELL"}]).json
    assert set(response[token]) == {"BUY", "SELL"}
    assert all(isinstance(price, str) for price in response[token].values())


@pytest.mark.parametrize("path", ["/midpoints", "/prices", "/books", "/spreads"])
def test_the_plural_paths_never_respond_to_a_get(caller, path):
    assert caller.get(path, token_ids="1").status == 400


@pytest.mark.parametrize("body", [{"token_id": "1"}, "text", [1], [{"token": "1"}], None, [{"token_id": "1"}] * 501])
def test_a_batch_that_is_no_list_of_tokens_or_too_long_is_refused(caller, body):
    assert caller.post("/midpoints", body).status == 400


def test_a_body_that_is_no_json_is_refused(caller):
    assert caller.send("POST", "/midpoints", "{not json").status == 400


def test_the_best_bid_and_ask_are_last_in_the_book(upstream, caller):
    market = upstream.world.good_markets()[0]
    market.set_price(Decimal("0.5"))
    for token in market.tokens:
        book = caller.get("/book", token_id=token).json
        bids, asks = ([Decimal(order["price"]) for order in book[side]] for side in ("bids", "asks"))
        assert bids == sorted(bids)
        assert asks == sorted(asks, reverse=True)
        assert (bids[-1] + asks[-1]) / 2 == Decimal("0.5")
        assert book["market"] == market.condition_id
        assert book["asset_id"] == token


def test_a_market_nobody_bids_on_has_an_empty_side(upstream, caller):
    market = upstream.world.good_markets()[0]
    market.set_price(Decimal("0.00005"))
    book = caller.get("/book", token_id=market.tokens[0]).json
    assert (book["bids"], book["last_trade_price"]) == ([], "")
    assert book["asks"]


def test_closed_brand_new_and_unknown_tokens_have_no_book(upstream, caller):
    closed, fresh = upstream.world.good_markets()[:2]
    closed.close()
    fresh.drop_prices()
    for token in (closed.tokens[0], fresh.tokens[0], "42", closed.slug):
        for path in ("/book", "/midpoint", "/spread"):
            assert caller.get(path, token_id=token).status == 404
    assert caller.get("/book").status == 400
    assert caller.get("/markets/0xdead").status == 404


def test_the_clob_is_a_tick_ahead_of_gamma(upstream, caller):
    upstream.world.tick()
    market = next(market for market in upstream.world.good_markets() if market.price != market.gamma_price)
    live = caller.get("/midpoint", token_id=market.tokens[0]).json["mid"]
    gamma = caller.get(f"/markets/{market.id}").json["outcomePrices"]
    assert f'["{live}"' not in gamma
    upstream.world.tick()
    assert f'["{live}"' in caller.get(f"/markets/{market.id}").json["outcomePrices"]


def test_a_history_rises_in_time_and_ends_at_the_live_price(upstream, caller):
    market = upstream.world.good_markets()[0]
    query = {"market": market.tokens[0], "interval": "1d", "fidelity": 60}
    history = caller.get("/prices-history", **query).json["history"]
    times = [point["t"] for point in history]
    assert len(times) == 24
    assert times == sorted(times)
    assert history[-1] == {"t": int(upstream.world.now.timestamp()), "p": float(market.price)}
    assert all(0 < point["p"] < 1 for point in history)
    assert caller.get("/prices-history", **query).json["history"] == history
    assert caller.get("/prices-history", market="5", interval="1d").json == {"history": []}


@pytest.mark.parametrize(
    "query",
    [
        {"interval": "1m", "fidelity": 9},
        {"interval": "1w", "fidelity": 4},
        {"interval": "2y"},
        {},
        {"startTs": 1_000_000, "endTs": 1_000_000 + 16 * 86_400},
    ],
)
def test_a_history_refuses_windows_upstream_refuses(upstream, caller, query):
    token = upstream.world.good_markets()[0].tokens[0]
    assert caller.get("/prices-history", market=token, **query).status == 400
    assert caller.get("/prices-history", interval="1d").status == 400


def test_a_history_can_be_asked_by_its_ends(upstream, caller):
    token = upstream.world.good_markets()[0].tokens[0]
    now = int(upstream.world.now.timestamp())
    history = caller.get("/prices-history", market=token, startTs=now - 7200, endTs=now, fidelity=10).json["history"]
    assert len(history) == 12
