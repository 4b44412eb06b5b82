"""What may go wrong with websockets, and that stored prices are right again in spite of it."""

import json
from datetime import UTC, datetime, timedelta
from time import sleep
from uuid import uuid4

import pytest
from django.db import connection

from markets.feed import metrics
from markets.feed.models import MarketFeed
from markets.feed.services import FeedState, LeaseLostError, hold_lease, write_prices
from markets.polymarket.books import ShownPrices
from markets.prices import PricesAsOf, tokens_of
from tests.concurrently import wait_until
from tests.markets.factories import add_mirrored
from tests.markets.feed.conftest import here, is_whole, metric, set_price, shows, watch
from tests.roles import as_superuser

ODDS = ("0.42", "0.43", "0.55", "0.31", "0.62")


@pytest.fixture
def there(mirrored):
    """A market that is fed, with one beside it on the same connection."""
    first, second = mirrored.world.good_markets()[:2]
    watch(first, second)
    return first


def test_a_connection_that_froze_is_found_and_made_anew(mirrored, run_feed, there):
    """Nothing comes, not even an end. Its own PONG is no sign of life."""
    run_feed(max_tokens=4)
    wait_until(is_whole)
    with metric(metrics.RECONNECTS, reason="frozen") as frozen:
        fault = mirrored.faults.set("freeze", path="/ws/market")
        set_price(there, "0.42")
        wait_until(lambda: frozen() >= 1)
        wait_until(lambda: shows(there, "0.42"))
        assert fault.hits
    mirrored.faults.clear()
    set_price(there, "0.43")
    wait_until(lambda: shows(there, "0.43"))


def test_a_connection_without_a_pong_is_made_anew(mirrored, run_feed, there):
    run_feed(max_tokens=4, timing={"pong": 0.3})
    wait_until(is_whole)
    with metric(metrics.RECONNECTS, reason="silent") as silent:
        mirrored.faults.set("silence", path="/ws/market")
        wait_until(lambda: silent() >= 1)
    mirrored.faults.clear()
    set_price(there, "0.42")
    wait_until(lambda: shows(there, "0.42"))


@pytest.mark.parametrize("kind", ["lose", "duplicate", "reorder", "wrong_hash", "garble"])
def test_after_frames_that_are_wrong_prices_are_right_again(mirrored, run_feed, there, kind):
    run_feed(max_tokens=4)
    wait_until(is_whole)
    fault = mirrored.faults.set(kind, path="/ws/market", probability=0.5)
    for odds in ODDS:
        set_price(there, odds)
        hits = fault.hits
        wait_until(lambda hits=hits: fault.hits > hits or shows(there, odds))  # noqa: B023
    wait_until(lambda: shows(there, ODDS[-1]))
    mirrored.faults.clear()
    wait_until(is_whole)


def test_a_lost_change_is_a_gap_that_is_filled_by_a_request(mirrored, run_feed, there):
    run_feed(max_tokens=4, timing={"sample": 3600})
    wait_until(lambda: MarketFeed.objects.filter(tokens=4, trusted=4))
    with metric(metrics.GAPS, reason="best_bid_ask") as gaps:
        # The change itself; the best prices after it arrive, and don't fit.
        mirrored.faults.set("lose", path="/ws/market", times=1)
        set_price(there, "0.42")
        wait_until(lambda: gaps() >= 1)
        wait_until(lambda: shows(there, "0.42"))


def test_a_storm_of_ended_connections_passes(mirrored, run_feed, there):
    mirrored.faults.set("disconnect", path="/ws/market", times=5)
    with metric(metrics.RECONNECTS, reason="closed") as closed:
        run_feed(max_tokens=4)
        wait_until(is_whole, seconds=30)
        assert closed() >= 2
    set_price(there, "0.42")
    wait_until(lambda: shows(there, "0.42"))


@pytest.mark.parametrize(
    "refusal",
    [
        {"kind": "html"},
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "reset"},
        {"kind": "hang", "seconds": 3},
    ],
    ids=lambda refusal: refusal["kind"],
)
def test_what_comes_instead_of_a_websocket_is_tried_again(mirrored, run_feed, there, refusal):
    mirrored.faults.set(path="/ws/market", times=1, **refusal)
    with metric(metrics.RECONNECTS, reason="refused") as refused:
        run_feed(max_tokens=4)
        wait_until(lambda: refused() >= 1)
        wait_until(is_whole, seconds=20)
    set_price(there, "0.42")
    wait_until(lambda: shows(there, "0.42"))


def test_no_upstream_at_all_is_no_end(mirrored, run_feed, there):
    with metric(metrics.RECONNECTS, reason="refused") as refused:
        feed = run_feed(url="ws://nowhere.invalid/ws/market", max_tokens=4)
        wait_until(lambda: refused() >= 1)
        assert feed.is_active


HOSTILE = [
    "", "{", "null", "7", '"book"', "[]", "[[[]]]", "[" * 5_000, '{"event_type": "book"}', "\x00", "NOPE", "1e999",
    json.dumps({"event_type": "volcano"}), json.dumps([None, 7, {"event_type": "price_change", "price_changes": [1]}]),
    json.dumps({"event_type": "last_trade_price", "asset_id": "9" * 5_000, "price": "9" * 5_000}),
    json.dumps({"event_type": "new_market", "description": "x" * 2_000_000}),
    json.dumps({"event_type": "market_resolved", "market": {"a": 1}, "assets_ids": 7}),
]  # fmt: skip


def test_hostile_frames_are_counted_and_the_rest_goes_on(mirrored, run_feed, there):
    run_feed(max_tokens=4)
    wait_until(is_whole)
    for text in HOSTILE:
        mirrored.stream.broadcast(text)
    token = there.tokens[0]
    nonsense = {"asset_id": token, "price": "2", "side": "BUY", "size": "1"}
    mirrored.stream.broadcast(json.dumps({"event_type": "price_change", "price_changes": [nonsense], "timestamp": "1"}))
    with metric(metrics.RECONNECTS, reason="closed") as closed:
        set_price(there, "0.42")
        wait_until(lambda: shows(there, "0.42"))
        assert closed() == 0


def test_a_book_that_is_refused_leaves_the_others_fed(mirrored, run_feed, there):
    other = mirrored.world.good_markets()[1]
    there.refuse_books()
    run_feed(max_tokens=4)
    set_price(other, "0.42")
    wait_until(lambda: shows(other, "0.42"))


def test_a_database_that_ends_its_connections_is_used_again(mirrored, run_feed, there):
    run_feed(max_tokens=4)
    wait_until(is_whole)
    for odds in ODDS[:2]:
        with as_superuser(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        set_price(there, odds)
        wait_until(lambda: shows(there, odds))  # noqa: B023


def test_of_two_feeds_one_is_it_and_the_other_takes_over_at_once(mirrored, run_feed, there):
    first = run_feed(max_tokens=4)
    wait_until(lambda: first.is_active)
    second = run_feed(max_tokens=4)
    wait_until(is_whole)
    assert not second.is_active
    first.stop()
    wait_until(lambda: second.is_active, seconds=3)
    set_price(there, "0.42")
    wait_until(lambda: shows(there, "0.42"))


def test_a_feed_whose_lease_was_lost_writes_no_more_and_waits(mirrored, run_feed, there):
    """As after a pause of the process, or of its machine."""
    feed = run_feed(max_tokens=4)
    wait_until(is_whole)
    other = uuid4()
    MarketFeed.objects.update(holder=other, expires_at=datetime.now(UTC) + timedelta(hours=1))
    wait_until(lambda: not feed.is_active)
    before = here(there).odds_updated_at
    set_price(there, "0.42")
    assert MarketFeed.objects.get().holder == other
    assert here(there).odds_updated_at == before
    MarketFeed.objects.update(expires_at=datetime.now(UTC))
    wait_until(lambda: shows(there, "0.42"))


@pytest.mark.django_db
def test_prices_are_written_by_the_holder_of_the_lease_alone():
    market = add_mirrored(odds_updated_at=datetime.now(UTC) - timedelta(minutes=1))
    first, second, now = uuid4(), uuid4(), datetime.now(UTC)
    heard = [PricesAsOf(market.pk, tokens_of(market), ShownPrices(None, None, None), now)]
    assert hold_lease(holder=first, seconds=60, state=FeedState())
    assert not hold_lease(holder=second, seconds=60, state=FeedState())
    with pytest.raises(LeaseLostError):
        write_prices(heard, holder=second, now=now)
    assert write_prices(heard, holder=first, now=now) == {market.pk: True}
    assert hold_lease(holder=first, seconds=0, state=FeedState())
    assert hold_lease(holder=second, seconds=60, state=FeedState())
    with pytest.raises(LeaseLostError):
        write_prices(heard, holder=first, now=now)


@pytest.mark.parametrize("ending", ["after frames", "at once, told to try again at once"])
def test_connections_that_end_again_and_again_are_made_less_and_less_often(mirrored, run_feed, there, ending):
    """Each that brings its books and ends, or is refused with `Retry-After: 0`: at most so many as back-off allows."""
    fault = {"kind": "disconnect"} if ending == "after frames" else {"kind": "status", "status": 429, "retry_after": 0}
    mirrored.faults.set(path="/ws/market", **fault)
    reason = "closed" if ending == "after frames" else "refused"
    with metric(metrics.RECONNECTS, reason=reason) as ended:
        run_feed(max_tokens=4)
        wait_until(lambda: ended() >= 1)
        sleep(3)
        # Half of 0.5, 1, 2 and 4 seconds at least.
        assert 2 <= ended() <= 5


def test_news_of_other_markets_are_no_sign_that_books_are_still_sent(mirrored, run_feed, there):
    run_feed(max_tokens=4)
    wait_until(is_whole)
    with metric(metrics.RECONNECTS, reason="frozen") as frozen:
        mirrored.faults.set("freeze", path="/ws/market")
        set_price(there, "0.42")
        for _ in range(200):
            if frozen():
                break
            for subscriber in list(mirrored.stream._subscribers):
                subscriber.send(json.dumps({"event_type": "new_market", "market": "0x1", "slug": "elsewhere"}))
            sleep(0.1)
        assert frozen()


def test_every_market_that_is_said_to_be_over_is_looked_at(mirrored, run_feed, there):
    """However many were before; and no text without end is kept."""
    feed = run_feed(max_tokens=4)
    wait_until(is_whole)
    with metric(metrics.EVENTS, type="market_resolved") as events:
        for number in range(1_200):
            said = {"event_type": "market_resolved", "market": f"0x{number:064x}"}
            mirrored.stream.broadcast(json.dumps(said))
        mirrored.stream.broadcast(json.dumps({"event_type": "market_resolved", "market": "1" * 1_000_000}))
        wait_until(lambda: events() >= 1_201)
    session = feed.feed._session
    assert session is not None
    assert f"0x{1_199:064x}" in session.resolved
    assert len(session.resolved) <= 1_001
    assert max(map(len, session.resolved)) < 1_000
