"""The odds of markets that somebody looks at, or has a bet on, are kept seconds old."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.jobs.runs import last_run
from core.models import JobRun
from devtools.simulators.polymarket import Simulator
from markets import prices, rules, tasks
from markets.errors import UpstreamError
from markets.models import Market, MarketWatch
from markets.polymarket.books import ShownPrices
from tests.betting.factories import set_book
from tests.markets.factories import MARKETS, add_market, add_mirrored, ingest, polymarket_client, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirrored(upstream, now) -> Simulator:
    ingest(upstream, now=now)
    upstream.requests.clear()
    return upstream


def watch(*markets: Market, until) -> None:
    prices.watch_markets([market.pk for market in markets], until=until)


def here(there) -> Market:
    return Market.objects.get(polymarket_id=there.condition_id)


def refresh(upstream, now):
    return tasks.run_odds_refresh(client=polymarket_client(upstream), now=now)


def test_a_watched_market_gets_the_order_books_odds(mirrored, now):
    there = mirrored.world.good_markets()[0]
    set_book(there, "0.86", "0.885")
    watch(here(there), until=now + timedelta(minutes=10))
    later = now + timedelta(seconds=30)
    assert refresh(mirrored, later) == {"watched": 1, "refreshed": 1}
    market = here(there)
    assert (market.this_odds, market.that_odds) == (Decimal("0.8725"), Decimal("0.1275"))
    assert (market.bid, market.ask) == (Decimal("0.8600"), Decimal("0.8850"))
    assert (market.odds_updated_at, market.updated_at, market.odds_live) == (later, later, True)


def test_odds_that_stayed_are_younger_but_the_market_is_not_changed(mirrored, now):
    there = mirrored.world.good_markets()[0]
    watch(here(there), until=now + timedelta(minutes=10))
    first, second = now + timedelta(seconds=30), now + timedelta(seconds=60)
    refresh(mirrored, first)
    updated_at = here(there).updated_at
    refresh(mirrored, second)
    assert here(there).odds_updated_at == second
    assert here(there).updated_at == updated_at


def test_only_watched_open_markets_of_polymarket_are_requested(mirrored, now):
    good = [here(there) for there in mirrored.world.good_markets()[:4]]
    house = add_market()
    until = now + timedelta(minutes=10)
    watch(good[0], good[1], house, until=until)
    watch(good[2], until=now - timedelta(seconds=1))
    Market.objects.filter(pk=good[1].pk).update(status="closed")
    assert refresh(mirrored, now)["watched"] == 1
    assert [call.path for call in mirrored.requests] == ["/books"]
    for market in good[1:]:
        market.refresh_from_db()
        assert not market.odds_live


def test_nothing_watched_requests_nothing(mirrored, now):
    assert refresh(mirrored, now) == {"watched": 0, "refreshed": 0}
    assert len(mirrored.requests) == 0


def test_many_are_asked_for_in_batches(now):
    with Simulator(seed=5, events=150) as upstream:
        ingest(upstream, now=now)
        markets = list(Market.objects.all())
        assert len(markets) > 250
        watch(*markets, until=now + timedelta(minutes=1))
        upstream.requests.clear()
        assert refresh(upstream, now)["refreshed"] == len(markets)
        batches = -(-2 * len(markets) // 500)
        # On a busy machine a batch may time out and be requested again.
        assert batches <= len(upstream.requests) <= 2 * batches


def test_odds_never_give_way_to_older_ones(mirrored, now):
    there = mirrored.world.good_markets()[0]
    watch(here(there), until=now + timedelta(minutes=10))
    there.set_price(Decimal("0.91"), gamma=False)
    assert refresh(mirrored, now - timedelta(seconds=1))["refreshed"] == 0
    assert here(there).odds_updated_at == now
    assert here(there).this_odds == there.gamma_price


def test_a_market_without_a_book_keeps_its_odds(mirrored, now):
    there, other = mirrored.world.good_markets()[:2]
    unknown = add_mirrored(this_odds=Decimal("0.7"), that_odds=Decimal("0.3"))
    before = here(there)
    there.drop_prices()
    watch(before, unknown, here(other), until=now + timedelta(minutes=10))
    assert refresh(mirrored, now + timedelta(seconds=5)) == {"watched": 3, "refreshed": 1}
    after = here(there)
    assert (after.this_odds, after.odds_updated_at) == (before.this_odds, before.odds_updated_at)
    unknown.refresh_from_db()
    assert unknown.this_odds == Decimal("0.7")


def test_prices_that_are_none_leave_the_odds_alone(mirrored, now):
    markets = [here(there) for there in mirrored.world.good_markets()[:10]]
    watch(*markets, until=now + timedelta(minutes=10))
    for there in mirrored.world.good_markets()[:10]:
        there.set_book(bids=[("NaN", 500)], asks=[("0.4", 500)])
    assert refresh(mirrored, now + timedelta(seconds=5))["refreshed"] == 0
    for market in markets:
        was = (market.this_odds, market.odds_updated_at)
        market.refresh_from_db()
        assert (market.this_odds, market.odds_updated_at) == was
        assert (market.bid, market.ask) == (None, None)


def test_a_wide_book_tells_the_last_trade_and_an_empty_one_nothing(mirrored, now):
    """Lesson 42: never the midpoint of an empty book."""
    wide, empty = mirrored.world.good_markets()[:2]
    before = here(empty)
    wide.set_book(bids=[("0.01", 500)], asks=[("0.99", 500)])
    wide.set_last_trade("0.62")
    empty.set_book(bids=[], asks=[])
    empty.set_last_trade(None)
    watch(here(wide), here(empty), until=now + timedelta(minutes=10))
    later = now + timedelta(seconds=30)
    assert refresh(mirrored, later)["refreshed"] == 2
    market = here(wide)
    assert (market.this_odds, market.that_odds) == (Decimal("0.6200"), Decimal("0.3800"))
    assert (market.bid, market.ask) == (Decimal("0.0100"), Decimal("0.9900"))
    market = here(empty)
    assert (market.this_odds, market.that_odds, market.bid, market.ask) == (
        before.this_odds, before.that_odds, None, None,
    )  # fmt: skip
    assert market.odds_updated_at == later, "its book isn't silent: it is empty"


def test_a_dust_order_moves_nothing(mirrored, now):
    there = mirrored.world.good_markets()[0]
    set_book(there, "0.40", "0.44")
    watch(here(there), until=now + timedelta(minutes=10))
    refresh(mirrored, now + timedelta(seconds=30))
    was = here(there).updated_at
    there.add_dust("bid", "0.439", 0.01)
    refresh(mirrored, now + timedelta(seconds=60))
    assert (here(there).this_odds, here(there).bid) == (Decimal("0.4200"), Decimal("0.4000"))
    assert here(there).updated_at == was


def test_one_poisoned_book_costs_no_other_its_prices(mirrored, now):
    good = mirrored.world.good_markets()[:5]
    good[2].set_book(bids=[("0.5", "1e999")], asks=[("-1", 500)])
    watch(*map(here, good), until=now + timedelta(minutes=10))
    assert refresh(mirrored, now + timedelta(seconds=30)) == {"watched": 5, "refreshed": 4}


def test_the_catalogue_takes_nothing_from_a_book_read_just_now(mirrored, now):
    there = mirrored.world.good_markets()[0]
    set_book(there, "0.40", "0.44")
    watch(here(there), until=now + timedelta(minutes=10))
    refresh(mirrored, now)
    set_book(there, "0.60", "0.64")
    ingest(mirrored, now=now + timedelta(minutes=1))
    assert (here(there).this_odds, here(there).bid, here(there).ask) == (
        Decimal("0.4200"), Decimal("0.4000"), Decimal("0.4400"),
    )  # fmt: skip
    ingest(mirrored, now=now + timedelta(minutes=6))
    assert (here(there).this_odds, here(there).bid, here(there).ask) == (
        Decimal("0.6200"), Decimal("0.6000"), Decimal("0.6400"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["status", "html", "broken_json", "reset"])
def test_a_failure_is_recorded_and_the_odds_keep_their_age(mirrored, now, kind):
    market = here(mirrored.world.good_markets()[0])
    watch(market, until=now + timedelta(minutes=10))
    mirrored.faults.set(kind, path="/books")
    with pytest.raises(UpstreamError):
        refresh(mirrored, now + timedelta(seconds=5))
    run = last_run(tasks.REFRESH_ODDS)
    assert run.status == JobRun.Status.FAILED
    assert run.error
    market.refresh_from_db()
    assert market.odds_updated_at == now
    mirrored.faults.clear()
    assert refresh(mirrored, now + timedelta(seconds=35))["refreshed"] == 1


def test_the_task_survives_a_failure(mirrored, now):
    watch(here(mirrored.world.good_markets()[0]), until=now + timedelta(minutes=10))
    mirrored.faults.set("status", status=400, path="/books")
    tasks.refresh_odds()
    assert last_run(tasks.REFRESH_ODDS).status == JobRun.Status.FAILED
    mirrored.faults.clear()
    tasks.refresh_odds()
    assert last_run(tasks.REFRESH_ODDS).result == {"watched": 1, "refreshed": 1}


@pytest.mark.parametrize("path", ["live", "full"])
def test_looking_at_a_market_has_it_watched(mirrored, now, api, path, settings):
    market = here(mirrored.world.good_markets()[0])
    assert api.get(f"{MARKETS}/{market.pk}/{path}").status_code == 200
    until = MarketWatch.objects.get(market=market).watched_until
    assert until >= now + timedelta(seconds=rules.WATCH_SECONDS)


def test_a_look_is_written_once_a_minute_however_many_look(mirrored, api, django_assert_num_queries):
    market = here(mirrored.world.good_markets()[0])
    read(api, f"/{market.pk}/live")
    with django_assert_num_queries(1):
        read(api, f"/{market.pk}/live")


def test_a_look_never_shortens_a_longer_watch(mirrored, now, api):
    """A bet keeps its market watched for as long as it is open."""
    market = here(mirrored.world.good_markets()[0])
    long = now + timedelta(days=30)
    watch(market, until=long)
    read(api, f"/{market.pk}/live")
    assert MarketWatch.objects.get(market=market).watched_until == long


def test_a_market_named_twice_is_watched_once(mirrored, now):
    market = here(mirrored.world.good_markets()[0])
    watch(market, market, until=now)
    assert MarketWatch.objects.count() == 1


def test_prices_of_tokens_that_were_reordered_meanwhile_are_not_stored(now):
    """A book is requested, the upstream's order of tokens is read anew, then what the book said is to be stored."""
    market = add_mirrored(odds_updated_at=now - timedelta(minutes=1))
    requested_by = prices.tokens_of(market)
    Market.objects.update(this_token_id=requested_by[1], that_token_id=requested_by[0])
    said = prices.Heard(market.pk, requested_by, ShownPrices(Decimal("0.9"), Decimal("0.89"), Decimal("0.91")))
    assert prices.store_prices([said], now=now) == 0
    prices.store_prices([said._replace(prices=None)], now=now)
    after = Market.objects.get()
    assert (after.this_odds, after.bid, after.ask) == (market.this_odds, market.bid, market.ask)
    assert prices.store_prices([said._replace(tokens=requested_by[::-1])], now=now) == 1


def test_odds_of_a_time_that_has_not_come_are_refreshed(mirrored, now):
    """As after a system time that was a month ahead."""
    there = mirrored.world.good_markets()[0]
    set_book(there, "0.86", "0.885")
    watch(here(there), until=now + timedelta(minutes=10))
    Market.objects.update(odds_updated_at=now + timedelta(days=30))
    assert refresh(mirrored, now)["refreshed"] == 1
    assert (here(there).this_odds, here(there).odds_updated_at) == (Decimal("0.8725"), now)
