"""The odds refresh: a token that Polymarket refuses, or odds that can't be stored, cost no other market its odds."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from core.jobs.runs import last_run
from markets import prices, tasks
from markets.errors import UpstreamRejected
from markets.models import Market
from markets.polymarket.client import PolymarketClient
from tests.markets.factories import BRISK, add_mirrored
from tests.markets.polymarket.scripted_server import Reply, scripted_server
from tests.roles import as_owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def watched(now):
    markets = [add_mirrored(number, odds_updated_at=now - timedelta(minutes=5)) for number in range(1, 31)]
    prices.watch_markets([market.pk for market in markets], until=now + timedelta(hours=1))
    return markets


def book(token, bid, ask, trade):
    bids, asks = ([{"price": price, "size": "500"}] for price in (bid, ask))
    return {"asset_id": token, "bids": bids, "asks": asks, "last_trade_price": trade}


def refresh(now, poison=frozenset(), *, bid="0.74", ask="0.76", trade="0.5"):
    """One run against an order book that refuses every request with one of these tokens in it."""

    def respond(request):
        tokens = {item["token_id"] for item in request.body}
        if poison & tokens:
            return Reply({"error": "invalid token"}, status=400)
        return Reply([book(token, bid, ask, trade) for token in tokens if token.endswith("1")])

    with scripted_server() as server:
        server.always(respond)
        client = PolymarketClient(gamma_url=server.url, clob_url=server.url, policy=BRISK)
        return tasks.run_odds_refresh(client=client, now=now)


def refreshed(now):
    return set(Market.objects.filter(odds_updated_at=now, this_odds=Decimal("0.75")).values_list("pk", flat=True))


def test_a_token_that_is_refused_costs_no_other_market_its_odds(watched, now):
    odd = watched[11]
    result = refresh(now, {odd.that_token_id})
    assert (result["watched"], result["refreshed"], result["errors"]) == (30, 29, 1)
    assert refreshed(now) == {market.pk for market in watched} - {odd.pk}
    (told,) = last_run(tasks.REFRESH_ODDS).result["skippedObjects"]
    assert told["id"] == str(odd.pk)
    assert told["reason"].startswith("UpstreamRejected")


def test_where_all_are_refused_the_run_says_so(watched, now):
    with pytest.raises(UpstreamRejected):
        refresh(now, {market.this_token_id for market in watched})
    assert last_run(tasks.REFRESH_ODDS).status == "failed"


def test_odds_that_cant_be_stored_cost_no_other_market_its_odds(watched, now):
    odd = watched[3]
    connection.check_constraints()  # while some are still to be checked, the table can't be altered
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE markets ADD CONSTRAINT odd CHECK (id <> '{odd.pk}' OR this_odds <> 0.75) NOT VALID"
        )
    result = refresh(now)
    assert (result["watched"], result["refreshed"], result["errors"]) == (30, 29, 1)
    assert refreshed(now) == {market.pk for market in watched} - {odd.pk}


@pytest.mark.parametrize("price", ["1e-300", "0." + "1" * 90, 1e-300])
def test_any_price_between_0_and_1_is_taken(watched, now, price):
    assert refresh(now, bid=price) == {"watched": 30, "refreshed": 30}


NO_PRICES = [2**80, int("9" * 4_000), -1, 0, 1, [[]], {"a": 1}, True, None, "x" * 5_000, "1e999", "NaN"]


@pytest.mark.parametrize("price", NO_PRICES, ids=lambda price: str(price)[:9])
def test_what_is_no_price_makes_no_book(watched, now, price):
    assert refresh(now, ask=price) == {"watched": 30, "refreshed": 0}


@pytest.mark.parametrize("price", NO_PRICES, ids=lambda price: str(price)[:9])
def test_what_is_no_price_is_no_last_trade(watched, now, price):
    """The odds stay where a wide book tells none."""
    assert refresh(now, bid="0.1", ask="0.9", trade=price) == {"watched": 30, "refreshed": 30}
    assert set(Market.objects.values_list("this_odds", "bid")) == {(Decimal("0.6"), Decimal("0.1"))}
