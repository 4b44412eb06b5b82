"""GET /markets/{id}/live and /full: the order book's odds, requested once, honest about their age."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from markets import prices, tasks
from markets.models import Market
from markets.prices import cache_key, tokens_of
from tests.betting.factories import set_book
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.markets.factories import MARKETS, add_market, age_odds, ingest, polymarket_client, read, refusal

LIVE_FIELDS = [
    "polymarketId",
    "thisOdds",
    "thatOdds",
    "thisBid",
    "thisAsk",
    "thatBid",
    "thatAsk",
    "spread",
    "illiquid",
    "liquidity",
    "volume",
    "volume24hr",
    "acceptingOrders",
    "asOf",
    "stale",
    "isLive",
    "lastUpdated",
]
BOUND_SECONDS = 4


@pytest.fixture
def there(db, upstream):
    """A market of the simulated Polymarket that we have, too; nothing has been requested about it yet."""
    ingest(upstream)
    upstream.requests.clear()
    return upstream.world.good_markets()[0]


@pytest.fixture
def market(there) -> Market:
    return Market.objects.get(polymarket_id=there.condition_id)


@pytest.fixture
def live(api, market):
    def get():
        return api.get(f"{MARKETS}/{market.pk}/live")

    return get


def test_it_shows_the_order_books_odds_and_the_catalogues_volumes(there, market, api, now):
    set_book(there, "0.43", "0.435")
    body = read(api, f"/{market.pk}/live")
    data = body["data"]
    assert body["marketId"] == str(market.pk)
    assert list(data) == LIVE_FIELDS
    assert data["polymarketId"] == there.condition_id
    assert (data["thisOdds"], data["thatOdds"]) == (Decimal("0.4325"), Decimal("0.5675"))
    assert (data["thisBid"], data["thisAsk"]) == (Decimal("0.4300"), Decimal("0.4350"))
    assert (data["thatBid"], data["thatAsk"]) == (Decimal("0.5650"), Decimal("0.5700"))
    assert (data["spread"], data["illiquid"]) == (Decimal("0.0050"), False)
    assert [data[name] for name in ("liquidity", "volume", "volume24hr")] == [
        market.liquidity, market.volume, market.volume_24hr,
    ]  # fmt: skip
    assert (data["acceptingOrders"], data["stale"], data["isLive"]) == (True, False, True)
    assert data["lastUpdated"] == data["asOf"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data["asOf"])
    assert abs(datetime.fromisoformat(data["asOf"]) - now) < timedelta(seconds=10)


def test_by_condition_id_it_is_the_same(there, market, api):
    by_id, by_condition = (read(api, f"/{name}/live") for name in (market.pk, there.condition_id))
    assert by_id == by_condition


def test_within_a_few_seconds_nothing_is_requested_again(there, live, upstream, market_rules):
    market_rules.LIVE_SECONDS = 30
    first = live().json()
    there.set_price(Decimal("0.99"))
    assert live().json() == first
    assert [call.path for call in upstream.requests] == ["/books"]


def test_after_that_it_is_requested_again(there, live, upstream, market_rules):
    market_rules.LIVE_SECONDS = 0
    live()
    set_book(there, "0.98", "0.99")
    assert live().json()["data"]["thisOdds"] == 0.985
    assert len(upstream.requests) == 2


def test_many_that_want_it_at_once_request_once_and_all_get_it(transactional_db, upstream, market, market_rules):
    """Single flight. The stored odds are old, so each response is the one that was requested."""
    market_rules.LIVE_SECONDS = 30
    age_odds()
    upstream.faults.set("latency", path="/books", seconds=0.1)
    responses = all_at_once(lambda: Client().get(f"{MARKETS}/{market.pk}/live"), times=6)
    assert [response.status_code for response in responses] == [200] * 6
    assert len({response.content for response in responses}) == 1
    assert responses[0].json()["data"]["stale"] is False
    assert len(upstream.requests.to("/books")) == 1


@pytest.mark.parametrize("kind", ["status", "html", "broken_json", "reset"])
def test_when_it_cannot_be_reached_odds_within_the_bound_are_served_as_stale(live, upstream, market_rules, kind):
    """Lesson 29: what is shown carries its age."""
    market_rules.LIVE_SECONDS = 0
    fresh = live().json()["data"]
    upstream.faults.set(kind, path="/books")
    assert live().json()["data"] == fresh | {"stale": True, "isLive": False}


def test_stored_odds_within_the_bound_will_do(live, upstream, market):
    upstream.faults.set("status", path="/books")
    data = live().json()["data"]
    assert (data["stale"], data["thisOdds"]) == (True, float(market.this_odds))
    assert datetime.fromisoformat(data["asOf"]).timestamp() == pytest.approx(
        market.odds_updated_at.timestamp(), abs=0.001
    )


def test_of_what_was_heard_and_what_is_stored_the_younger_is_served(there, live, upstream, market, market_rules):
    market_rules.LIVE_SECONDS = 0
    live()
    set_book(there, "0.76", "0.78")
    later = datetime.now(UTC)
    prices.watch_markets([market.pk], until=later + timedelta(hours=1))
    tasks.run_odds_refresh(client=polymarket_client(upstream), now=later)
    upstream.faults.set("status", path="/books")
    data = live().json()["data"]
    assert (data["thisOdds"], data["stale"]) == (0.77, True)


@pytest.mark.parametrize("kind", ["status", "html", "broken_json", "reset"])
def test_beyond_the_bound_there_is_no_price(live, upstream, kind):
    age_odds()
    upstream.faults.set(kind, path="/books")
    response = live()
    refusal(response, 503, "price_unavailable")
    assert int(response["Retry-After"]) >= 1


def test_what_was_heard_before_the_bound_counts_no_more(live, upstream, market_rules, market):
    live()
    age_odds()
    heard = cache.get(cache_key(tokens_of(market)))
    assert heard is not None
    market_rules.LIVE_SECONDS = market_rules.LIVE_STALE_SECONDS = 0
    upstream.faults.set("status", path="/books")
    refusal(live(), 503, "price_unavailable")


@pytest.mark.parametrize(
    "gone", [lambda there: there.close(), lambda there: there.set_book([("NaN", 9)], [("0.4", 9)])]
)
def test_a_market_whose_book_is_gone_shows_what_is_stored_as_old_as_it_is(there, live, upstream, market, gone):
    age_odds()
    market.refresh_from_db()
    gone(there)
    data = live().json()["data"]
    assert (data["thisOdds"], data["illiquid"], data["stale"]) == (float(market.this_odds), True, False)
    assert [data[name] for name in ("thisBid", "thisAsk", "thatBid", "thatAsk", "spread")] == [None] * 5
    assert datetime.fromisoformat(data["asOf"]).timestamp() == pytest.approx(
        market.odds_updated_at.timestamp(), abs=0.001
    )
    assert live().json()["data"] == data
    assert len(upstream.requests) == 1
    upstream.faults.set("status", path="/books")
    cache.clear()
    refusal(live(), 503, "price_unavailable")


class TestIlliquid:
    """Lesson 42: what is shown is the last trade or what is stored, never the midpoint of an empty book."""

    @pytest.mark.parametrize(
        ("bids", "asks", "shown"),
        [
            ([], [], [None, None, None, None, None]),
            ([("0.30", 500)], [], [0.3, None, None, 0.7, None]),
            ([], [("0.42", 500)], [None, 0.42, 0.58, None, None]),
            ([("0.30", 99)], [("0.42", 500)], [None, 0.42, 0.58, None, None]),
            ([("0.30", 500)], [("0.4001", 500)], [0.3, 0.4001, 0.5999, 0.7, 0.1001]),
            ([("0.01", 500)], [("0.99", 500)], [0.01, 0.99, 0.01, 0.99, 0.98]),
        ],
    )
    def test_it_shows_the_last_trade_and_is_marked(self, there, live, bids, asks, shown):
        there.set_book(bids=bids, asks=asks)
        there.set_last_trade("0.6789")
        data = live().json()["data"]
        assert [data[name] for name in ("thisBid", "thisAsk", "thatBid", "thatAsk", "spread")] == shown
        assert (data["thisOdds"], data["thatOdds"], data["illiquid"]) == (0.6789, 0.3211, True)
        assert (data["acceptingOrders"], data["stale"]) == (True, False)

    def test_thats_last_trade_tells_as_much(self, there, live):
        there.set_book(bids=[], asks=[])
        there.set_last_trade("", that_price="0.3")
        assert live().json()["data"]["thisOdds"] == 0.7

    @pytest.mark.parametrize("trade", ["0", "1", "1.5", "-0.2", "NaN", "Infinity", "half", "", "1e-9", None])
    def test_without_a_trade_it_shows_what_is_stored(self, there, live, market, trade):
        age_odds()
        there.set_book(bids=[], asks=[("0.9", 500)])
        there.set_last_trade(trade, that_price=trade)
        data = live().json()["data"]
        assert (data["thisOdds"], data["thatOdds"]) == (float(market.this_odds), float(market.that_odds))
        assert (data["illiquid"], data["stale"]) == (True, False)

    def test_a_spread_of_exactly_the_widest_is_not(self, there, live):
        set_book(there, "0.30", "0.40")
        data = live().json()["data"]
        assert (data["thisOdds"], data["spread"], data["illiquid"]) == (0.35, 0.1, False)


def test_a_dust_order_moves_nothing(there, live, market_rules):
    market_rules.LIVE_SECONDS = 0
    set_book(there, "0.40", "0.44")
    there.add_dust("bid", "0.439", 0.01)
    there.add_dust("ask", "0.4391", 0.01)
    data = live().json()["data"]
    assert (data["thisBid"], data["thisAsk"], data["thisOdds"]) == (0.4, 0.44, 0.42)


def test_a_market_that_has_other_tokens_now_is_requested_anew(there, live, upstream, market, market_rules):
    """What was heard is of the tokens, in their order: after both swapped places it would be another side's."""
    market_rules.LIVE_SECONDS = 30
    set_book(there, "0.20", "0.22")
    assert live().json()["data"]["thisOdds"] == 0.21
    this, that = tokens_of(market)
    Market.objects.filter(pk=market.pk).update(this_token_id=that, that_token_id=this)
    assert live().json()["data"]["thisOdds"] == 0.79
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_hanging_upstream_is_given_up_in_bounded_time(live, upstream, kind):
    age_odds()
    upstream.faults.set(kind, path="/books", seconds=30 if kind == "hang" else 0.2)
    started = time.monotonic()
    refusal(live(), 503, "price_unavailable")
    assert time.monotonic() - started < BOUND_SECONDS


def test_an_upstream_that_keeps_failing_is_left_alone_and_costs_nothing(live, upstream):
    age_odds()
    fault = upstream.faults.set("status", path="/books")
    for _ in range(5):
        refusal(live(), 503, "price_unavailable")
    upstream.faults.clear()
    hanging = upstream.faults.set("hang", path="/books", seconds=30)
    started = time.monotonic()
    for _ in range(20):
        refusal(live(), 503, "price_unavailable")
    assert time.monotonic() - started < BOUND_SECONDS
    assert (fault.hits, hanging.hits) == (5, 0)


def test_a_closed_port_is_no_worse(live, settings):
    age_odds()
    settings.POLYMARKET_CLOB_URL = "http://127.0.0.1:1"
    refusal(live(), 503, "price_unavailable")


def test_the_full_market_is_the_market_with_its_live_odds(there, upstream, market, api, market_rules):
    market_rules.LIVE_SECONDS = 30
    set_book(there, "0.43", "0.44")
    ingest(upstream)
    full = read(api, f"/{market.pk}/full")["data"]
    live = full.pop("live")
    assert full == read(api, f"/{market.pk}")["data"]
    assert (full["bid"], full["ask"]) == (live["thisBid"], live["thisAsk"])
    assert live == read(api, f"/{market.pk}/live")["data"]


def test_the_full_market_does_without_when_polymarket_is_away(market, api, upstream):
    age_odds()
    upstream.faults.set("status", path="/books")
    full = read(api, f"/{market.pk}/full")["data"]
    assert full.pop("live") is None
    assert full == read(api, f"/{market.pk}")["data"]


@pytest.mark.django_db
def test_a_house_market_has_no_live_odds(api):
    house = add_market()
    said = refusal(api.get(f"{MARKETS}/{house.pk}/live"), 400, "no_polymarket_id")
    assert said["error"] == "Market has no Polymarket ID"
    assert read(api, f"/{house.pk}/full")["data"]["live"] is None


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["live", "full"])
@pytest.mark.parametrize(
    "name", ["01980000-0000-7000-8000-000000000000", "0xnever", "%00", "..", "%F0%9F%98%80", "x" * 300]
)
def test_an_unknown_market_is_not_found(api, path, name):
    refusal(api.get(f"{MARKETS}/{name}/{path}"), 404, "not_found")


def test_requests_upstream_are_throttled_and_cached_responses_are_free(
    there, upstream, api, monkeypatch, settings, market_rules
):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "upstream", "2/min")
    market_rules.LIVE_SECONDS = 30
    names = [market.condition_id for market in upstream.world.good_markets()[:3]]
    assert [api.get(f"{MARKETS}/{name}/live").status_code for name in names[:2]] == [200, 200]
    response = api.get(f"{MARKETS}/{names[2]}/live")
    refusal(response, 429, "throttled")
    assert int(response["Retry-After"]) >= 1
    assert [api.get(f"{MARKETS}/{names[0]}/live").status_code for _ in range(5)] == [200] * 5
    assert read(api, f"/{names[2]}/full")["data"]["live"] is None
    assert len(upstream.requests) == 2
    settings.THROTTLE_ENABLED = False
    assert api.get(f"{MARKETS}/{names[2]}/live").status_code == 200


@pytest.mark.parametrize(
    "path", ["", "?q=will", "?status=all", "/random", "/categories", "/category/sports", "/{id}", "/{condition}"]
)
def test_all_but_live_odds_come_from_our_own_data(there, market, api, upstream, path):
    """Lesson 25: a list that requested upstream twenty times a request."""
    read(api, path.format(id=market.pk, condition=there.condition_id))
    assert len(upstream.requests) == 0


def test_lists_go_on_while_the_upstream_hangs(transactional_db, upstream, market, api):
    age_odds()
    hanging = upstream.faults.set("hang", path="/", seconds=30)
    names = [there.condition_id for there in upstream.world.good_markets()[:6]]
    with ThreadPoolExecutor(6) as pool:
        waiting = [
            pool.submit(in_thread, lambda name=name: Client().get(f"{MARKETS}/{name}/live").status_code)
            for name in names
        ]
        wait_until(lambda: hanging.hits > 0)
        started = time.monotonic()
        for _ in range(20):
            assert read(api)["count"] == 50
        assert time.monotonic() - started < 1
        assert {response.result(10) for response in waiting} == {503}
    assert time.monotonic() - started < BOUND_SECONDS
    assert hanging.hits <= 3, "a quarter of the threads stays free of waiting"
