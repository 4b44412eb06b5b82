"""ETag, 304, Cache-Control and the responses that a process remembers for a second."""

from decimal import Decimal

import pytest

from markets.models import Market
from tests.markets.factories import MARKETS, ingest, read

pytestmark = pytest.mark.django_db
PATHS = [
    "",
    "?limit=5&sort=newest",
    "?q=will",
    "?status=all",
    "/categories",
    "/category/sports",
    "/{id}",
    "/{condition}",
]


@pytest.fixture
def mirrored(upstream):
    ingest(upstream)
    return upstream


@pytest.fixture
def at(mirrored, api):
    """GET (or HEAD) of one of PATHS."""
    there = mirrored.world.good_markets()[0]
    here = Market.objects.get(polymarket_id=there.condition_id)

    def get(path: str, method: str = "get", **headers):
        return getattr(api, method)(MARKETS + path.format(id=here.pk, condition=there.condition_id), headers=headers)

    return get


@pytest.mark.parametrize("path", [*PATHS, "/{id}/full", "/{id}/live"])
def test_every_public_get_carries_its_tag_and_how_long_it_holds(at, path):
    response = at(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["ETag"].startswith('"')
    assert response["ETag"].endswith('"')
    assert response["Cache-Control"] == "public, max-age=1"


@pytest.mark.parametrize("path", PATHS)
def test_a_copy_that_still_holds_is_not_sent_again(at, path):
    tag = at(path)["ETag"]
    for form in (tag, f"W/{tag}", f'"other", {tag}', "*", f"  {tag} ,"):
        response = at(path, **{"If-None-Match": form})
        assert (response.status_code, response.content) == (304, b""), form
        assert response["ETag"] == tag
        assert "Cache-Control" in response
        assert "Content-Type" not in response


def test_another_tag_gets_the_whole_response(at):
    for form in ('"other"', "", "nonsense", 'W/"x"', '"*"', "\x7f"):
        assert at("", **{"If-None-Match": form}).status_code == 200


@pytest.mark.parametrize("path", ["", "?limit=5", "/{id}", "/category/sports"])
def test_the_tag_changes_with_what_is_shown(at, mirrored, path):
    tag = at(path)["ETag"]
    for market in mirrored.world.good_markets():
        market.set_price(Decimal("0.335"))
    ingest(mirrored)
    response = at(path, **{"If-None-Match": tag})
    assert response.status_code == 200
    assert response["ETag"] != tag


def test_an_ingestion_without_news_leaves_every_tag_as_it_was(at, mirrored):
    tags = [at(path)["ETag"] for path in PATHS]
    ingest(mirrored)
    assert [at(path)["ETag"] for path in PATHS] == tags


@pytest.mark.parametrize("path", PATHS)
def test_head_says_what_get_would(at, path):
    whole, head = at(path), at(path, "head")
    assert (head.status_code, head.content) == (200, b"")
    assert head["ETag"] == whole["ETag"]
    assert at(path, "head", **{"If-None-Match": whole["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", PATHS)
def test_for_a_second_the_response_comes_from_memory(at, settings, path, django_assert_num_queries):
    settings.PUBLIC_CACHE_SECONDS = 60
    first = at(path)
    assert first["Cache-Control"] == "public, max-age=60"
    with django_assert_num_queries(0):
        again = at(path)
        assert (again.status_code, again.content, again["ETag"]) == (200, first.content, first["ETag"])
        assert again["Cache-Control"] == first["Cache-Control"]
        assert at(path, **{"If-None-Match": first["ETag"]}).status_code == 304
        assert at(path, "head").content == b""


def test_a_remembered_head_is_no_empty_get(at, settings):
    settings.PUBLIC_CACHE_SECONDS = 60
    at("", "head")
    assert at("").json()["count"] == 50


def test_one_querys_response_is_never_anothers(mirrored, api, settings):
    queries = [
        {}, {"limit": 5}, {"limit": 6}, {"limit": 5, "skip": 5}, {"sort": "newest"}, {"category": "sports"}, {"q": "will"},
        {"q": "Will "}, {"status": "all"}, {"status": "closed"}, {"limit": 5, "sort": "ending"},
    ]  # fmt: skip
    plain = [read(api, **query) for query in queries]
    settings.PUBLIC_CACHE_SECONDS = 60
    for _ in range(2):
        assert [read(api, **query) for query in queries] == plain
    assert api.get(f"{MARKETS}/categories").json() != api.get(MARKETS).json()


def test_what_failed_is_not_remembered(mirrored, api, settings):
    settings.PUBLIC_CACHE_SECONDS = 60
    assert api.get(f"{MARKETS}/0xlater").status_code == 404
    Market.objects.filter(polymarket_id=mirrored.world.good_markets()[0].condition_id).update(polymarket_id="0xlater")
    assert api.get(f"{MARKETS}/0xlater").status_code == 200
    assert api.get(MARKETS, {"limit": 0}).status_code == 400
    assert "ETag" not in api.get(MARKETS, {"limit": 0})


@pytest.mark.parametrize("path", ["/random", "/{id}/live", "/{id}/full"])
def test_what_differs_each_time_is_not_remembered(at, settings, market_rules, path, mirrored):
    settings.PUBLIC_CACHE_SECONDS = 60
    market_rules.LIVE_SECONDS = 0
    mirrored.world.good_markets()[0].set_price(Decimal("0.11"))
    first = at(path)
    mirrored.world.good_markets()[0].set_price(Decimal("0.99"))
    bodies = {at(path).content for _ in range(3)} | {first.content}
    assert len(bodies) > 1
