"""GET /api/v1/markets/{id}: by our UUID or by Polymarket's condition id; whatever else is a 404 (lesson 32)."""

import pytest

from tests.markets.factories import MARKETS, add_market, add_mirrored, add_past, ingest, read, refusal

pytestmark = pytest.mark.django_db
AN_ID = "01980000-0000-7000-8000-000000000000"


@pytest.fixture
def there(upstream):
    ingest(upstream)
    return upstream.world.good_markets()[0]


def test_both_ids_lead_to_the_market_that_the_list_shows(there, api):
    listed = next(m for m in read(api, limit=200)["data"] if m["polymarketId"] == there.condition_id)
    assert read(api, f"/{listed['id']}") == read(api, f"/{there.condition_id}") == {"success": True, "data": listed}


def test_it_is_one_query(there, api, django_assert_num_queries):
    with django_assert_num_queries(1):
        read(api, f"/{there.condition_id}")


@pytest.mark.parametrize("status", ["closed", "resolved", "cancelled"])
def test_markets_that_are_over_are_served_with_their_end(api, status):
    market = add_past(status)
    data = read(api, f"/{market.pk}")["data"]
    assert (data["status"], data["resolution"]) == (status, market.resolution)
    assert (data["resolvedAt"] is None) == (status == "closed")


def test_a_house_market_has_no_polymarket_id(api):
    data = read(api, f"/{add_market(author='house').pk}")["data"]
    assert (data["polymarketId"], data["marketType"], data["author"]) == (None, "credits", "house")


def test_a_market_not_yet_in_a_list_is_served_all_the_same(api):
    assert read(api, f"/{add_market().pk}")["data"]["status"] == "open"


def test_a_uuid_may_be_written_in_capitals_or_without_dashes(api):
    market = add_market()
    for written in (str(market.pk).upper(), market.pk.hex, f"{market.pk}/"):
        assert read(api, f"/{written}")["data"]["id"] == str(market.pk)


@pytest.mark.parametrize(
    "name",
    [
        AN_ID, AN_ID.upper(), AN_ID[:-1], f"{AN_ID}0", f"{{{AN_ID}}}", "0x" + "f" * 64, "0x", "0", "-1", "null", "undefined",
        "%00", f"{AN_ID}%00", "x" * 300, "1" * 5000, "..", ".", "%2e%2e", "..%2F..%2Fetc", "%F0%9F%98%80", "%FF%FE", "%C3%28",
        "caf%C3%A9", "a%20b", "%0A", "%0d%0aX-Evil:1", "'%20OR%201=1--", "%25s", "%25(id)s", "$1", "%5C", "*", "<b>", "a%3Bb",
        "random%20", "%ED%A0%80", "0x" + "f" * 30,
    ],
)  # fmt: skip
def test_an_id_that_names_no_market_is_not_found(api, name):
    add_mirrored()
    for path in (f"/{name}", f"/{name}/"):
        refusal(api.get(MARKETS + path), 404, "not_found")


def test_the_response_to_an_unknown_id_says_nothing_of_the_database(api):
    said = refusal(api.get(f"{MARKETS}/not-a-uuid"), 404, "not_found")
    assert said["error"] == "Market not found"
    assert said.keys() == {"success", "error", "code"}


@pytest.mark.parametrize("path", ["/unknown/path", "/x/y/z", "/category", "/category/", "/live", "/a/lives", "y"])
def test_unknown_paths_below_markets_have_the_one_error_shape(api, path):
    refusal(api.get(MARKETS + path), 404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused_and_change_nothing(api, method):
    market = add_market()
    refusal(getattr(api, method)(f"{MARKETS}/{market.pk}"), 405, "method_not_allowed")
    assert read(api, f"/{market.pk}")["data"]["status"] == "open"
