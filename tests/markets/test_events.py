"""Events: the list and its pages, one event with its markets, and the event in each market's response."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, product
from uuid import uuid4

import orjson
import pytest

from core.api.requests import decode_cursor, encode_cursor
from core.db.sql import analyze, execute, fetch_all
from markets import events
from markets.models import EventRanking, Market, MarketEvent
from markets.rules import EDITIONS_KEPT_FOR
from tests.markets.factories import (
    add_event,
    add_market,
    add_outcome,
    every_id,
    fields_of,
    ids,
    publish,
    publish_at,
    read,
    refusal,
)

pytestmark = pytest.mark.django_db
EVENTS = "/api/v1/events"
SORTS = ["trending", "newest", "ending", "liquidity", "volume"]
SUMMARY = [
    *("id", "polymarketId", "slug", "title", "imageUrl", "category", "negRisk", "volume24hr", "expiresAt"),
    *("marketCount", "markets"),
]
OUTCOME = ["id", "title", "outcomeLabel", "isPlaceholder", "thisOdds", "thatOdds", "status", "resolution"]
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def get(api, path="", /, **query):
    """A GET below /api/v1/events that must succeed."""
    response = api.get(EVENTS + path, query)
    assert response.status_code == 200, response.content
    body = orjson.loads(response.content)
    assert body["success"] is True
    return body


def titles(body) -> list[str]:
    return [event["title"] for event in body["data"]]


def labels(event) -> list[str]:
    return [market["outcomeLabel"] for market in event["markets"]]


def all_pages(api, **query):
    """The titles of each page, to the end."""
    found, cursor = [], {}
    while True:
        body = get(api, **query, **cursor)
        found.append(titles(body))
        if body["nextCursor"] is None:
            return found
        cursor = {"cursor": body["nextCursor"]}


@pytest.fixture
def chair():
    """One question with five named outcomes, and one for all others."""
    event = add_event(1, title="Who will chair the Fed?", category="politics", neg_risk=True, expires_at=NOON)
    for number, (label, odds) in enumerate(
        [("Hassett", "0.1"), ("Warsh", "0.45"), ("Waller", "0.05"), ("Rieder", "0.3"), ("Nobody", "0.02")], start=10
    ):
        add_outcome(event, number, label, odds, volume_24hr=Decimal("100.50"))
    add_outcome(event, 15, "Other", "0.6", is_placeholder=True, volume_24hr=Decimal(1))
    publish()
    return event


@pytest.fixture
def many():
    """Nine events of one or two markets, whose places differ by sort."""
    made = []
    for number in range(9):
        event = add_event(
            50 + number,
            title=f"Number {number}",
            category="sports" if number % 2 else "weather",
            expires_at=NOON + timedelta(hours=(number * 7) % 9),
        )
        for place in range(1 + number % 2):
            add_outcome(
                event,
                100 + 10 * number + place,
                volume_24hr=Decimal((number * 4) % 9 + 1),
                volume=Decimal((number * 2) % 9),
                liquidity=Decimal((number * 5) % 9),
            )
        made.append(event)
    publish()
    return made


class TestList:
    def test_an_event_has_its_three_most_likely_markets(self, api, chair):
        (event,) = get(api)["data"]
        assert list(event) == SUMMARY
        assert (event["id"], event["polymarketId"], event["slug"]) == (str(chair.pk), "1", "event-1")
        assert (event["title"], event["category"], event["negRisk"]) == (chair.title, "politics", True)
        assert (event["volume24hr"], event["expiresAt"]) == (503.5, "2030-06-01T12:00:00.000Z")
        assert (event["marketCount"], event["imageUrl"]) == (6, chair.image_url)
        assert labels(event) == ["Warsh", "Rieder", "Hassett"]
        assert [list(market) for market in event["markets"]] == [OUTCOME] * 3
        assert (event["markets"][0]["thisOdds"], event["markets"][0]["thatOdds"]) == (0.45, 0.55)

    def test_a_page_says_how_many_it_has_and_where_the_next_begins(self, api, many):
        body = get(api, limit=4)
        assert body["count"] == len(body["data"]) == 4
        assert body["nextCursor"]
        assert get(api)["nextCursor"] is None

    @pytest.mark.parametrize(
        ("sort", "key"),
        [
            ("trending", lambda event: -sum(market.volume_24hr for market in event.markets.all())),
            ("newest", lambda event: -event.pk.int),
            ("ending", lambda event: event.expires_at),
            ("liquidity", lambda event: -sum(market.liquidity for market in event.markets.all())),
            ("volume", lambda event: -sum(market.volume for market in event.markets.all())),
        ],
    )
    def test_each_sort_has_its_order(self, api, many, sort, key):
        found = [key(MarketEvent.objects.get(title=title)) for title in titles(get(api, sort=sort))]
        assert len(found) == 9
        assert found == sorted(found)

    def test_what_cannot_be_bet_on_is_not_trending_and_what_is_past_its_end_not_ending(self, api, many):
        best, first = titles(get(api))[0], titles(get(api, sort="ending"))[0]
        Market.objects.filter(event__title=best).update(accepting_orders=False)
        MarketEvent.objects.filter(title=first).update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        publish_at(datetime.now(UTC))
        assert titles(get(api))[-1] == best
        assert titles(get(api, sort="ending"))[-1] == first

    def test_only_events_with_an_open_market_are_listed(self, api, many):
        Market.objects.filter(event=many[0]).update(status="closed")
        Market.objects.filter(event=many[2]).update(suspended_reason="Gone.")
        Market.objects.filter(event=many[3], polymarket_id__endswith=f"{130:x}").update(status="closed")
        left = {f"Number {number}" for number in (1, 3, 4, 5, 6, 7, 8)}
        assert set(titles(get(api))) == left, "before an edition knows"
        publish_at(datetime.now(UTC))
        assert set(titles(get(api))) == left

    def test_a_market_without_an_event_makes_none(self, api):
        add_market()
        publish()
        assert get(api) == {"success": True, "count": 0, "nextCursor": None, "data": []}

    @pytest.mark.parametrize("query", [{"category": "sports"}, {"category": "SPORTS"}])
    def test_by_category_in_any_case(self, api, many, query):
        assert sorted(chain(*all_pages(api, limit=3, **query))) == [f"Number {number}" for number in (1, 3, 5, 7)]

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("chair", ["Who will chair the Fed?"]),
            ("WAR", ["Who will chair the Fed?"]),
            ("fed rieder", ["Who will chair the Fed?"]),
            ("warsh rieder", []),
            ("number 3", ["Number 3"]),
            ("unicorn", []),
            ("!?", []),
        ],
    )
    def test_found_by_words_of_its_title_or_of_a_market(self, api, many, chair, q, found):
        publish_at(datetime.now(UTC))
        assert titles(get(api, q=q)) == found

    def test_found_by_no_market_that_is_over(self, api, chair):
        Market.objects.filter(group_title="Warsh").update(status="closed")
        assert titles(get(api, q="warsh")) == []
        assert titles(get(api, q="rieder")) == [chair.title]


class TestPages:
    @pytest.mark.parametrize("query", [{}, {"category": "sports"}, {"q": "number"}])
    @pytest.mark.parametrize("sort", SORTS)
    def test_to_the_end_each_event_comes_once(self, api, many, sort, query):
        found = list(chain(*all_pages(api, sort=sort, limit=2, **query)))
        assert len(found) == len(set(found)) == (4 if "category" in query else 9)
        assert found == titles(get(api, sort=sort, **query))

    @pytest.mark.parametrize("query", [{}, {"category": "weather"}, {"q": "number"}])
    def test_editions_with_other_volumes_between_pages_neither_repeat_nor_skip(self, api, many, query, now):
        before = titles(get(api, **query))
        found, cursor = [], {}
        for turn in range(1, 10):
            body = get(api, limit=1, **query, **cursor)
            found += titles(body)
            if not body["nextCursor"]:
                break
            cursor = {"cursor": body["nextCursor"]}
            for number, market in enumerate(Market.objects.order_by("pk")):
                market.volume_24hr = Decimal((number * 5 + turn * 3) % 11)
                market.save(update_fields=["volume_24hr"])
            publish_at(now + timedelta(minutes=turn))
        assert found == before

    def test_an_event_that_ends_between_two_pages_is_left_out_and_no_other(self, api, many):
        before = titles(get(api))
        body = get(api, limit=3)
        Market.objects.filter(event__title=before[4]).update(status="closed")
        publish_at(datetime.now(UTC))
        rest = titles(get(api, cursor=body["nextCursor"]))
        assert titles(body) + rest == [title for title in before if title != before[4]]

    def test_a_cursor_whose_edition_was_deleted_says_start_again(self, api, many, now):
        cursor = get(api, limit=3)["nextCursor"]
        publish_at(now + EDITIONS_KEPT_FOR - timedelta(seconds=1))
        get(api, cursor=cursor)
        publish_at(now + 2 * EDITIONS_KEPT_FOR)
        body = refusal(api.get(EVENTS, {"cursor": cursor}), 400, "validation_error")
        assert body["details"][0]["code"] == "cursor_expired"
        assert set(EventRanking.objects.values_list("edition", flat=True)) == set(
            EventRanking.objects.order_by("-edition").values_list("edition", flat=True)[:1]
        ), "rankings go with their edition"

    @pytest.mark.parametrize("other", [{"sort": "newest"}, {"category": "sports"}, {"q": "number"}])
    def test_a_cursor_of_another_list_is_refused(self, api, many, other):
        cursor = get(api, limit=1)["nextCursor"]
        body = refusal(api.get(EVENTS, {"cursor": cursor, **other}), 400, "validation_error")
        assert fields_of(body) == ["cursor"]

    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "=",
            encode_cursor("events", "trending", "", "", 0, 1),
            encode_cursor("events", "trending", "", "", 1, 2**63),
            encode_cursor("events", "trending", "", "", 1, True),
            encode_cursor("open", "trending", "", 1, 1),
            "A" * 1_001,
        ],
    )
    def test_a_forged_cursor_is_refused(self, api, many, cursor):
        body = refusal(api.get(EVENTS, {"cursor": cursor}), 400, "validation_error")
        assert fields_of(body) == ["cursor"]

    def test_the_longest_search_has_a_cursor_that_is_taken(self, api):
        words = "\U0001f3b2" * 93 + " number"
        assert decode_cursor(encode_cursor("events", "trending", "", words, 2**63 - 1, 2**31 - 1))
        assert len(encode_cursor("events", "liquidity", "x" * 50, words, 2**63 - 1, 2**31 - 1)) <= 1_000


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"limit": 0}, ["limit"]),
        ({"limit": 101}, ["limit"]),
        ({"limit": "many"}, ["limit"]),
        ({"sort": "loudest"}, ["sort"]),
        ({"q": "x" * 101}, ["q"]),
        ({"q": " "}, ["q"]),
        ({"category": "x" * 51}, ["category"]),
        ({"limit": -1, "sort": "x"}, ["limit", "sort"]),
        ({"q": "a\x00b"}, ["q"]),
    ],
)
def test_parameters_that_are_wrong_are_all_named(api, query, fields):
    body = refusal(api.get(EVENTS, query), 400, "validation_error")
    assert sorted(fields_of(body)) == fields


class TestDetail:
    def test_it_has_all_its_markets_most_likely_first_and_unnamed_ones_last(self, api, chair):
        for reference in (str(chair.pk), chair.pk.hex, "1"):
            event = get(api, f"/{reference}")["data"]
            assert list(event) == SUMMARY
            assert labels(event) == ["Warsh", "Rieder", "Hassett", "Waller", "Nobody", "Other"]
            assert [market["isPlaceholder"] for market in event["markets"]] == [False] * 5 + [True]

    def test_what_is_decided_is_certain(self, api, chair):
        decided = {"status": "resolved", "resolved_at": NOON}
        Market.objects.filter(group_title="Waller").update(resolution="this", **decided)
        Market.objects.filter(group_title="Warsh").update(resolution="that", **decided)
        Market.objects.filter(group_title="Rieder").update(resolution="invalid", **{**decided, "status": "cancelled"})
        markets = get(api, f"/{chair.pk}")["data"]["markets"]
        assert [market["outcomeLabel"] for market in markets[:3]] == ["Waller", "Hassett", "Nobody"]
        assert (markets[0]["status"], markets[0]["resolution"]) == ("resolved", "this")
        assert get(api, f"/{chair.pk}")["data"]["volume24hr"] == 202.0, "of what is open"

    def test_a_market_that_no_list_shows_is_none_of_its_markets(self, api, chair):
        Market.objects.filter(group_title="Warsh").update(suspended_reason="Gone.")
        event = get(api, f"/{chair.pk}")["data"]
        assert event["marketCount"] == len(event["markets"]) == 5
        assert "Warsh" not in labels(event)

    def test_an_outcome_without_a_label_has_its_markets_title(self, api):
        event = add_event()
        add_outcome(event, 1, "", title="Over 2.5 goals?")
        assert labels(get(api, f"/{event.pk}")["data"]) == ["Over 2.5 goals?"]

    def test_one_without_markets_is_still_there(self, api):
        event = get(api, f"/{add_event().pk}")["data"]
        assert (event["marketCount"], event["markets"], event["volume24hr"]) == (0, [], 0)

    @pytest.mark.parametrize(
        "reference", ["01990000-0000-7000-8000-000000000001", "2", "0x1", "x" * 500, "%00", "é", "{1}", "-1"]
    )
    def test_an_unknown_one_is_not_found(self, api, chair, reference):
        refusal(api.get(f"{EVENTS}/{reference}"), 404, "not_found")


class TestMarkets:
    def test_each_market_has_its_event(self, api, chair):
        market = Market.objects.get(group_title="Warsh")
        expected = {
            "id": str(chair.pk),
            "slug": "event-1",
            "title": chair.title,
            "outcomeLabel": "Warsh",
            "isPlaceholder": False,
        }
        assert read(api, f"/{market.pk}")["data"]["event"] == expected
        assert read(api, f"/{market.pk}/full")["data"]["event"] == expected
        for path, query in (("", {"q": "warsh"}), ("", {"limit": 200}), ("/category/politics", {}), ("/random", {})):
            found = {each["id"]: each["event"] for each in read(api, path, **query)["data"]}
            assert found[str(market.pk)] == expected, path

    def test_a_house_market_has_none(self, api):
        assert read(api, f"/{add_market().pk}")["data"]["event"] is None

    @pytest.mark.parametrize("sort", SORTS)
    def test_they_are_listed_by_event(self, api, chair, many, sort):
        publish_at(datetime.now(UTC))
        own = {str(pk) for pk in chair.markets.values_list("pk", flat=True)}
        found = every_id(api, eventId=str(chair.pk), sort=sort, limit=4)
        assert len(found) == 6
        assert set(found) == own

    def test_by_event_and_more(self, api, chair):
        over = Market.objects.filter(group_title="Warsh")
        over.update(status="closed")
        assert read(api, eventId=str(chair.pk))["total"] == 5
        assert ids(read(api, eventId=str(chair.pk), status="closed")) == [str(over.get().pk)]
        assert read(api, eventId=str(chair.pk), status="all")["total"] == 6
        assert read(api, eventId=str(chair.pk), q="hassett")["total"] == 1
        assert read(api, eventId=str(uuid4()), status="all")["data"] == []

    @pytest.mark.parametrize("value", ["1", "x", "'", "0" * 33])
    def test_an_event_id_that_is_none_is_refused(self, api, value):
        body = refusal(api.get("/api/v1/markets", {"eventId": value}), 400, "validation_error")
        assert fields_of(body) == ["eventId"]


class TestCaching:
    @pytest.mark.parametrize("path", ["", "?q=chair", "?category=politics", "/{id}"])
    def test_a_copy_that_still_holds_is_not_sent_again(self, api, chair, path):
        address = EVENTS + path.format(id=chair.pk)
        first = api.get(address)
        assert (first.status_code, first["Cache-Control"]) == (200, "public, max-age=1")
        again = api.get(address, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        MarketEvent.objects.update(title="Who will chair the Fed now?")
        changed = api.get(address, headers={"If-None-Match": first["ETag"]})
        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]

    def test_nothing_else_is_allowed(self, api, chair):
        for address in (EVENTS, f"{EVENTS}/{chair.pk}"):
            refusal(api.post(address, {}, content_type="application/json"), 405, "method_not_allowed")


class TestCost:
    def test_lists_and_details_take_two_statements_however_many_there_are(
        self, api, chair, many, django_assert_num_queries
    ):
        publish_at(datetime.now(UTC))
        for path in ("", "?limit=1", "?q=fed", "?q=number", "?category=sports", f"/{chair.pk}", f"/{many[0].pk}", "/1"):
            with django_assert_num_queries(2):
                assert api.get(EVENTS + path).status_code == 200, path

    def test_a_market_list_with_events_takes_as_many_statements_as_without(self, api, chair, django_assert_num_queries):
        read(api)
        with django_assert_num_queries(1):
            read(api)

    def test_a_page_reads_what_it_shows_of_thousands_of_events(self):
        """Whatever the planner knows: of fresh rows there are no statistics. One event in fifty is of the category."""
        execute(THOUSANDS)
        publish_at(datetime.now(UTC))
        edition = EventRanking.objects.order_by("-edition").values_list("edition", flat=True)[0]
        for known in (False, True):
            if known:
                analyze("markets", "market_events", "event_rankings")
            for sort, narrowed in product(SORTS, ("", events.IN_CATEGORY)):
                sql = events.PAGE.format(edition="%(edition)s", narrowed=narrowed, limit=21)
                given = {"edition": edition, "after": 2_000, "sort": sort, "category": "sports"}
                ((plan,),) = fetch_all(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", given)
                for node in nodes((plan if isinstance(plan, list) else orjson.loads(plan))[0]["Plan"]):
                    read_rows = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
                    assert read_rows <= 200, (sort, narrowed, node)


THOUSANDS = """
WITH event AS (
    INSERT INTO market_events (id, polymarket_id, slug, title, image_url, category, tags, neg_risk)
    SELECT new_id(), n, 'event-' || n, 'Event ' || n, 'https://img.example/e.png',
        CASE WHEN n % 50 = 0 THEN 'sports' ELSE 'crypto' END, '{}', false
    FROM generate_series(1, 6000) AS n RETURNING id, polymarket_id, category
)
INSERT INTO markets (id, market_type, status, polymarket_id, this_token_id, that_token_id, slug, title, description,
    this_option, that_option, this_odds, that_odds, odds_updated_at, category, tags, image_url, accepting_orders,
    upstream_id, event_id, event_slug, event_title, group_title, neg_risk, neg_risk_id, upstream_facts, odds_live,
    liquidity, volume, volume_24hr)
SELECT new_id(), 'polymarket', 'open', '0x' || event.polymarket_id || '-' || n, '1', '2', 'slug', 'title', '', 'Yes', 'No',
    0.5, 0.5, now(), event.category, '{}', 'https://img.example/i.png', true, '', event.id, '', '', '', false, '', '{}',
    false, 0, 0, 0
FROM event, generate_series(1, 2) AS n
"""


def nodes(plan):
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)
