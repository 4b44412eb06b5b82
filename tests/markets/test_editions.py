"""Editions: the orderings that lists are read from; new markets get their place within a minute."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from markets import listings, tasks
from markets.models import Market, MarketEdition, MarketRanking
from tests.markets.factories import add_market, add_past, ids, ingest, publish, publish_at, read

SORTS = ["trending", "newest", "ending", "liquidity", "volume"]


@pytest.fixture
def mirrored(db, upstream, now):
    ingest(upstream, now=now)
    return upstream


def test_places_count_from_one_without_gaps_over_all_and_within_each_category(mirrored):
    number = Market.objects.filter(status="open").count()
    for sort in SORTS:
        ranking = MarketRanking.objects.filter(sort=sort)
        assert sorted(ranking.values_list("position", flat=True)) == list(range(1, number + 1))
        for category in set(ranking.values_list("category", flat=True)):
            places = sorted(ranking.filter(category=category).values_list("category_position", flat=True))
            assert places == list(range(1, len(places) + 1))


def test_an_ingestion_publishes_one_edition_and_one_without_news_none(mirrored, now):
    assert MarketEdition.objects.count() == 1
    ingest(mirrored, now=now + timedelta(minutes=5))
    assert MarketEdition.objects.count() == 1
    mirrored.world.good_markets()[0].set_volume(123_456)
    ingest(mirrored, now=now + timedelta(minutes=10))
    assert MarketEdition.objects.count() == 2


def test_the_task_gives_a_new_market_its_place(mirrored, api):
    house = add_market(volume_24hr=10**9)
    assert not listings.is_edition_current(now=datetime.now(UTC))
    assert str(house.pk) not in ids(read(api, limit=200))
    tasks.publish_edition()
    assert listings.is_edition_current(now=datetime.now(UTC))
    assert ids(read(api, limit=1)) == [str(house.pk)]


def test_the_task_does_nothing_where_nothing_changed(mirrored, now):
    assert listings.publish_edition_if_outdated(now=now) is False
    assert MarketEdition.objects.count() == 1


def test_one_market_opened_and_another_closed_is_a_change(mirrored, api):
    """As many are open as before, and yet one of them has no place."""
    Market.objects.filter(pk=read(api, limit=1)["data"][0]["id"]).update(status="closed")
    house = add_market()
    assert not listings.is_edition_current(now=datetime.now(UTC))
    tasks.publish_edition()
    assert str(house.pk) in ids(read(api, limit=200))
    assert listings.is_edition_current(now=datetime.now(UTC))


@pytest.mark.parametrize("what", ["ended", "illiquid"])
def test_what_can_no_longer_be_bet_on_leaves_the_first_places_within_minutes(mirrored, api, now, what):
    """Also while nothing changes upstream, so that no ingestion publishes an edition."""
    first, second, third = ids(read(api, limit=3))
    changed = {"expires_at": now - timedelta(seconds=1)} if what == "ended" else {"bid": None}
    Market.objects.filter(pk=second).update(**changed)
    assert listings.publish_edition_if_outdated(now=now + timedelta(minutes=1)) is False
    assert listings.publish_edition_if_outdated(now=now + timedelta(minutes=3)) is True
    assert ids(read(api, limit=2)) == [first, third]
    assert second in ids(read(api, limit=200))
    assert listings.publish_edition_if_outdated(now=now + timedelta(minutes=6)) is False


def test_markets_that_are_over_have_no_place(mirrored):
    for status in ("closed", "resolved", "cancelled"):
        add_past(status)
    assert listings.is_edition_current(now=datetime.now(UTC))
    publish_at(MarketEdition.objects.get().published_at)
    assert MarketRanking.objects.filter(market_id__in=Market.objects.exclude(status="open").values("pk")).count() == 0


def test_a_market_that_closed_is_gone_from_the_lists_at_once(mirrored, api):
    first, second = ids(read(api, limit=2))
    Market.objects.filter(pk=first).update(status="closed")
    assert ids(read(api, limit=1)) == [second]
    assert first not in ids(read(api, "/category/" + Market.objects.get(pk=first).category, limit=100))


def test_editions_are_forgotten_after_half_an_hour_but_never_the_newest(mirrored, now):
    number = Market.objects.filter(status="open").count()
    for minutes in (5, 29, 31, 36):
        publish_at(now + timedelta(minutes=minutes))
    kept = set(MarketEdition.objects.values_list("published_at", flat=True))
    assert kept == {now + timedelta(minutes=minutes) for minutes in (29, 31, 36)}
    assert MarketRanking.objects.count() == 3 * number * len(SORTS)
    assert set(MarketRanking.objects.values_list("edition", flat=True)) == set(
        MarketEdition.objects.values_list("pk", flat=True)
    )
    publish_at(now + timedelta(days=9))
    assert MarketEdition.objects.count() == 1


def test_after_a_long_silence_the_last_edition_still_serves(mirrored, api):
    MarketEdition.objects.update(published_at=MarketEdition.objects.get().published_at - timedelta(days=30))
    assert read(api)["count"] == 50


def test_an_edition_of_nothing_is_current(db, api):
    assert listings.is_edition_current(now=datetime.now(UTC))
    add_market()
    publish()
    Market.objects.all().delete()
    publish()
    assert listings.is_edition_current(now=datetime.now(UTC))
    assert read(api)["data"] == []


@pytest.mark.django_db(transaction=True)
def test_publishing_is_its_callers_transactions_work(now):
    with pytest.raises(transaction.TransactionManagementError):
        listings.publish_edition(now=now)
