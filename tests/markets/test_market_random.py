"""GET /api/v1/markets/random: a fair sample of what can be bet on now (lessons 26 and 30)."""

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.db.sql import analyze, new_id
from markets.models import Market
from tests.markets.factories import (
    MARKETS,
    add_market,
    add_mirrored,
    add_past,
    can_be_bet_on,
    fields_of,
    ids,
    ingest,
    publish,
    read,
    refusal,
)

pytestmark = pytest.mark.django_db
COPIED = [field for field in Market._meta.concrete_fields if field.name not in ("id", "search") and not field.generated]


@pytest.fixture(autouse=True)
def seeded():
    """The same draws in every run."""
    state = random.getstate()
    random.seed(20)
    yield
    random.setstate(state)


def drawn(api, **query) -> list[str]:
    body = read(api, "/random", **query)
    assert list(body) == ["success", "count", "data"]
    assert body["count"] == len(body["data"]) == len(set(ids(body)))
    return ids(body)


@pytest.fixture
def twenty(db):
    markets = [add_market(title=f"Question {n}", category=("sports", "crypto")[n % 2]) for n in range(20)]
    publish()
    return [str(market.pk) for market in markets]


def test_ten_by_default_each_another(twenty, api):
    assert len(drawn(api)) == 10
    assert set(drawn(api)) <= set(twenty)


@pytest.mark.parametrize(("count", "given"), [(1, 1), (20, 20), (0, 1), (-5, 1), (50, 20), (51, 20), (10**30, 20)])
def test_the_count_is_clamped(twenty, api, count, given):
    assert len(drawn(api, count=count)) == given


def test_no_more_than_fifty_come(db, api):
    for number in range(60):
        add_market(title=f"Question {number}")
    publish()
    assert len(drawn(api, count=1000)) == 50


@pytest.mark.parametrize(
    ("query", "field"),
    [({"count": "ten"}, "count"), ({"count": "1.5"}, "count"), ({"category": "x" * 51}, "category"),
     ({"category": "\x00a"}, "category"), ({"exclude": "a\x00b"}, "exclude"), ({"exclude": ",".join(["x"] * 501)}, "exclude")],
)  # fmt: skip
def test_bad_values_are_refused_by_name(api, query, field):
    assert fields_of(refusal(api.get(f"{MARKETS}/random", query), 400, "validation_error")) == [field]


UNFIT = {
    "expired": {"expires_at": timedelta(seconds=-1)},
    "not accepting orders": {"accepting_orders": False},
    "certain": {"this_odds": Decimal(1), "that_odds": Decimal(0)},
    "impossible": {"this_odds": Decimal(0), "that_odds": Decimal(1)},
    "closed": {"status": "closed"},
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_cannot_be_bet_on_is_never_offered(twenty, api, now, what):
    fields = {name: now + value if isinstance(value, timedelta) else value for name, value in UNFIT[what].items()}
    unfit = twenty[:10]
    Market.objects.filter(pk__in=unfit).update(**fields)
    for _ in range(10):
        assert sorted(drawn(api, count=20)) == twenty[10:]
    publish()
    assert sorted(drawn(api, count=20)) == twenty[10:]


def test_markets_that_are_over_are_never_offered(twenty, api):
    for status in ("closed", "resolved", "cancelled"):
        add_past(status)
    publish()
    assert sorted(drawn(api, count=50)) == twenty


def test_a_market_without_an_end_is_offered(db, api, now):
    one = add_market(expires_at=None)
    two = add_market(expires_at=now + timedelta(hours=1))
    publish()
    assert sorted(drawn(api)) == [str(one.pk), str(two.pk)]


def test_of_what_was_ingested_everything_fit_and_nothing_else_is_offered(upstream, api, now):
    ingest(upstream)
    fit = {str(market.pk) for market in Market.objects.all() if can_be_bet_on(market, now)}
    assert len(fit) > 50
    seen = set().union(*(drawn(api, count=50) for _ in range(8)))
    assert seen == fit


def test_excluded_markets_are_left_out_by_either_id(db, api):
    one, two, three = (add_mirrored(number) for number in (1, 2, 3))
    publish()
    for exclude in (f"{one.pk},{two.polymarket_id}", f"{str(one.pk).upper()}, {two.polymarket_id.upper()} ,"):
        assert drawn(api, exclude=exclude) == [str(three.pk)]


def test_to_exclude_a_name_that_none_has_excludes_none(twenty, api):
    for exclude in ("none", "None", "null", "x", ",", "' OR 1=1", ""):
        assert sorted(drawn(api, count=20, exclude=exclude)) == twenty


def test_with_all_excluded_nothing_is_left(twenty, api):
    assert drawn(api, exclude=",".join(twenty)) == []


def test_without_markets_nothing_comes(api, db):
    assert drawn(api) == []
    assert drawn(api, category="sports") == []


@pytest.mark.parametrize("category", ["sports", "Sports"])
def test_a_category_is_kept_to_in_any_case(twenty, api, category):
    assert sorted(drawn(api, category=category, count=20)) == twenty[::2]
    assert drawn(api, category="knitting") == []


@pytest.mark.parametrize("category", [None, "sports"])
def test_every_market_is_drawn_about_equally_often(twenty, api, category):
    """Pearson's chi-squared, over 300 draws of 5; its 99.9th percentile is 43.8 for 19 degrees of freedom, 27.9 for 9.

    Half of the markets can't be bet on: those beside them in the order are no likelier for it.
    """
    Market.objects.filter(pk__in=twenty[4:10]).update(accepting_orders=False)
    fit = [pk for pk in twenty[:4] + twenty[10:] if category is None or pk in twenty[::2]]
    query = {"category": category} if category else {}
    counts = Counter(pk for _ in range(300) for pk in drawn(api, count=5, **query))
    assert set(counts) == set(fit)
    expected = 300 * 5 / len(fit)
    assert sum((counts[pk] - expected) ** 2 / expected for pk in fit) < (43.8 if category is None else 27.9)


def test_every_market_is_about_equally_often_the_first(twenty, api):
    counts = Counter(drawn(api, count=3)[0] for _ in range(400))
    assert set(counts) == set(twenty)
    assert sum((counts[pk] - 20) ** 2 / 20 for pk in twenty) < 43.8


def test_the_few_that_can_be_bet_on_are_found_among_many_that_are_not(db, api):
    """Short-lived markets stay open past their end: most of a category may be beyond betting."""
    for number in range(400):
        add_market(title=f"Question {number}", accepting_orders=number % 50 == 0)
    publish()
    for _ in range(5):
        assert len(drawn(api, count=8)) == 8


def test_a_sample_is_at_most_three_queries(twenty, api, django_assert_max_num_queries):
    for query in ({}, {"category": "sports"}, {"count": 50}, {"exclude": twenty[0]}):
        with django_assert_max_num_queries(3):
            drawn(api, **query)


def test_a_sample_is_nobody_elses(twenty, api):
    response = api.get(f"{MARKETS}/random")
    assert response["Cache-Control"] == "private, no-store"
    assert api.get(f"{MARKETS}/random", headers={"Authorization": "Bearer nonsense"}).status_code == 200


@pytest.mark.parametrize("category", [None, "general"])
def test_of_an_edition_made_a_moment_ago_only_what_is_drawn_is_read(api, category):
    market = add_market()
    given = {field.attname: getattr(market, field.attname) for field in COPIED}
    Market.objects.bulk_create([Market(**given, id=new_id()) for _ in range(3_000)], batch_size=1_000)
    with connection.cursor() as cursor:
        analyze("markets")
    publish()
    with CaptureQueriesContext(connection) as captured:
        read(api, "/random", count=10, **({"category": category} if category else {}))
    (sample,) = [query["sql"] for query in captured if "AS drawn" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sample}")
        ((plans,),) = cursor.fetchall()
    assert rows_read(plans[0]["Plan"]) < 200


def rows_read(plan) -> int:
    """Of all its nodes, those kept and those looked at in vain."""
    looked_at = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return looked_at + sum(rows_read(part) for part in plan.get("Plans", []))
