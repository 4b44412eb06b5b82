"""Streams while servers stop, are killed and come back, and when there is no place for more."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.pubsub import Publisher
from markets import changes
from markets.models import Market
from markets.serializers import MarketOddsSerializer
from tests.markets.factories import add_market
from tests.ops.conftest import folder, redis_server, running  # noqa: F401 - fixtures
from tests.ops.servers import Web
from tests.stream.conftest import environment
from tests.stream.sse import Stream

pytestmark = pytest.mark.django_db(transaction=True)


def set_odds(market: Market, odds: str) -> None:
    this = Decimal(odds)
    given = {"this_odds": this, "that_odds": 1 - this, "odds_updated_at": datetime.now(UTC)}
    Market.objects.filter(pk=market.pk).update(**given)


def test_redis_is_killed_and_comes_back_and_the_process_is_asked_to_stop(running, redis_server, settings) -> None:  # noqa: F811
    market = add_market()
    redis_server.start()
    web = running(Web, **environment(REDIS_URL=redis_server.url, STREAM_MAX_CLIENTS="2", WEB_STOP_TIMEOUT="5"))
    with Stream(web.base, f"?markets={market.pk}") as stream, Stream(web.base) as other:
        stream.next("odds")
        with Stream(web.base) as third:
            assert third.status == 503
            assert third.error()["code"] == "stream_full"
            assert int(third.headers["Retry-After"]) > 0
        other.__exit__()
        redis_server.kill()
        # Nobody tells of it: the process looks for itself.
        set_odds(market, "0.5100")
        stream.next("odds", thisOdds=0.51, seconds=20)
        redis_server.start()
        settings.REDIS_URL = redis_server.url
        publisher = Publisher()
        assert until_told(stream, market, publisher)
        # The place of who went is free.
        with Stream(web.base) as third:
            assert third.status == 200
        since = time.monotonic()
        web.process.terminate()
        assert stream.ends()
        assert 1000 <= stream.retry <= 5000
        assert web.process.wait(10) == 0
        assert time.monotonic() - since < 5


def until_told(stream: Stream, market: Market, publisher: Publisher) -> bool:
    """Whether a message comes through again, within seconds."""
    for number in range(52, 99):
        set_odds(market, f"0.{number}00")
        publisher.add(changes.ODDS_TOPIC, changes.read_current(MarketOddsSerializer, [market.pk]))
        since = time.monotonic()
        stream.next("odds", thisOdds=number / 100)
        if time.monotonic() - since < 0.3:
            return True
    return False
