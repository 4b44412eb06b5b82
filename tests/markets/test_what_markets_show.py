"""What a market shows: bid, ask and odds of the catalogue or the book, and which are marked; what comes first."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.db.sql import execute
from devtools.simulators.polymarket import Simulator
from markets.models import Market
from tests.betting.factories import BETS, order, set_book
from tests.markets.factories import add_market, add_mirrored, ids, ingest, publish, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def there(upstream):
    """A market of the simulated Polymarket, which isn't ingested yet."""
    return upstream.world.good_markets()[0]


def shown(api, there) -> dict:
    return read(api, f"/{there.condition_id}")["data"]


def prices(market: dict) -> tuple:
    return tuple(market[name] and float(market[name]) for name in ("thisOdds", "bid", "ask", "spread"))


class TestCatalogue:
    """Markets whose book nobody reads."""

    def test_best_prices_come_with_the_odds(self, upstream, there, api):
        set_book(there, "0.43", "0.44")
        ingest(upstream)
        market = shown(api, there)
        assert prices(market) == (0.435, 0.43, 0.44, 0.01)
        assert (market["illiquid"], market["acceptingOrders"], market["pricing"]) == (False, True, "mirror")

    def test_after_a_first_ingestion_most_can_be_bet_on(self, api):
        with Simulator(seed=3, events=60) as upstream:
            ingest(upstream)
        markets = read(api, limit=200)["data"]
        assert len([market for market in markets if not market["illiquid"]]) > len(markets) * 0.9
        for market in markets:
            assert market["illiquid"] or market["bid"] <= market["thisOdds"] <= market["ask"]

    @pytest.mark.parametrize(
        ("bids", "asks", "expected"),
        [
            ([("0.01", 500)], [("0.99", 500)], (0.62, 0.01, 0.99, 0.98)),
            ([("0.30", 500)], [], (0.62, 0.3, None, None)),
            ([], [("0.42", 500)], (0.62, None, 0.42, None)),
        ],
    )
    def test_a_wide_book_shows_its_last_trade_and_is_marked(self, upstream, there, api, bids, asks, expected):
        """Lesson 42: never half way between orders that are far from each other."""
        there.set_book(bids=bids, asks=asks)
        there.set_last_trade("0.62")
        ingest(upstream)
        market = shown(api, there)
        assert prices(market) == expected
        assert (market["thatOdds"], market["illiquid"]) == (Decimal("0.3800"), True)

    def test_without_a_trade_it_shows_the_catalogues_price(self, upstream, there, api):
        there.set_book(bids=[], asks=[("0.42", 500)])
        there.set_last_trade(None)
        ingest(upstream)
        assert prices(shown(api, there)) == (0.21, None, 0.42, None)
        assert shown(api, there)["illiquid"] is True

    def test_it_is_marked_whether_or_not_orders_are_accepted(self, upstream, there, api):
        set_book(there, "0.43", "0.44")
        there.stop_accepting()
        ingest(upstream)
        market = shown(api, there)
        assert (market["illiquid"], market["acceptingOrders"]) == (False, False)

    @pytest.mark.parametrize(
        "sent",
        [
            {"bestBid": 0.5, "bestAsk": 0.4},
            {"bestBid": 0.44, "bestAsk": 0.44},
            {"bestBid": 0.8, "bestAsk": 0.9},
            {"bestBid": "NaN", "bestAsk": [0.44]},
            {"bestBid": -0.1, "bestAsk": 1.5},
            {"bestBid": 0, "bestAsk": 1},
            {"bestBid": None, "bestAsk": None},
            {"bestBid": 10**400, "bestAsk": "1e999"},
        ],
    )
    def test_nonsense_and_contradictions_are_no_prices(self, upstream, there, api, sent):
        set_book(there, "0.43", "0.44")
        for name, value in sent.items():
            there.poison(name, value)
        ingest(upstream)
        market = shown(api, there)
        assert (market["bid"], market["ask"], market["spread"], market["illiquid"]) == (None, None, None, True)

    def test_prices_that_are_not_sent_any_more_are_unknown(self, upstream, there, api):
        set_book(there, "0.43", "0.44")
        ingest(upstream)
        there.drop_prices()
        ingest(upstream)
        assert prices(shown(api, there)) == (0.435, None, None, None)

    @pytest.mark.parametrize("was_bet_on", [True, False])
    def test_in_another_order_they_are_the_other_sides(self, upstream, there, api, was_bet_on):
        set_book(there, "0.43", "0.45")
        ingest(upstream)
        if was_bet_on:
            execute(
                "INSERT INTO market_terms (market_id) SELECT id FROM markets WHERE polymarket_id = %s",
                [there.condition_id],
            )
        there.reorder()
        ingest(upstream)
        expected = (0.44, 0.43, 0.45, 0.02) if was_bet_on else (0.56, 0.55, 0.57, 0.02)
        assert prices(shown(api, there)) == expected

    def test_the_same_again_writes_no_row(self, upstream, there, api):
        there.set_book(bids=[("0.30", 500)], asks=[])
        ingest(upstream)
        was = Market.objects.get(polymarket_id=there.condition_id).updated_at
        assert ingest(upstream)["updated"] == 0
        assert Market.objects.get(polymarket_id=there.condition_id).updated_at == was


class TestHouse:
    @pytest.mark.parametrize(
        ("spread", "odds", "expected"),
        [
            ("0.02", "0.6", (0.6, 0.59, 0.61, 0.02)),
            ("0.05", "0.6", (0.6, 0.575, 0.625, 0.05)),
            # Half a ten-thousandth is rounded against who trades.
            ("0.0205", "0.6", (0.6, 0.5897, 0.6103, 0.0206)),
            ("0.02", "0.995", (0.995, 0.985, 1, 0.015)),
            ("0.02", "0.005", (0.005, 0, 0.015, 0.015)),
            ("0", "0.6", (0.6, 0.6, 0.6, 0)),
        ],
    )
    def test_bid_and_ask_lie_around_the_odds_as_they_fill(self, api, market_rules, spread, odds, expected):
        market_rules.HOUSE_SPREAD = Decimal(spread)
        house = add_market(this_odds=Decimal(odds), that_odds=1 - Decimal(odds))
        publish()
        for market in (read(api, f"/{house.pk}")["data"], read(api)["data"][0], read(api, f"/{house.pk}/full")["data"]):
            assert prices(market) == expected
            assert (market["illiquid"], market["pricing"]) == (False, "fixed")

    def test_a_quote_says_the_same(self, api, market_rules):
        market_rules.HOUSE_SPREAD = Decimal("0.03")
        house = add_market()
        market = read(api, f"/{house.pk}")["data"]
        quote = api.post(f"{BETS}/quote", order(house), content_type="application/json").json()["quote"]
        assert [quote[name] for name in ("bid", "ask", "spread")] == [
            float(market[n]) for n in ("bid", "ask", "spread")
        ]


class TestWhatComesFirst:
    """Lesson 46: after a restart of the development world the top of the list was markets nobody could bet on."""

    def test_after_a_restart_of_the_world_the_top_of_the_list_can_be_bet_on(self, upstream, api, settings):
        ingest(upstream)
        with Simulator(seed=8, events=24) as other:
            settings.POLYMARKET_CLOB_URL = other.clob_url
            for number, there in enumerate(other.world.good_markets()[:12]):
                there.set_volume(10**9 + number)
                spoil = (
                    there.stop_accepting,
                    lambda there=there: there.thin_book(0),
                    lambda there=there: set_book(there, "0.2", "0.8"),
                )
                spoil[number % 3]()
            result = ingest(other)
            assert result["created"] > 20
            first = read(api, limit=20)["data"]
            quotes = [
                api.post(f"{BETS}/quote", order(market["id"]), content_type="application/json") for market in first
            ]
        assert [quote.status_code for quote in quotes] == [200] * 20

    UNFIT = {
        "wide": {"bid": Decimal("0.3"), "ask": Decimal("0.4001")},
        "one-sided": {"bid": None},
        "unknown": {"bid": None, "ask": None},
        "not accepting": {"accepting_orders": False},
        "past its end": {"expires_at": timedelta(seconds=-1)},
        "certain": {"this_odds": Decimal(1), "that_odds": Decimal(0)},
    }

    @pytest.mark.parametrize("what", UNFIT)
    @pytest.mark.parametrize("query", [{}, {"category": "general"}, {"q": "kettle"}, {"minLiquidity": 0}])
    def test_what_cannot_be_bet_on_comes_last_however_much_it_is_traded(self, api, now, what, query):
        fields = {
            name: now + value if isinstance(value, timedelta) else value for name, value in self.UNFIT[what].items()
        }
        least = add_mirrored(1, volume_24hr=Decimal(0))
        most = add_mirrored(2, volume_24hr=Decimal("9999999999999999.99"), **fields)
        some = add_mirrored(3, volume_24hr=Decimal(5), **fields)
        fair = add_market(volume_24hr=Decimal(3))
        publish()
        expected = [str(market.pk) for market in (fair, least, most, some)]
        assert ids(read(api, **query)) == expected
        found, cursor = [], {}
        for _ in expected:
            body = read(api, limit=1, **query, **cursor)
            found += ids(body)
            cursor = {"cursor": body["nextCursor"]}
        assert found == expected
        assert body["nextCursor"] is None
        assert set(ids(read(api, "/random"))) == {str(fair.pk), str(least.pk)}
        assert ids(read(api, sort="volume", **query))[0] in expected

    def test_a_spread_of_exactly_the_widest_is_narrow_enough(self, api):
        edge = add_mirrored(1, bid=Decimal("0.3"), ask=Decimal("0.4"))
        publish()
        assert ids(read(api, "/random")) == [str(edge.pk)]
        assert read(api, f"/{edge.pk}")["data"]["illiquid"] is False
