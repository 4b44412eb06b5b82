"""GET /api/v1/markets: by status, category and words, in five orders; served from PostgreSQL alone."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

import pytest

from markets.models import Market
from markets.serializers import MarketSerializer
from tests.markets.factories import (
    MARKETS,
    add_market,
    add_past,
    can_be_bet_on,
    every_id,
    fields_of,
    ids,
    ingest,
    pages,
    publish,
    read,
    refusal,
)

pytestmark = pytest.mark.django_db
SORTS = ["trending", "newest", "ending", "liquidity", "volume"]
STATUSES = ["open", "closed", "resolved", "cancelled"]
CONTRACT = [
    "id", "polymarketId", "slug", "title", "description", "thisOption", "thatOption", "thisOdds", "thatOdds", "bid", "ask",
    "spread", "illiquid", "pricing", "acceptingOrders", "liquidity", "volume", "volume24hr", "category", "author", "imageUrl", "event", "status", "resolution", "marketType", "expiresAt", "isEndingSoon",
    "resolvedAt", "oddsUpdatedAt", "createdAt", "updatedAt",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def mirrored(upstream):
    ingest(upstream)
    return upstream


@pytest.fixture
def every_status(mirrored, now):
    """Two house markets of each status beside those of Polymarket."""
    for number, status in enumerate(STATUSES * 2):
        add_past(status, title=f"House {number}", category="weather") if status != "open" else add_market(
            title=f"House {number}", category="weather"
        )
    publish()
    return mirrored


def in_order(markets: list[Market], sort: str, now: datetime) -> list[str]:
    """The ids as the contract orders them, by plain Python."""
    forever = datetime.max.replace(tzinfo=UTC)

    def ending(market: Market):
        end = market.expires_at or forever
        return end <= now, end, market.pk

    if sort == "ending":
        return [str(market.pk) for market in sorted(markets, key=ending)]
    if sort == "trending":
        ranked = sorted(markets, key=lambda market: (can_be_bet_on(market, now), market.volume_24hr, market.pk))
        return [str(market.pk) for market in reversed(ranked)]
    field = {"newest": "created_at"}.get(sort, sort)
    ranked = sorted(markets, key=lambda market: (getattr(market, field), market.pk), reverse=True)
    return [str(market.pk) for market in ranked]


def test_by_default_fifty_open_markets_those_most_traded_first(every_status, api, now):
    body = read(api)
    open_markets = list(Market.objects.filter(status="open"))
    assert ids(body) == in_order(open_markets, "trending", now)[:50]
    assert (body["count"], body["total"]) == (50, len(open_markets))
    assert list(body) == ["success", "count", "total", "nextCursor", "data"]
    assert body["nextCursor"]


def test_a_market_has_the_contracts_fields_and_no_other(every_status, api):
    assert list(MarketSerializer().fields) == CONTRACT
    for market in read(api, status="all", limit=200)["data"]:
        assert list(market) == CONTRACT


def test_every_field_has_one_type_in_every_market(every_status, api):
    """Lesson 37: the same field a string in some rows and a number in others."""
    markets = read(api, status="all", limit=200)["data"]
    assert {market["status"] for market in markets} == set(STATUSES)
    for market in markets:
        for name in ("thisOdds", "thatOdds"):
            assert isinstance(market[name], Decimal)
            assert market[name].as_tuple().exponent == -4
            assert 0 <= market[name] <= 1
        for name in ("liquidity", "volume", "volume24hr"):
            assert isinstance(market[name], Decimal)
            assert market[name].as_tuple().exponent == -2
        for name in ("oddsUpdatedAt", "createdAt", "updatedAt"):
            assert TIME.fullmatch(market[name])
        for name in ("expiresAt", "resolvedAt"):
            assert market[name] is None or TIME.fullmatch(market[name])
        for name in ("slug", "title", "description", "thisOption", "thatOption", "category", "imageUrl"):
            assert isinstance(market[name], str)
        assert UUID.fullmatch(market["id"])
        assert market["marketType"] == ("credits" if market["polymarketId"] is None else "polymarket")
        assert (market["resolvedAt"] is None) == (market["resolution"] is None) == (market["status"] in STATUSES[:2])
        assert market["author"] is None


def test_so_have_its_prices(every_status, api):
    for market in read(api, status="all", limit=200)["data"]:
        known = [market[name] for name in ("bid", "ask", "spread") if market[name] is not None]
        assert {price.as_tuple().exponent for price in known} <= {-4}
        assert isinstance(market["illiquid"], bool)
        assert isinstance(market["acceptingOrders"], bool)
        assert market["pricing"] == ("fixed" if market["polymarketId"] is None else "mirror")


def test_served_values_are_the_stored_ones(mirrored, api):
    for served in read(api, limit=200)["data"]:
        market = Market.objects.get(pk=served["id"])
        assert served["thisOdds"] == market.this_odds
        assert served["volume"] == market.volume
        assert served["expiresAt"] == (
            market.expires_at and f"{market.expires_at.isoformat(timespec='milliseconds')[:23]}Z"
        )
        assert (served["title"], served["slug"], served["imageUrl"]) == (market.title, market.slug, market.image_url)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_shows_its_markets_alone(every_status, api, status):
    body = read(api, status=status, limit=200)
    assert {market["status"] for market in body["data"]} == {status}
    assert body["total"] == body["count"] == Market.objects.filter(status=status).count()


def test_all_shows_every_market_the_open_ones_first(every_status, api):
    body = read(api, status="all", limit=200)
    assert body["total"] == body["count"] == Market.objects.count() == len(set(ids(body)))
    shown = [market["status"] for market in body["data"]]
    assert shown == sorted(shown, key=STATUSES.index)


@pytest.mark.parametrize("written", ["sports", "Sports", "SPORTS", " sports "])
def test_a_category_is_taken_in_any_case(mirrored, api, written):
    body = read(api, category=written)
    assert body["total"] == Market.objects.filter(category="sports").count() == len(body["data"]) > 0
    assert {market["category"] for market in body["data"]} == {"sports"}


def test_an_unknown_category_is_an_empty_list(mirrored, api):
    assert read(api, category="knitting") == {"success": True, "count": 0, "total": 0, "nextCursor": None, "data": []}


@pytest.mark.parametrize("category", [None, "sports"])
@pytest.mark.parametrize("sort", SORTS)
def test_open_markets_are_in_the_order_requested(mirrored, api, now, sort, category):
    wanted = {"category": category} if category else {}
    markets = list(Market.objects.filter(status="open", **wanted))
    found = pages(api, sort=sort, limit=7, **wanted)
    assert list(chain.from_iterable(found)) == in_order(markets, sort, now)
    assert [len(page) for page in found[:-1]] == [7] * (len(found) - 1)


@pytest.fixture
def over(db, now):
    """Markets that are over, with ends missing and many equal in what they are sorted by."""
    for number in range(23):
        add_past(
            ("closed", "resolved", "cancelled")[number % 3],
            title=f"Past {number}",
            category=("sports", "weather")[number % 2],
            expires_at=None if number % 4 == 0 else now + timedelta(days=number % 3 - 1),
            volume=Decimal(number % 3),
            volume_24hr=Decimal(number % 2),
            liquidity=Decimal("9999999999999999.99") if number % 5 == 0 else Decimal("0.01"),
        )
    Market.objects.filter(title__in=["Past 0", "Past 3", "Past 6"]).update(created_at=now)


def past_order(markets: list[Market], sort: str) -> list[str]:
    return in_order(markets, sort, datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize("category", [None, "weather"])
@pytest.mark.parametrize("status", STATUSES[1:])
@pytest.mark.parametrize("sort", SORTS)
def test_markets_that_are_over_are_paged_in_every_order(over, api, sort, status, category):
    wanted = {"status": status} | ({"category": category} if category else {})
    expected = past_order(list(Market.objects.filter(**wanted)), sort)
    assert every_id(api, sort=sort, limit=2, **wanted) == expected
    assert read(api, **wanted)["total"] == len(expected)


@pytest.mark.parametrize("limit", [1, 3, 5, 200])
@pytest.mark.parametrize("sort", SORTS)
def test_all_statuses_are_paged_as_one_list(every_status, over, api, sort, limit):
    Market.objects.filter(status="open", market_type="polymarket", volume__lt=20_000).delete()
    found = every_id(api, status="all", sort=sort, limit=limit)
    assert len(found) == len(set(found)) == Market.objects.count()
    everything = read(api, status="all", sort=sort, limit=200)
    assert found == ids(everything)
    skipped = (ids(read(api, status="all", sort=sort, limit=3, skip=skip)) for skip in range(0, len(found), 3))
    assert list(chain.from_iterable(skipped)) == found


def test_skip_goes_on_where_limit_ended(mirrored, api):
    everything = ids(read(api, limit=200))
    assert [ids(read(api, limit=10, skip=skip)) for skip in (0, 10, 55)] == [
        everything[:10], everything[10:20], everything[55:65],
    ]  # fmt: skip
    assert read(api, skip=10_000)["data"] == []
    assert read(api, skip=10_000)["total"] == len(everything)


@pytest.mark.parametrize("limit", [1, 200])
def test_limits_at_the_bounds_are_taken(mirrored, api, limit):
    assert read(api, limit=limit)["count"] == min(limit, Market.objects.count())


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(({"limit": limit}, "limit") for limit in (0, -1, 201, "ten", "1.5", "9" * 30, "9" * 2000, "NaN")),
        *(({"skip": skip}, "skip") for skip in (-1, 10_001, "ten", "9" * 30)),
        *(({"status": status}, "status") for status in ("OPEN", "over", "all,open")),
        *(({"sort": sort}, "sort") for sort in ("random", "volume desc", "-volume")),
        *(({"category": category}, "category") for category in ("x" * 51, "a\x00b")),
        *(({"q": words}, "q") for words in ("x" * 101, "a\x00b", "\x00")),
        ({"skip": 1, "cursor": "abc"}, "skip"),
        ({"cursor": "x" * 301}, "cursor"),
    ],
)
def test_values_out_of_range_are_refused_by_name(api, query, field):
    said = refusal(api.get(MARKETS, query), 400, "validation_error")
    assert fields_of(said) == [field]
    assert all(detail["message"] and detail["code"] for detail in said["details"])


def test_every_wrong_field_is_named(api):
    said = refusal(api.get(MARKETS, {"limit": 0, "sort": "x", "status": "y"}), 400, "validation_error")
    assert sorted(fields_of(said)) == ["limit", "sort", "status"]


@pytest.mark.parametrize(
    "query", [{name: ""} for name in ("q", "category", "cursor", "status", "sort", "limit", "skip")]
)
def test_an_empty_field_of_a_form_counts_as_missing(mirrored, api, query):
    assert ids(read(api, **query)) == ids(read(api))
    assert read(api, **query)["total"] == Market.objects.count()


def test_an_unknown_parameter_is_ignored(mirrored, api):
    assert ids(read(api, colour="red")) == ids(read(api))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("query", [{}, {"category": "sports"}, {"limit": 200}, {"status": "closed"}])
def test_a_page_is_one_query_and_one_for_what_was_not_yet_rendered(
    every_status, api, django_assert_num_queries, sort, query
):
    with django_assert_num_queries(2):
        first = read(api, sort=sort, **query)
    with django_assert_num_queries(1):
        assert read(api, sort=sort, **query) == first
    assert first["count"] > 0


def test_a_page_by_cursor_is_one_query(every_status, api, django_assert_num_queries):
    for query in ({"limit": 5}, {"limit": 1, "status": "closed"}, {"limit": 5, "category": "sports"}):
        cursor = read(api, **query)["nextCursor"]
        read(api, **query, cursor=cursor)
        with django_assert_num_queries(1):
            read(api, **query, cursor=cursor)


def test_the_number_of_queries_depends_on_no_number_of_markets(every_status, api, django_assert_num_queries):
    with django_assert_num_queries(3):
        assert read(api, q="will", limit=200)["count"] > 10
    with django_assert_num_queries(9):
        read(api, status="all", limit=200)
    with django_assert_num_queries(2):
        assert read(api, category="knitting")["count"] == 0


def test_a_market_that_changed_is_shown_as_it_is_now(mirrored, api):
    """What a process rendered once it shows again only as long as the row is the same."""
    for step in range(3):
        Market.objects.update(this_odds=Decimal(step) / 10, that_odds=1 - Decimal(step) / 10)
        assert {market["thisOdds"] for market in read(api, limit=200)["data"]} == {Decimal(step) / 10}


def test_a_trailing_slash_is_the_same_list(mirrored, api):
    assert api.get(f"{MARKETS}/").content == api.get(MARKETS).content


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused(api, method):
    refusal(getattr(api, method)(MARKETS), 405, "method_not_allowed")


def test_without_markets_every_list_is_empty(api):
    for query in ({}, {"status": "all"}, {"status": "closed"}, {"q": "will"}, {"category": "sports"}, {"skip": 5}):
        assert read(api, **query) == {"success": True, "count": 0, "total": 0, "nextCursor": None, "data": []}
