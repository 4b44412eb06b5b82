"""Local books: snapshots and changes in, the same prices out as of a book that was requested."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markets import rules
from markets.feed.books import BadEventError, Books, Kind, Trust, _price, prices_of_market, read_events
from markets.polymarket.books import LEVELS_MAX, shown_prices

THIS, THAT = "1", "2"
BOUNDS: dict[str, Any] = {"depth": rules.PRICE_DEPTH, "max_spread": rules.MAX_SPREAD}


def snapshot(token: str, bids: dict[str, str], asks: dict[str, str], *, at: int = 100, **more: str) -> dict[str, Any]:
    sides = [[{"price": price, "size": size} for price, size in side.items()] for side in (bids, asks)]
    return {"event_type": "book", "asset_id": token, "timestamp": str(at), "bids": sides[0], "asks": sides[1], **more}


def change(price: str, side: str, size: str, *, token: str = THIS, **more: str) -> dict[str, str]:
    return {"asset_id": token, "price": price, "side": side, "size": size, "hash": "0x1", **more}


def changed(*changes: dict[str, str], at: int = 101) -> dict[str, Any]:
    return {"event_type": "price_change", "market": "0x1", "price_changes": list(changes), "timestamp": str(at)}


def take_all(books: Books, frame: str | bytes) -> None:
    for event in read_events(frame) or [{}]:
        books.take(event)


@pytest.fixture
def books() -> Books:
    """Of a market at 0.40 and 0.44."""
    found = Books()
    found.add([THIS, THAT])
    found.take(snapshot(THIS, {"0.39": "500", "0.40": "1000"}, {"0.44": "1000", "0.45": "500"}))
    found.take(snapshot(THAT, {"0.56": "1000"}, {"0.60": "1000"}))
    return found


def prices(books: Books) -> tuple[str, ...] | None:
    shown = prices_of_market(books, (THIS, THAT), **BOUNDS)
    return (str(shown.odds), str(shown.bid), str(shown.ask)) if shown else None


def test_a_snapshot_gives_prices(books):
    assert prices(books) == ("0.4200", "0.4000", "0.4400")


def test_a_change_says_what_stands_at_a_price_from_then_on(books):
    books.take(changed(change("0.42", "BUY", "300"), change("0.58", "SELL", "300", token=THAT)))
    assert prices(books) == ("0.4300", "0.4200", "0.4400")
    books.take(changed(change("0.42", "BUY", "0"), change("0.58", "SELL", "0", token=THAT), at=102))
    assert prices(books) == ("0.4200", "0.4000", "0.4400")


@pytest.mark.parametrize("stated", [{"event_type": "price_change"}, {}], ids=["typed", "untyped"])
@pytest.mark.parametrize("shape", ["new", "old"])
def test_both_shapes_of_a_change_mean_the_same(books, stated, shape):
    level = {"price": "0.41", "side": "BUY", "size": "200"}
    both = {
        "new": {"price_changes": [{**level, "asset_id": THIS}], "market": "0x1", "timestamp": "101"},
        "old": {"changes": [level], "asset_id": THIS, "market": "0x1", "timestamp": "101", "hash": "0x2"},
    }
    assert books.take({**stated, **both[shape]}) == Kind.PRICE_CHANGE
    assert books[THIS].top == (Decimal("0.41"), Decimal("0.44"))


def test_a_wide_market_shows_its_last_trade(books):
    books.take(changed(change("0.40", "BUY", "0"), change("0.39", "BUY", "0"), change("0.60", "SELL", "0", token=THAT)))
    books.take({"event_type": "last_trade_price", "asset_id": THAT, "price": "0.55", "timestamp": "103"})
    assert prices(books) == ("0.4500", "None", "0.4400")
    books.take({"event_type": "last_trade_price", "asset_id": THIS, "price": "0.43", "timestamp": "104"})
    assert prices(books) == ("0.4300", "None", "0.4400")


def test_a_copy_of_an_event_changes_nothing(books):
    event = changed(change("0.41", "BUY", "200"))
    books.take(event)
    books.take(changed(change("0.42", "BUY", "200"), at=102))
    books.take(event)
    assert books[THIS].trust == Trust.TRUSTED
    assert books[THIS].top.bid == Decimal("0.42")


def test_a_change_older_than_what_is_known_is_a_gap(books):
    books.take(changed(change("0.41", "BUY", "200"), at=105))
    books.take(changed(change("0.41", "BUY", "100"), at=103))
    assert books.gaps == {THIS: "out_of_order"}
    assert prices(books) is None


@pytest.mark.parametrize(("bid", "ask", "fits"), [("0.41", "0.44", True), ("0.42", "0.44", False), ("0", "1", False)])
def test_best_prices_beside_a_change_have_to_fit(books, bid, ask, fits):
    books.take(changed(change("0.41", "BUY", "200", best_bid=bid, best_ask=ask)))
    assert books.gaps == ({} if fits else {THIS: "best_prices"})


def test_best_prices_apart_from_a_change_have_to_fit_a_moment_later(books):
    """What they follow from may come after them."""
    best = {"event_type": "best_bid_ask", "asset_id": THIS, "best_bid": "0.41", "best_ask": "0.44", "timestamp": "101"}
    books.take(best)
    books.settle_claims()
    books.take(changed(change("0.41", "BUY", "200")))
    books.settle_claims()
    assert books.gaps == {}
    books.take({**best, "best_bid": "0.43", "timestamp": "102"})
    books.settle_claims()
    books.settle_claims()
    assert books.gaps == {THIS: "best_bid_ask"}


def test_a_requested_book_fills_a_gap_with_what_came_meanwhile(books):
    books.distrust(THIS, "sample")
    books.take(changed(change("0.41", "BUY", "200"), at=150))
    books.take(changed(change("0.40", "BUY", "7"), at=90))
    assert books.resync(THIS, snapshot(THIS, {"0.40": "900"}, {"0.44": "900"}, at=120))
    assert books[THIS].top == (Decimal("0.41"), Decimal("0.44"))
    assert books[THIS].bids.sizes[Decimal("0.40")] == 900
    assert prices(books) is not None


def test_a_token_without_a_book_leaves_the_price_to_the_other(books):
    books.resync(THIS, None)
    assert prices(books) == ("0.4200", "0.4000", "0.4400")
    books.resync(THAT, None)
    assert prices(books) is None


def test_what_is_not_subscribed_to_is_left_alone(books):
    books.take(changed(change("0.41", "BUY", "200", token="3")))
    books.take(snapshot("3", {}, {}))
    assert "3" not in books


BROKEN = [
    None, [], "book", 7, {}, {"event_type": "book"}, {"event_type": "book", "asset_id": THIS, "bids": {}, "asks": []},
    {"event_type": "price_change"}, {"event_type": "price_change", "price_changes": {"a": 1}},
    {"event_type": "price_change", "price_changes": [7]}, changed(change("1.5", "BUY", "1")), changed(change("0.4", "HOLD", "1")),
    changed(change("0.4", "BUY", "-1")), changed(change("0.4", "BUY", "1e999")), changed(change("NaN", "BUY", "1")),
    {"event_type": "last_trade_price", "asset_id": THIS, "price": "a lot"}, {"event_type": "best_bid_ask", "asset_id": THIS},
    {"event_type": "best_bid_ask", "asset_id": ["1"], "best_bid": "0.1", "best_ask": "0.2"},
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_read_is_an_error_and_leaves_the_other_book_alone(books, broken):
    with pytest.raises(BadEventError):
        take_all(books, json.dumps(broken))
    assert books[THAT].trust == Trust.TRUSTED
    assert books[THIS].trust in (Trust.TRUSTED, Trust.GAP)


@pytest.mark.parametrize("frame", ["", "{", "PONG?", "\x00", "[" * 100_000, b"\xff", "NaN"], ids=range(7))
def test_a_frame_that_is_no_json_is_an_error(frame):
    with pytest.raises(BadEventError):
        take_all(Books(), frame)


@pytest.mark.parametrize("kind", ["new_market", "tick_size_change", "market_resolved", "volcano", 7, None])
def test_other_events_change_no_book(books, kind):
    books.changed.clear()
    books.take({"event_type": kind, "market": "0x1", "asset_id": THIS})
    assert not books.changed


PRICES = st.integers(1, 99).map(lambda cents: f"0.{cents:02}")
SIZES = st.one_of(st.just("0"), st.integers(1, 30_000).map(lambda parts: f"{parts / 100:.2f}"))
CHANGES = st.lists(
    st.tuples(st.sampled_from([THIS, THAT]), PRICES, st.sampled_from(["BUY", "SELL"]), SIZES), max_size=40
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CHANGES)
def test_after_any_changes_prices_are_those_of_the_same_book_requested(changes):
    """The reference: levels by price, sent whole and read as the refresh of the odds reads them."""
    books = Books()
    books.add([THIS, THAT])
    reference: dict[str, dict[str, dict[str, str]]] = {token: {"BUY": {}, "SELL": {}} for token in (THIS, THAT)}
    for token in (THIS, THAT):
        books.take(snapshot(token, {}, {}))
    for number, (token, price, side, size) in enumerate(changes):
        books.take(changed(change(price, side, size, token=token), at=101 + number))
        reference[token][side][price] = size
    sent = {token: snapshot(token, sides["BUY"], sides["SELL"]) for token, sides in reference.items()}
    assert prices_of_market(books, (THIS, THAT), **BOUNDS) == shown_prices(sent, (THIS, THAT), **BOUNDS)
    assert all(books.take_sample(token, sent[token]) for token in (THIS, THAT))


def test_a_price_may_be_a_number(books):
    take_all(books, json.dumps(changed({**change("0", "BUY", "200"), "price": 0.41, "size": 200})))
    assert books[THIS].top.bid == Decimal("0.41")


def test_levels_without_end_are_a_gap_and_take_no_more_memory(books):
    for number in range(0, LEVELS_MAX + 5_000, 5_000):
        sent = [change(f"0.{each:09}1", "BUY", "1") for each in range(number, number + 5_000)]
        books.take(changed(*sent, at=101 + number))
    assert books.gaps == {THIS: "too_many_levels"}
    assert len(books[THIS].bids.prices) <= LEVELS_MAX + 1


def test_long_texts_for_prices_are_not_kept(books):
    """Prices are cached by their text."""
    kept = _price.cache_info().currsize
    with pytest.raises(BadEventError):
        books.take(changed(change("0." + "4" * 1_000_000, "BUY", "1")))
    assert _price.cache_info().currsize == kept
