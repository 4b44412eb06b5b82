import json
from decimal import Decimal
from typing import Any

import pytest

from devtools.simulators.polymarket import Market, Simulator, World

from .conftest import START, Caller

BIDS = [("0.40", "100"), ("0.39", "250.5")]
ASKS = [("0.42", "30"), ("0.45", "1000")]


@pytest.fixture
def market(upstream: Simulator) -> Market:
    return upstream.world.good_markets()[0]


def _book(caller: Caller, token: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Both sides, the best first, as `/books` gives them by default."""
    (book,) = caller.post("/books", [{"token_id": token}]).json
    bids, asks = ([(order["price"], order["size"]) for order in book[side][::-1]] for side in ("bids", "asks"))
    return bids, asks


def _mirrored(orders: list[tuple[str, str]]) -> list[tuple[Decimal, str]]:
    return [(1 - Decimal(price), size) for price, size in orders]


def _numbers(orders: list[tuple[str, str]]) -> list[tuple[Decimal, str]]:
    return [(Decimal(price), size) for price, size in orders]


def _shares_within(orders: list[tuple[str, str]], ticks: int, tick: Decimal) -> Decimal:
    best = Decimal(orders[0][0])
    return sum((Decimal(size) for price, size in orders if abs(Decimal(price) - best) <= ticks * tick), Decimal(0))


def test_the_two_tokens_of_a_market_mirror_each_other(upstream, caller):
    for market in upstream.world.good_markets()[:40]:
        this, that = (_book(caller, token) for token in market.tokens)
        assert _mirrored(this[0]) == _numbers(that[1])
        assert _mirrored(this[1]) == _numbers(that[0])


def test_a_generated_book_is_sorted_and_deep_enough_near_its_middle(upstream, caller):
    deep = sides = 0
    for market in upstream.world.good_markets():
        bids, asks = _book(caller, market.tokens[0])
        assert _numbers(bids) == sorted(_numbers(bids), reverse=True)
        assert [Decimal(price) for price, _ in asks] == sorted(Decimal(price) for price, _ in asks)
        assert all(Decimal(size) > 0 for _, size in bids + asks)
        assert all(Decimal(price) % market.tick == 0 for price, _ in bids + asks)
        for side in (bids, asks):
            if len(side) > 4:
                sides += 1
                deep += _shares_within(side, 3, market.tick) >= 100
    assert sides > 100
    assert deep > 0.95 * sides


def test_spreads_are_mostly_one_to_four_ticks_and_sometimes_wider():
    world = World(seed=3, events=200, start=START)
    spreads = [market.spread for market in world.good_markets()]
    assert {1, 2, 3, 4} < set(spreads)
    assert 0 < sum(spread > 4 for spread in spreads) < 0.15 * len(spreads)


def test_books_move_with_ticks_and_are_the_same_for_the_same_seed():
    def books() -> list[Any]:
        world = World(seed=5, events=30, start=START)
        seen: list[Any] = []
        for _ in range(3):
            seen.append([market.ladder(market.tokens[0]) for market in world.markets if market.has_book])
            world.tick()
        return seen

    first = books()
    assert first == books()
    assert first[0] != first[1] != first[2]


def test_every_live_price_follows_a_generated_book(upstream, caller):
    upstream.world.tick(3)
    for market in upstream.world.good_markets()[:30]:
        for token in market.tokens:
            bids, asks = _book(caller, token)
            bid, ask = Decimal(bids[0][0]) if bids else Decimal(0), Decimal(asks[0][0]) if asks else Decimal(1)
            assert Decimal(caller.get("/price", token_id=token, side="BUY").json["price"]) == bid
            assert Decimal(caller.get("/price", token_id=token, side="SELL").json["price"]) == ask
            assert Decimal(caller.post("/midpoints", [{"token_id": token}]).json[token]) == (bid + ask) / 2
            assert Decimal(caller.post("/spreads", [{"token_id": token}]).json[token]) == ask - bid


def test_a_book_that_was_set_is_everywhere(upstream, caller, market):
    market.set_book(bids=BIDS, asks=ASKS)
    this, that = market.tokens
    assert _book(caller, this) == (BIDS, [("0.42", "30"), ("0.45", "1000")])
    assert _book(caller, that) == ([("0.58", "30"), ("0.55", "1000")], [("0.6", "100"), ("0.61", "250.5")])
    assert caller.post("/midpoints", [{"token_id": this}, {"token_id": that}]).json == {this: "0.41", that: "0.59"}
    assert caller.get("/price", token_id=that, side="SELL").json == {"price": "0.6"}
    assert caller.post("/prices", [{"token_id": this, "side": "BUY"}]).json == {this: {"BUY": "0.4"}}
    assert caller.get("/spread", token_id=this).json == {"spread": "0.02"}
    gamma = caller.get(f"/markets/{market.id}").json
    shown = {key: gamma[key] for key in ("bestBid", "bestAsk", "spread", "lastTradePrice")}
    assert shown == {"bestBid": 0.4, "bestAsk": 0.42, "spread": 0.02, "lastTradePrice": 0.4}
    assert json.loads(gamma["outcomePrices"]) == ["0.41", "0.59"]
    upstream.world.tick(10)
    assert _book(caller, this)[0] == BIDS


def test_clearing_goes_back_to_the_generated_book(upstream, caller, market):
    before = _book(caller, market.tokens[0])
    market.set_book(BIDS, ASKS)
    market.set_spread(4)
    market.thin_book(3)
    market.clear_book()
    assert market.book.spread is None
    bids, asks = _book(caller, market.tokens[0])
    assert len(bids + asks) == len(before[0] + before[1])
    level = market.level
    upstream.world.tick(10)
    assert market.level != level


def test_a_price_that_is_set_replaces_a_book_that_was_set(caller, market):
    market.set_book(BIDS, ASKS)
    market.set_price(Decimal("0.7"))
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.7"}


def test_that_may_have_a_book_of_its_own(caller, market):
    market.set_book(BIDS, ASKS, that_bids=[("0.5", 10)], that_asks=[])
    assert _book(caller, market.tokens[1]) == ([("0.5", "10")], [])
    assert _book(caller, market.tokens[0])[0] == BIDS
    assert caller.get("/price", token_id=market.tokens[1], side="BUY").json == {"price": "0.5"}


def test_a_book_may_be_one_sided_empty_or_crossed(caller, market):
    token = market.tokens[0]
    market.set_book([], [("0.03", 5)])
    assert caller.get("/midpoint", token_id=token).json == {"mid": "0.015"}
    assert "bestBid" not in caller.get(f"/markets/{market.id}").json
    market.set_book([("0.6", 5)], [("0.5", 5)])
    assert caller.get("/spread", token_id=token).json == {"spread": "-0.1"}
    market.set_book([], [])
    assert _book(caller, token) == ([], [])
    assert caller.post("/midpoints", [{"token_id": token}]).json == {}
    assert caller.get("/midpoint", token_id=token).status == 404
    assert caller.get(f"/markets/{market.id}").json["bestAsk"] == 1


def test_any_text_may_stand_for_a_number(caller, market):
    nonsense = ["NaN", "-5", "abc", "1e400", "", "Infinity", "0.5 "]
    market.set_book([(text, "10") for text in nonsense[:-1]] + [("0.3", "5")], [("0.4", text) for text in nonsense])
    bids, asks = _book(caller, market.tokens[0])
    assert [price for price, _ in bids] == [*nonsense[:-1], "0.3"]
    assert [size for _, size in asks] == nonsense
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.35"}


@pytest.mark.parametrize("ticks", [1, 2, 3, 4, 11])
def test_a_spread_can_be_set_and_stays(upstream, caller, market, ticks):
    market.set_price(Decimal("0.435"))
    market.set_spread(ticks)
    market.price_held = False
    token = market.tokens[0]
    for _ in range(5):
        spread = Decimal(caller.get("/spread", token_id=token).json["spread"])
        assert spread == ticks * market.tick
        assert Decimal(caller.get("/midpoint", token_id=token).json["mid"]) == market.price
        upstream.world.tick()
    with pytest.raises(ValueError, match="no room"):
        market.set_spread(5000)


def test_a_thin_book_has_only_so_many_shares_a_side(caller, market):
    market.set_price(Decimal("0.5"))
    market.thin_book(70)
    for token in market.tokens:
        for side in _book(caller, token):
            assert sum(Decimal(size) for _, size in side) == 70
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.5"}
    market.thin_book(0)
    assert _book(caller, market.tokens[0]) == ([], [])


def test_dust_stands_inside_the_spread_and_moves_every_price(caller, market):
    market.set_book(BIDS, ASKS)
    market.add_dust("bid", "0.415", 1)
    market.add_dust("ask", "0.418", "0.5")
    this, that = (_book(caller, token) for token in market.tokens)
    assert (this[0][0], this[1][0]) == (("0.415", "1"), ("0.418", "0.5"))
    assert (that[0][0], that[1][0]) == (("0.582", "0.5"), ("0.585", "1"))
    assert caller.get("/midpoint", token_id=market.tokens[0]).json == {"mid": "0.4165"}
    assert caller.get(f"/markets/{market.id}").json["bestBid"] == 0.415
    for side, price in (("bid", "0.40"), ("ask", "0.5"), ("middle", "0.416")):
        with pytest.raises(ValueError):
            market.add_dust(side, price)


@pytest.mark.parametrize("path", ["/book", "/books"])
def test_the_best_orders_come_last_or_first(upstream, caller, market, path):
    def prices() -> list[Decimal]:
        token = market.tokens[0]
        given = caller.get(path, token_id=token) if path == "/book" else caller.post(path, [{"token_id": token}])
        book = given.json if path == "/book" else given.json[0]
        return [Decimal(order["price"]) for order in book["bids"]]

    market.set_price(Decimal("0.5"))
    rising = prices()
    assert rising == sorted(rising)
    assert caller.post("/_control/books", {"best_first": True}).status == 200
    assert prices() == rising[::-1]
    upstream.world.best_first = False
    assert prices() == rising
    assert caller.post("/_control/books", {"best_first": "yes"}).status == 400


def test_the_last_trade_follows_the_book_until_it_is_set(caller, market):
    this, that = market.tokens
    market.set_book(BIDS, ASKS)
    assert caller.post("/last-trades-prices", [{"token_id": this}, {"token_id": that}, {"token_id": "1"}]).json == [
        {"token_id": this, "price": "0.4", "side": "SELL"},
        {"token_id": that, "price": "0.6", "side": "BUY"},
    ]
    market.set_last_trade("0.25", "BUY")
    assert caller.get("/last-trade-price", token_id=that).json == {"price": "0.75", "side": "SELL"}
    assert caller.get("/book", token_id=this).json["last_trade_price"] == "0.25"
    assert caller.get(f"/markets/{market.id}").json["lastTradePrice"] == 0.25
    market.set_last_trade("NaN", that_price="0.9")
    shown = caller.post("/last-trades-prices", [{"token_id": this}, {"token_id": that}]).json
    assert [trade["price"] for trade in shown] == ["NaN", "0.9"]


def test_a_token_that_was_never_traded_has_no_last_trade(caller, market):
    market.set_last_trade(None)
    token = market.tokens[0]
    assert caller.post("/last-trades-prices", [{"token_id": token}]).json == []
    assert caller.get("/last-trade-price", token_id=token).json == {"price": "0.5", "side": ""}
    assert caller.get("/book", token_id=token).json["last_trade_price"] == ""
    assert caller.get("/last-trades-prices").status == 400


def test_books_are_commanded_over_http(caller, market):
    def command(do: str, **options: object) -> int:
        return caller.post("/_control/market", {"market": market.id, "do": do, **options}).status

    assert command("set_book", bids=[["0.2", 10]], asks=[["abc", "NaN"], [0.25, 7]]) == 200
    assert _book(caller, market.tokens[0]) == ([("0.2", "10")], [("abc", "NaN"), ("0.25", "7")])
    assert command("add_dust", side="bid", price="0.21", size="1") == 200
    assert command("set_last_trade", price="0.22", side="BUY") == 200
    assert command("thin_book", shares=3) == 200
    assert command("clear_book") == 200
    assert command("set_price", price="0.5") == 200
    assert command("set_spread", ticks=6) == 200
    assert market.spread == 6
    for do, options in (
        ("set_book", {"bids": 7, "asks": []}),
        ("set_book", {"bids": [["0.5"]], "asks": []}),
        ("set_spread", {"ticks": "wide"}),
        ("thin_book", {"shares": "NaN"}),
        ("add_dust", {"side": "bid", "price": "much"}),
        ("set_last_trade", {"price": "0.5", "side": "HOLD"}),
    ):
        assert command(do, **options) == 400


def test_rendered_books_follow_time_and_commands(upstream, caller, market):
    def fetch() -> Any:
        return caller.get("/book", token_id=market.tokens[0]).json

    first = fetch()
    assert fetch() == first
    market.set_price(market.price)
    upstream.world.tick()
    later = fetch()
    assert int(later["timestamp"]) == int(first["timestamp"]) + 60_000
    market.set_book(BIDS, ASKS)
    assert fetch()["hash"] != later["hash"]
