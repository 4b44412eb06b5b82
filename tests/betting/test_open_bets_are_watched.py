"""The odds of markets with open bets are kept fresh, at no cost to those who bet."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache

from betting.services import watch_open_bets
from betting.tasks import watch_open_bets as task
from core.models import JobRun
from markets.models import Market, MarketWatch
from markets.tasks import run_odds_refresh as refresh_odds
from tests.betting.factories import set_book
from tests.markets.factories import polymarket_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(upstream) -> list[Market]:
    markets = upstream.world.good_markets()[:3]
    for there in markets:
        set_book(there, "0.3900", "0.4000")
    return [Market.objects.get(polymarket_id=there.condition_id) for there in markets]


def test_the_sweep_watches_every_market_with_an_open_bet_and_no_other(ann, three, kettle, now):
    for market in (*three, kettle):
        ann.bet(market, 10)
        ann.bet(market, 10, "that")
    ann.sell(ann.bet(three[0], 10))
    MarketWatch.objects.all().delete()
    assert watch_open_bets(now=now) == 3
    watched = dict(MarketWatch.objects.values_list("market_id", "watched_until"))
    assert watched.keys() == {market.pk for market in three}
    assert all(until > now + timedelta(minutes=10) for until in watched.values())


def test_bets_that_are_sold_or_over_are_not_watched(ann, three, now):
    bets = [ann.bet(market, 10) for market in three]
    ann.sell(bets[0])
    Market.objects.filter(pk=three[1].pk).update(status="closed")
    MarketWatch.objects.all().delete()
    assert watch_open_bets(now=now) == 1
    assert MarketWatch.objects.get().market_id == three[2].pk


def test_without_bets_nothing_is_watched(now, db):
    assert watch_open_bets(now=now) == 0


def test_the_task_says_how_many(ann, three):
    ann.bet(three[0], 10)
    task()
    assert JobRun.objects.get(job="betting.watch_open_bets").result == {"markets": 1}


def test_the_value_of_an_open_bet_follows_the_odds(ann, mirrored, there, upstream):
    bet = ann.bet(mirrored, 100)
    there.set_price(Decimal("0.8000"))
    cache.clear()
    refresh_odds(client=polymarket_client(upstream), now=datetime.now(UTC) + timedelta(seconds=1))
    assert ann.show(bet)["currentValue"] == 200
