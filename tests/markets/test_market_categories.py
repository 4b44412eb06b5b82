"""GET /api/v1/markets/categories and /category/{category}: exact numbers, kept by the database itself."""

import pytest
from django.db import connection, transaction

from markets.models import Market
from tests.markets.factories import MARKETS, add_market, add_past, fields_of, ids, ingest, publish, read, refusal

pytestmark = pytest.mark.django_db


def counted() -> dict[str, int]:
    """Open markets by category, counted row by row."""
    counts: dict[str, int] = {}
    for category in Market.objects.filter(status="open").values_list("category", flat=True):
        counts[category] = counts.get(category, 0) + 1
    return counts


def told(api) -> dict[str, int]:
    body = read(api, "/categories")
    assert list(body) == ["success", "data", "counts"]
    assert body["data"] == list(body["counts"])
    numbers = list(body["counts"].values())
    assert numbers == sorted(numbers, reverse=True)
    return body["counts"]


@pytest.fixture
def mirrored(upstream):
    ingest(upstream)
    return upstream


def test_categories_of_open_markets_come_with_their_numbers_most_first(mirrored, api):
    assert told(api) == counted()
    assert len(told(api)) > 3


def test_it_is_one_query(mirrored, api, django_assert_num_queries):
    with django_assert_num_queries(1):
        told(api)


def test_counts_stay_exact_whatever_is_written(mirrored, api):
    sports = Market.objects.filter(category="sports")
    half = list(sports.values_list("pk", flat=True))[: sports.count() // 2]
    for change in (
        lambda: Market.objects.filter(pk__in=half).update(status="closed"),
        lambda: Market.objects.filter(category="crypto").update(category="finance"),
        lambda: Market.objects.filter(category="finance", status="open")[:1].get().delete(),
        lambda: Market.objects.filter(status="closed").update(status="open", category="weather"),
        lambda: Market.objects.bulk_create([Market(**fields_of_one(n)) for n in range(5)]),
        lambda: Market.objects.filter(category="sports").delete(),
        lambda: Market.objects.update(category="general"),
        lambda: Market.objects.filter(pk__in=[]).update(category="world"),
    ):
        change()
        assert told(api) == counted()
        for status in ("open", "closed", "all"):
            wanted = {} if status == "all" else {"status": status}
            assert read(api, status=status)["total"] == Market.objects.filter(**wanted).count()
    Market.objects.all().delete()
    assert told(api) == {}


def fields_of_one(number: int) -> dict:
    wanted = ("market_type", "slug", "title", "this_option", "that_option", "this_odds", "that_odds", "image_url")
    model = add_market(category="science")
    return {name: getattr(model, name) for name in wanted} | {
        "category": ("science", "world")[number % 2],
        "odds_updated_at": model.odds_updated_at,
    }


def test_a_change_that_is_rolled_back_counts_nothing(mirrored, api):
    before = told(api)
    with transaction.atomic():
        Market.objects.update(category="general")
        transaction.set_rollback(True)
    assert told(api) == before == counted()


def test_a_category_whose_markets_are_all_over_is_not_listed(api):
    add_past("closed", category="weather")
    add_market(category="sports")
    assert told(api) == {"sports": 1}


def test_what_does_not_touch_status_or_category_writes_no_count(mirrored):
    def versions():
        with connection.cursor() as cursor:
            cursor.execute("SELECT status, category, markets, ctid::text, xmin::text FROM market_tallies")
            return sorted(cursor.fetchall())

    before = versions()
    Market.objects.update(volume_24hr=1)
    assert versions() == before


@pytest.mark.parametrize("written", ["sports", "Sports", "SPORTS", "sports/", "%20sports"])
def test_a_category_lists_its_open_markets_in_any_case(mirrored, api, written):
    body = read(api, f"/category/{written}", limit=100)
    assert list(body) == ["success", "count", "category", "data"]
    assert body["category"] == "sports"
    assert body["count"] == len(body["data"]) == counted()["sports"]
    assert {(market["category"], market["status"]) for market in body["data"]} == {("sports", "open")}
    assert ids(body) == ids(read(api, category="sports", limit=100))


@pytest.mark.parametrize(
    "name", ["knitting", "%F0%9F%98%80", "sport", "sports%25", "a%20b", "..", "%27%3B--", "None", "x" * 60]
)
def test_an_unknown_category_is_an_empty_list(mirrored, api, name):
    body = read(api, f"/category/{name}")
    assert (body["count"], body["data"]) == (0, [])


def test_what_cannot_be_a_category_is_refused(api):
    assert fields_of(refusal(api.get(f"{MARKETS}/category/%00"), 400, "validation_error")) == ["category"]


@pytest.mark.parametrize(
    ("limit", "given"), [(None, 20), (1, 1), (0, 1), (-3, 1), (100, 100), (101, 100), (10**30, 100)]
)
def test_the_limit_is_clamped(db, api, limit, given):
    for number in range(105):
        add_market(title=f"Question {number}", category="weather")
    publish()
    query = {} if limit is None else {"limit": limit}
    assert read(api, "/category/weather", **query)["count"] == given


def test_a_limit_that_is_no_number_is_refused(api):
    assert fields_of(refusal(api.get(f"{MARKETS}/category/sports", {"limit": "x"}), 400, "validation_error")) == [
        "limit"
    ]


def test_a_category_is_one_query_and_one_for_what_was_not_yet_rendered(mirrored, api, django_assert_num_queries):
    with django_assert_num_queries(2):
        read(api, "/category/sports")
    with django_assert_num_queries(1):
        read(api, "/category/sports")


@pytest.mark.parametrize("path", ["/categories", "/category/sports", "/random"])
def test_other_methods_are_refused(api, path):
    refusal(api.post(MARKETS + path), 405, "method_not_allowed")
