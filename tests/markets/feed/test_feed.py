"""The feed keeps stored prices as they are upstream, over real websockets."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devtools.simulators.polymarket import Market as Upstream
from markets import rules, tasks
from markets.feed import metrics
from markets.feed.models import MarketFeed
from markets.feed.selectors import feed_health
from markets.models import Market, MarketRanking, MarketWatch
from markets.polymarket.books import shown_prices
from markets.prices import watch_markets
from tests.concurrently import wait_until
from tests.markets.factories import add_mirrored, age_odds, polymarket_client, publish
from tests.markets.feed.conftest import here, is_whole, metric, set_price, shows, watch

BESIDE = [folder / "shared" / "polymarket" / "recorded" for folder in Path(__file__).resolve().parents]
RECORDED = next((folder for folder in BESIDE if folder.exists()), BESIDE[0])


def subscribed(simulator: Any) -> list[set[str]]:
    """The tokens that each connection subscribed to."""
    return [set(subscriber.sent) for subscriber in list(simulator.stream._subscribers)]


def tokens_of(*markets: Upstream) -> set[str]:
    return {token for market in markets for token in market.tokens}


def test_a_move_upstream_is_stored_within_a_moment(mirrored, run_feed):
    there, other = mirrored.world.good_markets()[:2]
    watch(there, other)
    run_feed(max_tokens=4)
    wait_until(is_whole)
    before = here(other).updated_at
    set_price(there, "0.42")
    wait_until(lambda: shows(there, "0.42"))
    assert here(there).odds_live
    assert here(there).updated_at > before
    assert here(other).updated_at == before


@pytest.mark.parametrize("shape", [{"old_shape": True}, {"in_arrays": True}], ids=str)
def test_both_shapes_of_changes_and_arrays_are_followed(mirrored, run_feed, shape):
    mirrored.stream.old_shape, mirrored.stream.in_arrays = shape.get("old_shape", False), shape.get("in_arrays", False)
    there = mirrored.world.good_markets()[0]
    watch(there)
    run_feed(max_tokens=2)
    wait_until(is_whole)
    with metric(metrics.EVENTS, type="price_change") as events:
        for odds in ("0.42", "0.43", "0.61"):
            set_price(there, odds)
        wait_until(lambda: shows(there, "0.61"))
        assert events() > 0


def test_the_feed_and_the_refresh_store_the_same_prices(mirrored, run_feed):
    """A thin book, a wide one, a market without a book on one side, and others."""
    markets = mirrored.world.good_markets()[:8]
    thin, wide, empty = markets[:3]
    thin.thin_book(40)
    wide.set_spread(24)
    empty.set_book([["0.30", 200], ["0.29", "400.5"]], [])
    watch(*markets)
    tasks.run_odds_refresh(client=polymarket_client(mirrored), now=datetime.now(UTC))
    wanted = {market.condition_id: prices_of(market) for market in markets}
    for market in markets:
        stored = here(market)
        stored.this_odds, stored.that_odds, stored.bid, stored.ask = Decimal("0.0101"), Decimal("0.9899"), None, None
        if market not in (thin, empty, wide):
            stored.save(update_fields=["this_odds", "that_odds", "bid", "ask"])
    run_feed(max_tokens=16)
    wait_until(lambda: {market.condition_id: prices_of(market) for market in markets} == wanted)


def prices_of(there: Upstream) -> tuple[Decimal | None, ...]:
    market = here(there)
    return market.this_odds, market.bid, market.ask


def test_prices_that_stay_get_younger_and_their_rows_keep_their_version(mirrored, run_feed):
    there = mirrored.world.good_markets()[0]
    watch(there)
    run_feed(max_tokens=2)
    wait_until(is_whole)
    wait_until(lambda: here(there).odds_live)
    before = here(there)
    wait_until(lambda: here(there).odds_updated_at > before.odds_updated_at + timedelta(seconds=0.5))
    assert here(there).updated_at == before.updated_at
    assert here(there).odds_updated_at <= datetime.now(UTC)


def test_a_market_that_comes_to_be_watched_is_added_to_a_connection_with_room(mirrored, run_feed):
    first, second = mirrored.world.good_markets()[:2]
    MarketWatch.objects.all().delete()
    watch(first)
    run_feed(max_tokens=2)
    wait_until(lambda: subscribed(mirrored) == [tokens_of(first)])
    with metric(metrics.RECONNECTS, reason="narrowed") as replaced:
        MarketWatch.objects.update(watched_until=datetime.now(UTC) + timedelta(minutes=1))
        watch(second)
        wait_until(lambda: tokens_of(second) in [found & tokens_of(second) for found in subscribed(mirrored)])
        assert replaced() == 0
    set_price(second, "0.42")
    wait_until(lambda: shows(second, "0.42"))


def test_connections_are_filled_then_replaced_by_narrower_ones(mirrored, run_feed):
    """Two connections of three markets; others come to matter, and take the places of those that no longer do."""
    markets = mirrored.world.good_markets()[:12]
    watch(*markets[:6])
    run_feed(max_tokens=12, connection_markets=3)
    wait_until(lambda: sorted(map(len, subscribed(mirrored))) == [6, 6])
    wait_until(is_whole)
    MarketWatch.objects.update(watched_until=datetime.now(UTC))
    watch(*markets[5:11])
    wait_until(lambda: set().union(*subscribed(mirrored)) == tokens_of(*markets[5:11]), seconds=20)
    wait_until(is_whole)
    set_price(markets[10], "0.42")
    wait_until(lambda: shows(markets[10], "0.42"))


def test_what_is_watched_comes_before_what_is_traded_most(mirrored, run_feed):
    publish()
    least = mirrored.world.good_markets()[-1]
    watch(least)
    run_feed(max_tokens=8)
    wait_until(lambda: [len(found) for found in subscribed(mirrored)] == [8])
    assert tokens_of(least) <= subscribed(mirrored)[0]


def test_while_the_feed_is_healthy_the_refresh_leaves_its_markets_alone(mirrored, run_feed):
    markets = mirrored.world.good_markets()[:3]
    watch(*markets)

    def refresh() -> int:
        result = tasks.run_odds_refresh(client=polymarket_client(mirrored), now=datetime.now(UTC))
        assert result is not None
        return int(result["watched"])

    age_odds(3600)
    feed = run_feed(max_tokens=4)
    fed = [here(market).pk for market in markets]
    wait_until(lambda: Market.objects.filter(pk__in=fed, odds_live=True).count() == 2 and is_whole())
    assert refresh() == 1
    assert refresh() == 0
    feed.stop()
    assert refresh() == 3


def test_a_silent_feed_is_not_healthy_though_it_runs(mirrored, run_feed):
    """Its connections are alive and nothing was heard of their books: whoever reads its row must not trust it."""
    watch(*mirrored.world.good_markets()[:3])
    run_feed(max_tokens=4)
    wait_until(is_whole)
    later = datetime.now(UTC) + rules.FEED_SILENT_AFTER + timedelta(seconds=0.5)
    assert feed_health(now=datetime.now(UTC)).is_healthy(now=datetime.now(UTC))
    assert not feed_health(now=later).is_healthy(now=later)


def test_the_recorded_frames_are_taken_by_the_feed(mirrored, run_feed):
    """Where the recordings lie beside the repository; their tokens are unknown to the simulator, so nothing is compared."""
    frames = [json.loads(path.read_text()) for path in sorted(RECORDED.glob("ws_*.json"))]
    book = next((frame for frame in frames if frame.get("event_type") == "book"), None)
    both = next((frame["price_changes"] for frame in frames if len(frame.get("price_changes", [])) > 1), None)
    if not book or not both:
        assert not frames
        return
    this, that = (change["asset_id"] for change in both)
    first = add_mirrored(1, slug="one", this_token_id=book["asset_id"], that_token_id="12")
    second = add_mirrored(2, slug="two", this_token_id=this, that_token_id=that)
    now = datetime.now(UTC)
    watch_markets([first.pk, second.pk], until=now + timedelta(hours=1))
    run_feed(max_tokens=4, timing={"sample": 3600})
    wait_until(lambda: MarketFeed.objects.filter(tokens=4, trusted=4))
    level = [{"price": "0.50", "size": "500"}], [{"price": "0.52", "size": "500"}]
    before_changes = {
        "event_type": "book",
        "asset_id": this,
        "bids": level[0],
        "asks": level[1],
        "timestamp": "1703875200000",
    }
    with metric(metrics.BAD_EVENTS) as bad, metric(metrics.EVENTS, type="new_market") as new:
        for frame in (before_changes, *frames):
            mirrored.stream.broadcast(json.dumps(frame))
        wait_until(lambda: new() == 1)
        wait_until(lambda: (second.refresh_from_db(), second.bid)[1] == Decimal("0.51"))
        expected = shown_prices(
            {book["asset_id"]: book}, (book["asset_id"], "12"), depth=rules.PRICE_DEPTH, max_spread=rules.MAX_SPREAD
        )
        assert expected is not None
        wait_until(lambda: (first.refresh_from_db(), first.bid, first.ask)[1:] == (expected.bid, expected.ask))
        assert bad() == 0


def test_a_market_that_is_said_to_be_resolved_is_looked_at(mirrored, run_feed, queued):
    """Said over the websocket alone, it pays nothing: a task asks the two sources that decide."""
    there, other = mirrored.world.good_markets()[:2]
    watch(there, other)
    run_feed(max_tokens=4)
    wait_until(is_whole)
    there.resolve("this")
    wait_until(lambda: queued(tasks.CHECK_MARKETS))
    assert queued(tasks.CHECK_MARKETS) == [[[there.condition_id]]]
    assert here(there).status == "open"
    tasks.check_markets([there.condition_id, other.condition_id])
    assert (here(there).status, here(there).resolution) == ("resolved", "this")
    assert here(other).status == "open"


@pytest.fixture
def queued() -> Any:
    """The arguments of tasks of a name that wait in the queue."""
    from celery import current_app

    from core.jobs.queues import QUEUES

    with current_app.connection_for_write() as connection:
        for queue in QUEUES:
            current_app.amqp.queues[queue](connection.default_channel).purge()

    def arguments(name: str) -> list[Any]:
        found = []
        with current_app.connection_for_read() as connection:
            for queue in QUEUES:
                bound = current_app.amqp.queues[queue](connection.default_channel)
                while message := bound.get(no_ack=False):
                    found.append((message.headers["task"], message.payload[0]))
        return [given for task, given in found if task == name]

    return arguments


def test_an_old_price_is_replaced_at_once(mirrored, run_feed):
    there = mirrored.world.good_markets()[0]
    watch(there)
    age_odds(3600)
    run_feed(max_tokens=2)
    wait_until(lambda: here(there).odds_updated_at > datetime.now(UTC) - timedelta(seconds=10))


def test_the_price_of_this_is_never_written_as_that_of_that(mirrored, run_feed):
    """The order of a market's tokens changes while the feed has books of the order before."""
    there, other = mirrored.world.good_markets()[:2]
    watch(there, other)
    run_feed(max_tokens=4, timing={"select": 3600, "confirm": 3600})
    wait_until(lambda: shows(there, str(there.price)) and is_whole())
    before = here(there)
    reorder_tokens(before)
    for odds in ("0.42", "0.61"):
        set_price(there, odds)
        set_price(other, odds)
        wait_until(lambda odds=odds: shows(other, odds))
    assert here(there).this_odds == before.this_odds


def test_after_its_tokens_were_reordered_a_market_has_the_price_of_its_new_this(mirrored, run_feed):
    """Nothing moves upstream: the books are the same ones, of the other tokens."""
    there, other = mirrored.world.good_markets()[:2]
    set_price(there, "0.42")
    watch(there, other)
    run_feed(max_tokens=4)
    wait_until(lambda: shows(there, "0.42") and is_whole())
    reorder_tokens(here(there))
    wait_until(lambda: shows(there, "0.58"))


def test_a_market_that_matters_again_is_kept_fresh_again(mirrored, run_feed):
    """Its connection still has its books, and nothing moves upstream."""
    there, other = mirrored.world.good_markets()[:2]
    MarketRanking.objects.all().delete()
    watch(there, other)
    run_feed(max_tokens=4)
    wait_until(is_whole)
    MarketWatch.objects.filter(market=here(there)).update(watched_until=datetime.now(UTC))
    wait_until(lambda: MarketFeed.objects.filter(tokens=2))
    since = datetime.now(UTC)
    watch(there)
    wait_until(lambda: here(there).odds_updated_at > since)


def reorder_tokens(market: Market) -> None:
    swapped = {"this_token_id": market.that_token_id, "that_token_id": market.this_token_id}
    Market.objects.filter(pk=market.pk).update(**swapped)
