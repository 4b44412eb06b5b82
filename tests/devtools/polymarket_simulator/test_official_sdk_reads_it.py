"""Polymarket's own SDK is the judge of the simulator's shapes: it validates every object it reads."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from polymarket import PublicClient
from polymarket.environments import PRODUCTION, _create_environment
from polymarket.errors import PolymarketError
from polymarket.models.clob import PriceRequest

from devtools.simulators.polymarket import Simulator

from .conftest import START


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulator]:
    with Simulator(seed=21, events=130, start=START) as simulator:
        simulator.world.tick(30)
        yield simulator


def _client(upstream: Simulator) -> PublicClient:
    config = replace(PRODUCTION._config, gamma_url=upstream.gamma_url, clob_url=upstream.clob_url)
    return PublicClient(_create_environment(name="simulator", config=config))


@pytest.fixture(scope="module")
def sdk(upstream: Simulator) -> Iterator[PublicClient]:
    with _client(upstream) as client:
        yield client


@pytest.fixture
def commanded() -> Iterator[Simulator]:
    """A simulator that the test may change."""
    with Simulator(seed=21, events=30, start=START) as simulator:
        yield simulator


@pytest.mark.parametrize("closed", [False, True])
def test_the_sdk_lists_every_event_with_its_binary_markets_and_tags(upstream, sdk, closed):
    listed = [event for page in sdk.list_events(closed=closed, page_size=17) for event in page.items]
    expected = {event.id: event for event in upstream.world.events if event.closed is closed}
    assert len(listed) == len(expected)
    for event in listed:
        ours = expected[event.id]
        assert event.title == ours.title
        assert event.trading.neg_risk is ours.neg_risk
        assert [tag.slug for tag in event.tags] == [tag.slug for tag in ours.tags]
        binary = [market for market in ours.markets if len(market.outcomes) == 2]
        assert [market.id for market in event.markets] == [market.id for market in binary]
        assert float(event.metrics.volume) == pytest.approx(ours.volume)


@pytest.mark.parametrize("closed", [False, True])
def test_the_sdk_lists_every_binary_market_with_its_prices(upstream, sdk, closed):
    pages = sdk.list_markets(closed=closed, order="volume24hr", ascending=False, page_size=40, include_tag=True)
    listed = [market for page in pages for market in page.items]
    expected = {m.id: m for m in upstream.world.markets if m.closed is closed and len(m.outcomes) == 2}
    assert len(listed) == len(expected) == len({market.id for market in listed})
    for market in listed:
        ours = expected[market.id]
        prices = [Decimal(price) for price in ours.gamma_prices() or []] or [None, None]
        assert [market.outcomes.yes.price, market.outcomes.no.price] == prices
        assert (market.outcomes.yes.label, market.outcomes.no.label) == ours.outcomes
        assert (market.outcomes.yes.token_id, market.outcomes.no.token_id) == ours.tokens
        assert (market.condition_id or "") == ours.condition_id
        assert market.state.closed_time == (ours.closed_at and ours.closed_at.replace(microsecond=0))
        assert market.state.accepting_orders == ours.accepting
        assert market.resolution.uma_resolution_status == ours.uma_status
        assert [event.id for event in market.events] == [ours.event.id]
        assert [tag.slug for tag in market.tags] == [tag.slug for tag in ours.event.tags]


def test_the_sdk_filters_by_condition_token_and_id(upstream, sdk):
    asked = upstream.world.good_markets()[:30]
    for query in (
        {"condition_ids": [market.condition_id for market in asked]},
        {"clob_token_ids": [market.tokens[1] for market in asked]},
        {"ids": [market.number for market in asked]},
        {"slug": [market.slug for market in asked]},
    ):
        page = sdk.list_markets(closed=False, page_size=100, **query).first_page()
        assert {market.id for market in page.items} == {market.id for market in asked}
        assert not page.has_more


def test_the_sdk_reads_single_markets_and_events(upstream, sdk):
    ours = upstream.world.good_markets()[5]
    market = sdk.get_market(id=ours.id)
    assert market == sdk.get_market(slug=ours.slug)
    assert market.question == ours.question
    assert sdk.get_event(id=ours.event.id) == sdk.get_event(slug=ours.event.slug)
    assert [tag.slug for tag in sdk.get_event_tags(ours.event.id)] == [tag.slug for tag in ours.event.tags]
    assert sdk.get_market_tags(ours.id) == sdk.get_event_tags(ours.event.id)


def test_the_sdk_reads_all_tags(upstream, sdk):
    listed = [tag for page in sdk.list_tags(page_size=25) for tag in page.items]
    assert [tag.slug for tag in listed] == [tag.slug for tag in upstream.world.tags]


def test_the_sdk_reads_midpoints_prices_and_spreads(upstream, sdk):
    markets = upstream.world.good_markets()[:50]
    tokens = [token for market in markets for token in market.tokens]
    midpoints = sdk.get_midpoints(token_ids=tokens)
    assert midpoints == {
        token: price for m in markets for token, price in zip(m.tokens, (m.price, 1 - m.price), strict=True)
    }
    first = markets[0]
    assert sdk.get_midpoint(token_id=first.tokens[0]) == first.price
    buy, sell = (sdk.get_price(token_id=first.tokens[0], side=side) for side in ("BUY", "SELL"))
    assert sell - buy == sdk.get_spread(token_id=first.tokens[0])
    batch = sdk.get_prices(requests=[PriceRequest(first.tokens[0], "BUY"), PriceRequest(first.tokens[0], "SELL")])
    assert batch == {first.tokens[0]: {"BUY": buy, "SELL": sell}}


def test_the_sdk_reads_books_with_the_best_last(upstream, sdk):
    market = next(market for market in upstream.world.good_markets() if Decimal("0.2") < market.price < Decimal("0.8"))
    book = sdk.get_order_book(token_id=market.tokens[0])
    assert (book.bids[-1].price + book.asks[-1].price) / 2 == market.price
    assert max(level.price for level in book.bids) == book.bids[-1].price
    assert min(level.price for level in book.asks) == book.asks[-1].price
    assert book.condition_id == market.condition_id
    assert sdk.get_order_books(token_ids=list(market.tokens))[0] == book


def test_the_sdk_is_told_that_a_closed_token_has_no_book(upstream, sdk):
    closed = next(market for market in upstream.world.markets if market.closed and market.condition_id)
    with pytest.raises(PolymarketError, match="No orderbook exists"):
        sdk.get_order_book(token_id=closed.tokens[0])


def test_the_sdk_reads_last_trades(upstream, sdk):
    tokens = [token for market in upstream.world.good_markets()[:50] for token in market.tokens]
    trades = {trade.asset_id: trade for trade in sdk.get_last_trade_prices(token_ids=tokens)}
    books = {book.asset_id: book for book in sdk.get_order_books(token_ids=tokens)}
    assert len(trades) > 80
    for token, trade in trades.items():
        assert trade.price == books[token].last_trade_price
        assert sdk.get_last_trade_price(token_id=token).price == trade.price


def test_the_sdk_reads_books_that_were_set(commanded):
    market = commanded.world.good_markets()[7]
    market.set_book([("0.2", 10), ("0.1", 5)], [("0.3", 20)])
    market.add_dust("ask", "0.25", "0.01")
    with _client(commanded) as sdk:
        book = sdk.get_order_book(token_id=market.tokens[1])
        bids = [(level.price, level.size) for level in book.bids]
        assert bids == [(Decimal("0.7"), 20), (Decimal("0.75"), Decimal("0.01"))]
        assert book.asks[-1].price == Decimal("0.8")
        assert sdk.get_midpoint(token_id=market.tokens[0]) == Decimal("0.225")
        assert sdk.get_market(id=market.id).prices.best_ask == Decimal("0.25")


def test_the_sdk_reads_markets_that_were_changed(commanded):
    market = commanded.world.good_markets()[9]
    market.reorder()
    market.change_tokens()
    market.rename_outcomes("Left", "Right")
    market.archive()
    with _client(commanded) as sdk:
        read = sdk.get_market(id=market.id)
        assert (read.outcomes.yes.label, read.outcomes.yes.token_id) == ("Right", market.tokens[1])
        assert read.state.archived
        market.delete()
        with pytest.raises(PolymarketError):
            sdk.get_market(id=market.id)
