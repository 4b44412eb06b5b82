"""What was before anybody recorded a market here is requested from Polymarket, once, and never believed blindly."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from markets.history import backfill
from markets.history.models import MarketBackfill, MarketHourlyPoint, MarketPoint
from markets.models import Market, MarketWatch
from tests.concurrently import in_thread, wait_until
from tests.markets.factories import MARKETS, add_market, ingest, polymarket_client
from tests.markets.history.factories import A_DAY, A_MINUTE, AN_HOUR, add_points, history, odds_of, set_odds, times_of

pytestmark = pytest.mark.django_db
PATH = "/prices-history"


@pytest.fixture
def there(upstream, now):
    """A market that Polymarket has had for months."""
    ingest(upstream, now=now)
    upstream.requests.clear()
    market = upstream.world.good_markets()[0]
    market.created_at = now - 90 * A_DAY
    return market


@pytest.fixture
def market(there):
    return Market.objects.get(polymarket_id=there.condition_id)


def requested(upstream) -> list[tuple[str, str]]:
    queries = [call.query for call in upstream.requests if call.path == PATH]
    return [(query["interval"][0], query["fidelity"][0]) for query in queries]


def backfilled(market) -> int:
    return sum(
        model.objects.filter(market_id=market.pk, is_backfilled=True).count()
        for model in (MarketPoint, MarketHourlyPoint)
    )


def test_the_first_request_has_the_past_and_the_second_asks_nobody(api, there, market, upstream):
    body = history(api, market)
    assert requested(upstream) == [("1w", "5"), ("max", "60")]
    assert len(body["data"]) in (288, 289)
    assert {point["bid"] for point in body["data"][:-1]} == {None}
    assert body["data"][-1]["thisOdds"] == market.this_odds
    assert history(api, market)["data"][1:280] == body["data"][1:280]
    for interval in ("1h", "6h", "1w", "1m", "max"):
        assert len(history(api, market, interval)["data"]) > 50, interval
    assert len(requested(upstream)) == 2


def test_what_was_recorded_here_wins(api, market, now):
    minute = now.replace(second=0, microsecond=0)
    own = {minute - 3 * AN_HOUR + each * A_MINUTE: 9_999 for each in range(0, 121, 60)}
    add_points(market, own)
    found = dict(zip(times_of(body := history(api, market)), odds_of(body), strict=True))
    covered = [odds for at, odds in found.items() if min(own) <= at <= max(own) + 50 * A_MINUTE]
    assert set(covered) == {Decimal("0.9999")}
    assert sum(odds != Decimal("0.9999") for odds in found.values()) > 200


def test_a_closed_market_is_requested_at_the_resolution_that_polymarket_has(api, there, market, upstream, now):
    there.resolve("this")
    there.closed_at = now - A_DAY
    Market.objects.filter(pk=market.pk).update(status="resolved", resolution="this", resolved_at=now)
    body = history(api, market, "max")
    assert requested(upstream) == [("max", "720")]
    assert len(body["data"]) > 100
    assert odds_of(body)[-1] == 1
    history(api, market)
    assert len(requested(upstream)) == 1


def test_that_nothing_is_known_is_known_too(api, there, market, upstream):
    there.priced = False
    assert odds_of(history(api, market)) == [market.this_odds]
    history(api, market)
    assert len(requested(upstream)) == 2
    assert MarketBackfill.objects.get().is_done


@pytest.mark.parametrize("fault", ["status", "html", "broken_json", "wrong_shape", "reset"])
def test_while_polymarket_is_away_the_response_has_what_is_known(api, market, upstream, now, fault, monkeypatch):
    monkeypatch.setattr(backfill.rules, "HISTORY_BACKFILL_SECONDS", 30)
    upstream.faults.set(fault, path=PATH)
    assert odds_of(history(api, market)) == [market.this_odds]
    history(api, market)
    assert len(requested(upstream)) == 1, "not again at once"
    assert not MarketBackfill.objects.get().is_done
    upstream.faults.clear()
    MarketBackfill.objects.update(tried_at=now - timedelta(minutes=6))
    backfill.backfill_history(market, client=polymarket_client(upstream), now=now)
    assert len(history(api, market)["data"]) > 280
    assert MarketBackfill.objects.get().is_done


def test_a_polymarket_that_hangs_costs_no_more_than_its_time(api, market, upstream, monkeypatch):
    monkeypatch.setattr(backfill.rules, "HISTORY_BACKFILL_SECONDS", 0.3)
    upstream.faults.set("drip", path=PATH, seconds=0.05)
    assert odds_of(history(api, market)) == [market.this_odds]
    assert len(requested(upstream)) == 1


def test_only_what_makes_sense_is_stored(api, market, upstream, now):
    upstream.faults.set("malformed", path=PATH)
    history(api, market)
    for model in (MarketPoint, MarketHourlyPoint):
        (point,) = model.objects.filter(market_id=market.pk)
        assert (point.this_odds, point.is_backfilled) == (4_321, True)
        assert now - 2 * AN_HOUR < point.recorded_at <= now


def test_a_gap_is_filled_when_somebody_looks_again_later(api, market, upstream, now):
    history(api, market)
    count = backfilled(market)
    MarketBackfill.objects.update(tried_at=now - 3 * AN_HOUR)
    history(api, market)
    assert len(requested(upstream)) == 2, "nothing is missing"
    later = now + 5 * AN_HOUR
    set_odds(market, "0.5", later)
    market.refresh_from_db()
    upstream.world.clock.now = later
    assert backfill.is_due(market, has_gaps=True, now=later)
    backfill.backfill_history(market, client=polymarket_client(upstream), now=later)
    # 60 of five minutes and 5 of an hour; those that were there aren't added again.
    assert 55 <= backfilled(market) - count <= 75


def test_many_who_look_at_once_make_one_request(transactional_db, there, market, upstream):
    slow = upstream.faults.set("latency", path=PATH, seconds=0.4)

    def look() -> int:
        return len(Client().get(f"{MARKETS}/{market.pk}/history").json()["data"])

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(in_thread, look) for _ in range(3)]
        wait_until(lambda: slow.hits > 0)
        # Who finds no slot free doesn't wait for one, and gets what is known.
        assert max(response.result(10) for response in waiting) > 280
    assert len(requested(upstream)) == 2
    assert in_thread(look) > 280


def test_requests_upstream_are_throttled_and_what_is_known_is_free(api, there, upstream, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "upstream", "1/min")
    ids = [market.condition_id for market in upstream.world.good_markets()[:3]]
    assert [api.get(f"{MARKETS}/{name}/history").status_code for name in ids] == [200] * 3
    assert len(requested(upstream)) == 2


def test_a_house_market_is_requested_from_nobody(api, there, upstream):
    history(api, add_market())
    assert requested(upstream) == []


def test_who_looks_at_a_history_keeps_the_odds_fresh(api, market):
    history(api, market)
    assert MarketWatch.objects.filter(market=market).exists()


def test_charts_leave_most_turns_to_fills(api, market, upstream):
    """However many markets' histories are asked for while Polymarket hangs."""
    with ExitStack() as stack:
        taken = 0
        while stack.enter_context(backfill.history_semaphore.acquire(timeout=0)):
            taken += 1
        assert 0 < taken <= settings.WEB_THREADS * 3 // 4 // 2
        assert odds_of(history(api, market)) == [market.this_odds]
        assert requested(upstream) == []
    assert len(history(api, market)["data"]) > 280


def test_histories_that_fail_leave_order_books_requested(there, upstream, now):
    client = polymarket_client(upstream)
    upstream.faults.set("status", path=PATH)
    for market in Market.objects.filter(polymarket_id__isnull=False)[:6]:
        backfill.backfill_history(market, client=client, now=now)
    assert client.books(there.tokens)
