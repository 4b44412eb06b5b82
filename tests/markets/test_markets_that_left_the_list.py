"""A market that is no longer listed is requested by its id: closed, still open, or unknown; it is never deleted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets.models import Market, MarketResolution
from tests.markets.factories import add_market, add_mirrored, ingest, pages, read
from tests.markets.resolution.factories import decisions, last, resolve, state

pytestmark = pytest.mark.django_db


def test_a_market_that_closed_is_requested_by_its_id_and_kept(upstream, api):
    """Lessons 22 and 30: closed markets are not in the list of open ones, and are not deleted for leaving it."""
    ingest(upstream)
    gone = next(market for market in upstream.world.good_markets() if len(market.event.markets) == 1)
    known = Market.objects.get(polymarket_id=gone.condition_id)
    number = Market.objects.count()
    gone.close()
    upstream.requests.clear()
    ingest(upstream)
    queries = [call.query for call in upstream.requests.to("/markets/keyset")]
    assert [gone.condition_id in query["condition_ids"] for query in queries if query["closed"] == ["true"]] == [True]
    now = Market.objects.get(pk=known.pk)
    assert (now.status, now.resolution) == ("closed", None)
    assert not now.accepting_orders
    assert Market.objects.count() == number
    for field in ("category", "tags", "image_url", "event_id", "event_slug", "event_title", "neg_risk", "created_at"):
        assert getattr(now, field) == getattr(known, field), field
    assert str(known.pk) not in pages(api)[0]
    assert read(api, f"/{known.pk}")["data"]["status"] == "closed"


def test_a_market_that_closed_beside_open_ones_of_its_event_is_closed(upstream):
    ingest(upstream)
    gone = next(market for market in upstream.world.good_markets() if len(market.event.markets) > 3)
    gone.resolve("this")
    ingest(upstream)
    assert Market.objects.get(polymarket_id=gone.condition_id).status == "closed"
    assert ingest(upstream)["updated"] == 0


def test_a_resolution_is_never_taken_from_the_catalogue(upstream):
    """Lesson 23: closing a market is ingestion's business, paying it is not."""
    ingest(upstream)
    for market, outcome in zip(upstream.world.good_markets()[:3], ("this", "that", "50-50"), strict=True):
        market.resolve(outcome)
    ingest(upstream)
    assert set(Market.objects.filter(status="closed").values_list("resolution", "resolved_at")) == {(None, None)}
    assert Market.objects.filter(status="closed").count() == 3


@pytest.mark.parametrize("status", ["resolved", "cancelled"])
def test_a_market_that_is_over_here_is_not_opened_again(upstream, status, now):
    ingest(upstream)
    one = upstream.world.good_markets()[0]
    over = {"status": status, "resolution": "invalid", "resolved_at": now}
    Market.objects.filter(polymarket_id=one.condition_id).update(**over)
    one.set_price(Decimal("0.11"))
    ingest(upstream)
    here = Market.objects.get(polymarket_id=one.condition_id)
    assert here.status == status
    assert here.this_odds != Decimal("0.1100")


def test_a_market_still_open_but_out_of_the_list_stays_open_and_is_refreshed(upstream, api):
    ingest(upstream)
    low = upstream.world.good_markets()[-1]
    known = Market.objects.get(polymarket_id=low.condition_id)
    low.set_price(Decimal("0.81"))
    ingest(upstream, limit=3)
    now = read(api, f"/{known.pk}")["data"]
    assert (now["status"], now["thisOdds"]) == ("open", Decimal("0.8100"))
    assert (now["category"], now["imageUrl"]) == (known.category, known.image_url)


def test_a_market_that_polymarket_no_longer_knows_stays_as_it_is(upstream):
    lost = add_mirrored(title="Will anybody remember?")
    result = ingest(upstream)
    assert result["reasons"]["not_found"] == 1
    lost.refresh_from_db()
    assert lost.status == "open"


def test_those_checked_longest_ago_come_first(upstream, now):
    for number in range(1, 8):
        add_mirrored(number)
    requested_ids: list[str] = []
    for minutes in range(4):
        upstream.requests.clear()
        ingest(upstream, recheck_limit=2, now=now + timedelta(minutes=minutes))
        (query,) = [c.query for c in upstream.requests.to("/markets/keyset") if c.query["closed"] == ["true"]]
        requested_ids += query["condition_ids"]
    assert len(requested_ids) == 8
    assert len(set(requested_ids)) == 7


def test_house_markets_are_none_of_polymarkets_business(upstream):
    house = add_market()
    assert ingest(upstream)["reasons"].get("not_found", 0) == 0
    house.refresh_from_db()
    assert house.status == "open"


class TestWhyAMarketClosed:
    """Resolution records of what ingestion closes and opens."""

    def test_staff_see_that_the_catalogue_closed_it_and_opened_it_again(self, upstream, now):
        there = upstream.world.good_markets()[0]
        ingest(upstream)
        market = Market.objects.get(polymarket_id=there.condition_id)
        assert decisions(market) == []
        there.close()
        ingest(upstream, now=now)
        record = last(market)
        assert (record.decision, record.source, record.staff) == ("closed", "catalogue", None)
        assert record.reason == "Polymarket's catalogue has it as closed."
        assert record.facts["gamma"]["closed"] is True
        assert record.seen_at == now
        there.reopen()
        ingest(upstream)
        assert decisions(market) == ["closed", "open"]
        assert state(market) == ("open", None)

    def test_a_run_that_changes_no_status_records_nothing(self, upstream):
        one, other = upstream.world.good_markets()[:2]
        ingest(upstream)
        one.close()
        ingest(upstream)
        other.set_price(Decimal("0.33"))
        ingest(upstream)
        assert MarketResolution.objects.count() == 1

    def test_what_resolution_finds_out_follows_and_nothing_is_said_twice(self, upstream):
        there = upstream.world.good_markets()[0]
        ingest(upstream)
        market = Market.objects.get(polymarket_id=there.condition_id)
        there.close()
        ingest(upstream)
        there.reopen()
        ingest(upstream)
        Market.objects.filter(pk=market.pk).update(expires_at=datetime.now(UTC) - timedelta(minutes=1))
        resolve(upstream)
        assert decisions(market) == ["closed", "open"]
        there.resolve("this")
        resolve(upstream)
        ingest(upstream)
        assert decisions(market) == ["closed", "open", "this"]
        assert state(market) == ("resolved", "this")
