"""Whoever writes odds or a status says so to other processes, after the commit, and of rows that changed alone."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from accounts.models import User
from accounts.staff import StaffMember
from core import pubsub
from markets import changes, house, prices
from markets.models import Market
from markets.polymarket.books import ShownPrices
from markets.prices import Heard
from markets.resolution import staff
from tests.betting.factories import add_lmsr, sign_up
from tests.markets.factories import add_market, add_mirrored, ingest
from tests.markets.resolution.factories import mirror, resolve

pytestmark = pytest.mark.django_db
SECONDS = 5
Messages = list[tuple[str, dict]]


class Listener:
    def __init__(self, client: redis.Redis) -> None:
        self._subscription = client.pubsub(ignore_subscribe_messages=True)
        self._topics = {pubsub.channel(topic): topic for topic in (changes.ODDS_TOPIC, changes.MARKETS_TOPIC)}
        self._subscription.subscribe(*self._topics)
        # Those of before this test are over when this one comes.
        self.next()

    def next(self) -> Messages:
        """What was published since the last time."""
        mark = str(uuid4())
        marks = [(topic, {"marketId": mark}) for topic in self._topics.values()]
        for topic, message in marks:
            pubsub.publish(topic, [message])
        found: Messages = []
        end = time.monotonic() + SECONDS
        while not all(each in found for each in marks):
            assert time.monotonic() < end, found
            if message := self._subscription.get_message(timeout=0.1):
                topic = self._topics[message["channel"].decode()]
                found += [(topic, json.loads(said)) for said in pubsub.decode(message["data"])[1]]
        return [each for each in found if each not in marks]


@pytest.fixture
def told(django_capture_on_commit_callbacks) -> Iterator[Callable[[Callable[[], object]], Messages]]:
    """What others are told by an act, once it is committed."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        listener = Listener(client)

        def act(write: Callable[[], object]) -> Messages:
            with django_capture_on_commit_callbacks(execute=True):
                write()
            return listener.next()

        yield act


@pytest.fixture
def by() -> StaffMember:
    return StaffMember(User.objects.create_superuser(email="grace@example.com", username="grace"), "192.0.2.7")


def prices_of(market: Market) -> tuple[str, dict]:
    market.refresh_from_db()
    (row,) = changes.read_current(changes.MarketOddsSerializer, [market.pk])
    return changes.ODDS_TOPIC, json.loads(changes_json(row))


def status_of(market: Market) -> tuple[str, dict]:
    market.refresh_from_db()
    told = {"marketId": str(market.pk), "status": market.status, "resolution": market.resolution}
    return changes.MARKETS_TOPIC, told


def changes_json(row: dict) -> str:
    return json.dumps(row, default=lambda value: float(value) if isinstance(value, Decimal) else str(value))


def test_a_refresh_tells_of_prices_that_changed(told) -> None:
    one, same = (
        add_mirrored(n, this_odds=Decimal("0.6"), that_odds=Decimal("0.4"), bid=None, ask=None) for n in (1, 2)
    )
    read = [
        Heard(one.pk, prices.tokens_of(one), ShownPrices(Decimal("0.61"), Decimal("0.60"), Decimal("0.62"))),
        Heard(same.pk, prices.tokens_of(same), ShownPrices(Decimal("0.6"), None, None)),
    ]
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert told(lambda: prices.store_prices(read, now=later)) == [prices_of(one)]
    assert prices_of(one)[1]["thisOdds"] == 0.61
    silent = [each._replace(prices=None) for each in read]
    assert told(lambda: prices.store_prices(silent, now=later)) == [prices_of(one)]


def test_an_ingestion_tells_of_prices_and_statuses_that_changed(told, upstream) -> None:
    ingest(upstream)
    moved, closed = upstream.world.good_markets()[:2]
    moved.set_price(Decimal("0.37"))
    closed.close()
    found = told(lambda: ingest(upstream))
    here = {there: Market.objects.get(polymarket_id=there.condition_id) for there in (moved, closed)}
    assert prices_of(here[moved]) in found
    assert status_of(here[closed]) in found
    assert {said["marketId"] for _, said in found} == {str(market.pk) for market in here.values()}


def test_a_resolution_tells_of_the_result(told, upstream) -> None:
    there = upstream.world.good_markets()[0]
    market = mirror(there)
    there.resolve("this")
    found = told(lambda: resolve(upstream))
    assert status_of(market) in found
    assert found[0][1]["marketId"] == str(market.pk)
    assert market.resolution == "this"


def test_each_bet_and_sale_on_a_market_that_prices_itself_tells_of_its_odds(told) -> None:
    market, ann = add_lmsr(), sign_up("ann")
    bets: list[dict] = []
    assert told(lambda: bets.append(ann.bet(market, 100))) == [prices_of(market)]
    market.refresh_from_db()
    assert market.this_odds == Decimal("0.5335")
    assert told(lambda: ann.sell(bets[0])) == [prices_of(market)]
    assert told(lambda: ann.bet(add_market(), 100)) == []


def test_staff_tell_of_odds_and_of_every_decision(told, by) -> None:
    now, market = datetime.now(UTC), add_market()
    odds = {"market_id": market.pk, "this_odds": Decimal("0.7"), "by": by, "reason": "News.", "now": now}
    assert told(lambda: house.change_odds(**odds)) == [prices_of(market)]
    given = {"market_id": market.pk, "by": by, "reason": "Over.", "now": now}
    for decide in (
        lambda: staff.close_market(**given),
        lambda: staff.open_market_again(**given),
        lambda: staff.resolve_market(outcome="that", **given),
    ):
        assert told(decide) == [status_of(market)]


def test_a_house_market_that_ends_is_told_of(told) -> None:
    now = datetime.now(UTC)
    market = add_market(expires_at=now - timedelta(seconds=1))
    assert told(lambda: house.close_expired(now=now)) == [status_of(market)]


def test_a_flood_is_one_message_to_look(told, monkeypatch) -> None:
    monkeypatch.setattr(changes, "MANY", 2)
    markets = [add_market(title=str(number)).pk for number in range(3)]
    assert told(lambda: changes.publish_odds(markets)) == [(changes.ODDS_TOPIC, {"all": True})]
    assert len(told(lambda: changes.publish_odds(markets[:2]))) == 2
    assert told(lambda: changes.publish_odds([])) == []
