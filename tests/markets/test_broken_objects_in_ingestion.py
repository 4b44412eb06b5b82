"""Ingestion: one broken object never stops the rest; it is counted, and staff see its id and why (lesson 44)."""

import json
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection

from core.api.json import dumps
from core.jobs.runs import MAX_REASON_LETTERS, MAX_SKIPPED_KEPT, last_run
from markets import catalog, tasks
from markets.models import Market, StagedMarket
from markets.polymarket import parsing
from markets.polymarket.client import PolymarketClient
from tests.markets.factories import BRISK, add_mirrored, ingest, read
from tests.markets.polymarket.scripted_server import Reply, scripted_server
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

LENGTHS = {
    "upstream_id": parsing.ID_MAX,
    "polymarket_id": parsing.ID_MAX,
    "this_token_id": parsing.ID_MAX,
    "that_token_id": parsing.ID_MAX,
    "neg_risk_id": parsing.ID_MAX,
    "slug": parsing.SLUG_MAX,
    "event_slug": parsing.SLUG_MAX,
    "title": parsing.TITLE_MAX,
    "event_title": parsing.TITLE_MAX,
    "this_option": parsing.OPTION_MAX,
    "that_option": parsing.OPTION_MAX,
    "group_title": parsing.GROUP_TITLE_MAX,
    "image_url": parsing.IMAGE_URL_MAX,
    "category": parsing.CATEGORY_MAX,
}


def refuse(table, condition):
    """Have the database refuse some rows, as a constraint that the parser doesn't know would."""
    connection.check_constraints()  # while some are still to be checked, the table can't be altered
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_odd CHECK ({condition}) NOT VALID")


def is_here(there):
    return Market.objects.filter(polymarket_id=there.condition_id).exists()


@pytest.mark.parametrize("model", [Market, StagedMarket])
def test_every_text_is_as_long_as_the_parser_lets_it_be(model):
    own = {} if model is Market else {"upstream_event_id": parsing.ID_MAX, "event_image_url": parsing.IMAGE_URL_MAX}
    fields = {field.name: field.max_length for field in model._meta.fields if field.name in LENGTHS | own}
    assert fields == LENGTHS | own
    assert model._meta.get_field("tags").base_field.max_length == parsing.TAG_MAX


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("closedTime", 2**80),
        ("endDate", -(2**63) - 1),
        ("resolvedBy", 2**64),
        ("umaResolutionStatuses", [2**300]),
        ("id", "x" * 66),
        ("id", 2**500),
        ("image", "HTTPS://IMG.EXAMPLE/A.PNG"),
        ("image", "Http://img.example/a.png"),
        ("image", "http\u017f://img.example/a.png"),
        ("negRiskMarketID", "x" * 199),
        ("groupItemTitle", "x" * 1_000),
        ("tags", [{"slug": "\u0130" * 100}, {"slug": "\u0130" * 60}]),
        ("events", [{"id": "x" * 66, "tags": [{"slug": "\u0130" * 99}]}]),
        ("clobTokenIds", [2**256, 2**255]),
    ],
)
def test_what_the_parser_lets_through_is_stored_and_served(upstream, api, field, value):
    odd, other = upstream.world.good_markets()[:2]
    odd.poison(field, value)
    ingest(upstream)
    assert is_here(other)
    market = Market.objects.get(polymarket_id=odd.condition_id)
    assert read(api, f"/{market.pk}")["data"]["title"] == odd.question
    assert ingest(upstream)["updated"] == 0, "what was stored is what was sent"


def test_a_scheme_in_capitals_is_stored_in_lower_case(upstream):
    odd = upstream.world.good_markets()[0]
    odd.poison("image", "HTTPS://IMG.EXAMPLE/A.PNG")
    ingest(upstream)
    assert Market.objects.get(polymarket_id=odd.condition_id).image_url == "https://IMG.EXAMPLE/A.PNG"


@pytest.mark.parametrize("table", ["market_staging", "markets"])
def test_a_market_that_the_database_refuses_is_skipped_and_all_others_are_there(upstream, api, table):
    good = upstream.world.good_markets()
    odd, worse = good[5], good[-1]
    refuse(table, f"polymarket_id NOT IN ('{odd.condition_id}', '{worse.condition_id}')")
    result = ingest(upstream)
    found = set(Market.objects.values_list("polymarket_id", flat=True))
    assert found == {market.condition_id for market in good} - {odd.condition_id, worse.condition_id}
    assert (result["errors"], result["reasons"]["unstorable"]) == (2, 2)
    assert result["total"] == result["created"] + result["skipped"] + result["errors"]
    skipped = {told["id"]: told["reason"] for told in result["skippedObjects"]}
    assert skipped.keys() == {odd.condition_id, worse.condition_id}
    assert all(reason.startswith("IntegrityError") and f"{table}_odd" in reason for reason in skipped.values())
    assert len(read(api, limit=200)["data"]) == len(good) - 2


def test_a_known_market_that_can_no_longer_be_written_keeps_its_row_and_holds_up_no_other(upstream):
    ingest(upstream)
    odd, other = upstream.world.good_markets()[:2]
    refuse("markets", f"polymarket_id <> '{odd.condition_id}' OR title <> 'New'")
    before = Market.objects.get(polymarket_id=odd.condition_id)
    odd.edit(question="New")
    other.edit(question="Newer")
    result = ingest(upstream)
    assert (result["errors"], result["updated"]) == (1, 1)
    assert Market.objects.get(polymarket_id=odd.condition_id).title == before.title
    assert Market.objects.get(polymarket_id=other.condition_id).title == "Newer"


def test_a_failure_that_no_market_is_to_blame_for_is_one_of_the_run(upstream):
    refuse("market_editions", "id < 0")
    with pytest.raises(IntegrityError, match="market_editions_odd"):
        ingest(upstream)
    assert last_run(tasks.INGEST).status == "failed"
    assert not Market.objects.exists()


def test_the_run_keeps_ids_and_reasons_of_what_was_broken_up_to_a_number(upstream):
    good = upstream.world.good_markets()[: MAX_SKIPPED_KEPT + 5]
    for market in good:
        market.poison("outcomes", ["\x00" + "x" * 5_000])
    result = ingest(upstream)
    kept = last_run(tasks.INGEST).result["skippedObjects"]
    assert result["errors"] >= len(good)
    assert len(kept) == MAX_SKIPPED_KEPT
    assert {told["id"] for told in kept} <= {market.condition_id for market in good}
    for told in kept:
        assert told["reason"].startswith("bad_outcomes: ")
        assert len(told["reason"]) <= MAX_REASON_LETTERS


def test_an_object_that_the_parser_fails_on_is_skipped_for_that(upstream):
    class Hostile(dict):
        def get(self, key, default=None):
            if key == "slug":
                raise RecursionError
            return super().get(key, default)

    raw = Hostile(conditionId="0x1", question="?", outcomes=["a", "b"], clobTokenIds=["1", "2"])
    tally = catalog.Tally()
    assert catalog.parse(raw, None, tally) is None
    assert tally.broken.as_result() == {
        "errors": 1,
        "skippedObjects": [{"id": "0x1", "reason": "unreadable: RecursionError"}],
    }


@pytest.mark.parametrize("event", [7, "x", [{}], None, {"markets": 7}, {"markets": "x"}, {"markets": [None]}])
def test_an_event_that_is_none_is_skipped_and_counted(event):
    def respond(request):
        return Reply({"events": [event, {"markets": [upstream_market("0x1") | {"closed": False}]}]})

    with scripted_server() as server:
        server.always(respond)
        client = PolymarketClient(gamma_url=server.url, clob_url=server.url, policy=BRISK)
        result = tasks.run_ingestion(client=client, limit=10, now=datetime.now(UTC))
    assert (result["total"], result["errors"]) == (2, 1)
    assert result["reasons"] == {"not_an_object": 1, "no_image": 1}


def test_an_id_that_polymarket_refuses_hides_none_of_the_others():
    """Of markets that left the list: requested by their ids, forty at a time."""
    markets = [add_mirrored(number) for number in range(1, 51)]
    poison = markets[17].polymarket_id

    def respond(request):
        if request.path == "/events/keyset":
            return Reply({"events": []})
        ids = [value for name, value in request.query if name == "condition_ids"]
        if poison in ids:
            return Reply({"error": "invalid id"}, status=400)
        return Reply(dumps({"markets": [upstream_market(polymarket_id) for polymarket_id in ids]}))

    with scripted_server() as server:
        server.always(respond)
        client = PolymarketClient(gamma_url=server.url, clob_url=server.url, policy=BRISK)
        result = tasks.run_ingestion(client=client, limit=10, recheck_limit=100, now=markets[0].odds_updated_at)
    assert result["reasons"] == {"refused": 1}
    assert [told["id"] for told in result["skippedObjects"]] == [poison]
    assert set(Market.objects.filter(status="open").values_list("polymarket_id", flat=True)) == {poison}
    assert not Market.objects.filter(upstream_checked_at=None).exists()


def upstream_market(polymarket_id):
    number = int(polymarket_id, 16)
    return {
        "conditionId": polymarket_id,
        "question": "?",
        "outcomes": json.dumps(["Yes", "No"]),
        "clobTokenIds": json.dumps([f"{number}1", f"{number}2"]),
        "closed": True,
    }
