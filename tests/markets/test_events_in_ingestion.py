"""Events as ingestion finds them: new, renamed, gone, with other markets, and such as no event should be."""

from copy import deepcopy
from types import SimpleNamespace

import pytest

from core.db.sql import fetch_all
from markets.models import Market, MarketEvent
from tests.markets.factories import add_mirrored, ids, ingest, read
from tests.markets.polymarket.market_objects import event, open_market
from tests.markets.recorded_server import recorded_server
from tests.markets.test_events import EVENTS, get, titles

pytestmark = pytest.mark.django_db
UNCHANGED = (0, 0)


def an_outcome(number: int, **changes):
    tokens = f'["{number}1", "{number}2"]'
    return open_market(id=str(number), conditionId=f"0x{number}", clobTokenIds=tokens, **changes)


def ingest_objects(*objects):
    """One run of ingestion of a Polymarket that has these events."""
    with recorded_server(deepcopy(list(objects)), []) as address:
        return ingest(SimpleNamespace(gamma_url=address, clob_url=address))


def stored() -> dict[str, MarketEvent]:
    return {each.polymarket_id: each for each in MarketEvent.objects.all()}


class TestAsTheyAre:
    def test_each_has_what_the_upstream_says_and_all_its_markets(self, upstream):
        ingest(upstream)
        there = {market.event.id: market.event for market in upstream.world.good_markets()}
        assert stored().keys() == there.keys()
        for number, here in stored().items():
            now = there[number]
            assert (here.title, here.slug, here.neg_risk) == (now.title, now.slug, now.neg_risk)
            assert here.image_url.startswith("http")
            assert here.markets.exists()
        for market in Market.objects.select_related("event"):
            assert (market.event.slug, market.event.title) == (market.event_slug, market.event_title)

    def test_read_again_unchanged_no_row_is_written(self, upstream):
        ingest(upstream)
        versions = fetch_all("SELECT id, xmin, ctid FROM market_events ORDER BY id")
        result = ingest(upstream)
        assert (result["created"], result["updated"]) == UNCHANGED
        assert fetch_all("SELECT id, xmin, ctid FROM market_events ORDER BY id") == versions

    def test_markets_from_before_there_were_events_get_theirs(self, upstream):
        ingest(upstream)
        Market.objects.update(event=None)
        MarketEvent.objects.all().delete()
        ingest(upstream)
        assert not Market.objects.filter(event=None).exists()

    def test_one_whose_markets_have_no_price_yet_is_made_when_they_have(self):
        new = {"outcomePrices": "[]"}
        ingest_objects(event(markets=[an_outcome(1, **new)]))
        assert not stored()
        ingest_objects(event(markets=[an_outcome(1), an_outcome(2, **new)]))
        assert list(stored()) == ["77"]

    def test_a_known_market_without_a_price_moves_to_a_new_event(self):
        ingest_objects(event(markets=[an_outcome(1)]))
        ingest_objects(event(id="78", title="New", markets=[an_outcome(1, outcomePrices="[]")]))
        assert Market.objects.get().event.title == "New"

    def test_they_are_listed_at_once(self, upstream, api):
        ingest(upstream)
        assert len(get(api, limit=100)["data"]) == MarketEvent.objects.count()


class TestChanges:
    def test_a_renamed_event_is_renamed_in_all_its_markets_also_those_that_are_over(self, upstream, api):
        ingest(upstream)
        there = next(m.event for m in upstream.world.good_markets() if sum(1 for _ in m.event.listed) > 2)
        here = stored()[there.id]
        over = here.markets.first()
        Market.objects.filter(pk=over.pk).update(status="resolved", resolution="this", resolved_at=over.created_at)
        before = {market["id"]: market for market in read(api, eventId=str(here.pk), status="all")["data"]}
        there.edit(title="What becomes of the zeppelin?")
        ingest(upstream)
        after = {market["id"]: market for market in read(api, eventId=str(here.pk), status="all")["data"]}
        assert before.keys() == after.keys()
        assert str(over.pk) in after
        assert {market["event"]["title"] for market in after.values()} == {"What becomes of the zeppelin?"}
        assert get(api, f"/{here.pk}")["data"]["title"] == "What becomes of the zeppelin?"
        assert ids(read(api, q="zeppelin", limit=200, status="all")).count(str(over.pk)) == 1
        assert titles(get(api, q="zeppelin")) == ["What becomes of the zeppelin?"]
        assert ingest(upstream)["updated"] == 0

    def test_a_run_that_reads_one_market_of_a_renamed_event_renames_the_others(self, upstream):
        ingest(upstream)
        there = upstream.world.good_markets()[0].event
        there.edit(title="What becomes of the zeppelin?")
        ingest(upstream, limit=1)
        assert set(stored()[there.id].markets.values_list("event_title", flat=True)) == {
            "What becomes of the zeppelin?"
        }

    def test_another_end_is_the_events_and_no_markets(self, upstream, now):
        ingest(upstream)
        there = upstream.world.good_markets()[0].event
        ends = dict(Market.objects.values_list("pk", "expires_at"))
        end = now.replace(microsecond=0)
        there.move_end(end)
        ingest(upstream)
        assert stored()[there.id].expires_at == end
        assert dict(Market.objects.values_list("pk", "expires_at")) == ends

    def test_a_market_that_moved_is_in_the_other_event(self, upstream, api):
        ingest(upstream)
        there = upstream.world.good_markets()[0]
        other = next(m.event for m in upstream.world.good_markets() if m.event is not there.event)
        old = stored()[there.event.id]
        market = Market.objects.get(polymarket_id=there.condition_id)
        there.move_to_event(other)
        ingest(upstream)
        new = stored()[other.id]
        assert read(api, f"/{market.pk}")["data"]["event"]["id"] == str(new.pk)
        assert str(market.pk) in ids(read(api, eventId=str(new.pk)))
        assert str(market.pk) not in ids(read(api, eventId=str(old.pk), status="all"))

    def test_an_event_that_is_gone_is_in_no_list_and_keeps_its_markets(self, upstream, api):
        ingest(upstream)
        there = upstream.world.good_markets()[0].event
        here = stored()[there.id]
        markets = here.markets.count()
        there.delete()
        ingest(upstream)
        assert here.title not in titles(get(api, limit=100))
        assert stored()[there.id].markets.count() == markets
        assert get(api, f"/{here.pk}")["data"]["marketCount"] == 0, "suspended: nobody knows what becomes of them"
        there.restore()
        ingest(upstream)
        assert here.title in titles(get(api, limit=100))

    def test_a_placeholder_that_got_its_name_joins_the_event(self, upstream, api):
        there = next(market for market in upstream.world.markets if market.placeholder)
        ingest(upstream)
        assert not Market.objects.filter(polymarket_id=there.condition_id).exists(), "no market while it has no name"
        there.rename("Vera Lund")
        ingest(upstream)
        market = Market.objects.get(polymarket_id=there.condition_id)
        shown = read(api, f"/{market.pk}")["data"]["event"]
        assert (shown["outcomeLabel"], shown["isPlaceholder"]) == ("Vera Lund", False)
        assert shown["id"] == str(stored()[there.event.id].pk)

    def test_an_edit_of_one_event_writes_no_other_events_markets(self, upstream):
        ingest(upstream)
        there = upstream.world.good_markets()[0].event
        others = Market.objects.exclude(event__polymarket_id=there.id)
        before = dict(others.values_list("pk", "updated_at"))
        there.edit(title="Another title")
        ingest(upstream)
        assert dict(others.values_list("pk", "updated_at")) == before


class TestOdd:
    def test_an_event_that_comes_twice_is_as_it_came_first(self):
        twice = [event(title="First", markets=[an_outcome(1)]), event(title="Second", markets=[an_outcome(2)])]
        for expected in ((2, 0), UNCHANGED):
            result = ingest_objects(*twice)
            assert (result["created"], result["updated"]) == expected
        assert [each.title for each in MarketEvent.objects.all()] == ["First"]
        assert set(Market.objects.values_list("event_title", flat=True)) == {"First"}

    def test_a_market_in_two_events_is_in_the_first_of_them(self):
        both = [
            event(id="1", title="One", markets=[an_outcome(1)]),
            event(id="2", title="Two", markets=[an_outcome(1)]),
        ]
        for _ in range(2):
            ingest_objects(*both)
            assert Market.objects.get().event.title == "One"
        assert list(stored()) == ["1"], "no event without a market"

    @pytest.mark.parametrize("number", [None, "", "  ", True, 1.5, [], {}, "x" * 201, 2**4_000])
    def test_one_without_an_id_groups_nothing(self, api, number):
        ingest_objects(event(id=number, markets=[an_outcome(1), an_outcome(2)]))
        assert not stored()
        assert [market["event"] for market in read(api)["data"]] == [None, None]

    def test_a_market_whose_event_lost_its_id_belongs_to_none(self):
        ingest_objects(event(markets=[an_outcome(1)]))
        ingest_objects(event(id=None, markets=[an_outcome(1)]))
        market = Market.objects.get()
        assert (market.event_id, market.event_slug, market.event_title) == (None, "", "")

    @pytest.mark.parametrize("title", [None, "", " ", 5, ["x"]])
    def test_one_without_a_title_has_that_of_its_first_market(self, title):
        ingest_objects(event(title=title, markets=[an_outcome(1, question="Will it rain?"), an_outcome(2)]))
        assert stored()["77"].title == "Will it rain?"

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": "x" * 5_000, "slug": "\U0001f3b2" * 5_000},
            {"title": "a\x00b\ud800", "slug": {"a": 1}},
            {"image": "javascript:alert(1)", "icon": ["x"]},
            {"endDate": "9999-99-99T00:00:00Z", "negRisk": "perhaps"},
            {"endDate": -(2**63), "tags": "x"},
            {"tags": [{"slug": "İ" * 100}, None, 5, {"slug": ["x"]}]},
            {"id": 2**256, "markets": None},
            {"id": "'; DROP TABLE market_events --"},
        ],
    )
    def test_hostile_values_cost_no_other_event_and_are_stored_as_sent_again(self, api, changes):
        odd = event(**{"id": "1", "markets": [an_outcome(1)], **changes})
        good = event(id="2", title="Good", markets=[an_outcome(2)])
        ingest_objects(odd, good)
        assert stored()["2"].title == "Good"
        for each in get(api)["data"]:
            assert get(api, f"/{each['id']}")["data"]["title"]
            assert each["imageUrl"].startswith("http")
        result = ingest_objects(odd, good)
        assert (result["created"], result["updated"]) == UNCHANGED

    def test_one_of_closed_markets_alone_is_not_made(self):
        ingest_objects(event(markets=[an_outcome(1, closed=True)]))
        assert not stored()


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"negRisk": True, "negRiskOther": True, "groupItemTitle": "Other"}, True),
            ({"negRisk": True, "groupItemTitle": "Person X"}, True),
            ({"negRisk": True, "groupItemTitle": "individual ab"}, True),
            ({"negRisk": True, "groupItemTitle": "Other"}, False),
            ({"negRisk": True, "groupItemTitle": "Malcolm X"}, False),
            ({"negRisk": True, "groupItemTitle": "Person of the year"}, False),
            ({"negRisk": False, "groupItemTitle": "Team A"}, False),
            ({"negRisk": True, "negRiskOther": "maybe", "groupItemTitle": "Warsh"}, False),
        ],
    )
    def test_an_outcome_that_has_no_name_is_marked_and_comes_last(self, api, changes, expected):
        likely = an_outcome(1, **{"outcomePrices": '["0.7", "0.3"]', "bestBid": 0.69, "bestAsk": 0.71, **changes})
        named = an_outcome(
            2, groupItemTitle="Waller", negRisk=True, outcomePrices='["0.2", "0.8"]', bestBid=0.19, bestAsk=0.21
        )
        ingest_objects(event(markets=[likely, named]))
        shown = get(api)["data"][0]["markets"]
        assert {market["outcomeLabel"]: market["isPlaceholder"] for market in shown} == {
            changes["groupItemTitle"]: expected,
            "Waller": False,
        }
        assert (shown[0]["outcomeLabel"] == "Waller") is expected

    def test_it_is_marked_no_more_once_it_has_a_name(self, api):
        ingest_objects(event(markets=[an_outcome(1, negRisk=True, groupItemTitle="Person X")]))
        assert read(api)["data"][0]["event"]["isPlaceholder"]
        ingest_objects(event(markets=[an_outcome(1, negRisk=True, groupItemTitle="Vera Lund")]))
        shown = read(api)["data"][0]["event"]
        assert (shown["outcomeLabel"], shown["isPlaceholder"]) == ("Vera Lund", False)


def test_a_market_that_was_mirrored_by_hand_needs_no_event(api):
    add_mirrored()
    assert api.get(EVENTS).status_code == 200
