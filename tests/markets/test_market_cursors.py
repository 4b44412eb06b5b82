"""Paging by cursor: every market once, whatever changes meanwhile; a cursor that isn't ours is refused (lesson 26)."""

import base64
import random
from datetime import timedelta

import orjson
import pytest

from markets import tasks
from markets.models import Market, MarketEdition
from tests.markets.factories import (
    MARKETS,
    add_market,
    add_past,
    can_be_bet_on,
    every_id,
    fields_of,
    ids,
    ingest,
    publish_at,
    read,
    refusal,
)

pytestmark = pytest.mark.django_db
SORTS = ["trending", "newest", "ending", "liquidity", "volume"]


@pytest.fixture
def mirrored(upstream, now):
    ingest(upstream, now=now)
    return upstream


def forged(*parts) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def parts_of(cursor: str) -> list:
    return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


@pytest.mark.parametrize("query", [{}, {"category": "sports"}, {"status": "all"}])
@pytest.mark.parametrize("sort", SORTS)
def test_to_the_end_each_market_comes_once(mirrored, api, sort, query):
    found = every_id(api, sort=sort, limit=9, **query)
    wanted = Market.objects.filter(category="sports") if "category" in query else Market.objects.all()
    assert len(found) == len(set(found)) == wanted.count()


@pytest.mark.parametrize("category", [None, "sports"])
@pytest.mark.parametrize("sort", ["trending", "volume", "liquidity"])
def test_ingestions_with_other_volumes_between_the_pages_neither_repeat_nor_skip(mirrored, api, now, sort, category):
    """Each ingestion turns the order upside down; the list stays on the edition it began with."""
    wanted = {"category": category} if category else {}
    markets = Market.objects.filter(**wanted)
    known = {str(pk) for pk in markets.values_list("pk", flat=True)}
    shuffled = random.Random(5)
    cursor, found = {}, []
    for minutes in range(1, 100):
        body = read(api, sort=sort, limit=7, **wanted, **cursor)
        found += ids(body)
        if body["nextCursor"] is None:
            break
        cursor = {"cursor": body["nextCursor"]}
        for market in mirrored.world.good_markets():
            market.set_volume(shuffled.uniform(1, 1_000_000))
        assert ingest(mirrored, now=now + timedelta(seconds=minutes))["updated"] > 20
    assert len(found) == len(set(found))
    assert set(found) == known


def test_a_list_begun_anew_has_the_new_order(mirrored, api, now):
    fit = [market.polymarket_id for market in Market.objects.all() if can_be_bet_on(market, now)]
    last = [there for there in mirrored.world.good_markets() if there.condition_id in fit][-1]
    last.set_volume(10**9)
    ingest(mirrored)
    assert read(api, limit=1)["data"][0]["polymarketId"] == last.condition_id


def test_a_market_that_closes_between_two_pages_is_left_out_and_no_other(mirrored, api):
    first = read(api, limit=20)
    rest = every_id(api, limit=20)[20:]
    Market.objects.filter(pk=rest[0]).update(status="closed")
    second = read(api, limit=20, cursor=first["nextCursor"])
    assert ids(second) == rest[1:21]
    assert second["total"] == first["total"] - 1


def test_skip_and_cursor_exclude_each_other(mirrored, api):
    cursor = read(api, limit=5)["nextCursor"]
    said = refusal(api.get(MARKETS, {"cursor": cursor, "skip": 5}), 400, "validation_error")
    assert fields_of(said) == ["skip"]
    assert read(api, limit=5, cursor=cursor, skip=0)["count"] == 5


def test_the_limit_may_change_between_pages(mirrored, api):
    everything = ids(read(api, limit=200))
    cursor = read(api, limit=5)["nextCursor"]
    assert ids(read(api, limit=11, cursor=cursor)) == everything[5:16]


@pytest.mark.parametrize(
    ("of", "used_for"),
    [
        ({}, {"sort": "volume"}),
        ({}, {"category": "sports"}),
        ({"category": "sports"}, {}),
        ({"category": "sports"}, {"category": "crypto"}),
        ({}, {"status": "closed"}),
        ({"status": "closed"}, {}),
        ({"status": "closed"}, {"status": "resolved"}),
        ({"status": "closed"}, {"status": "closed", "sort": "newest"}),
        ({}, {"q": "will"}),
        ({"q": "will"}, {}),
        ({"q": "will"}, {"status": "all"}),
        ({"q": "will"}, {"q": "will", "sort": "ending"}),
    ],
)
def test_a_cursor_of_another_list_is_refused(mirrored, api, of, used_for):
    for number in range(3):
        add_past("closed", title=f"Will it end? {number}")
    cursor = read(api, limit=1, **of)["nextCursor"]
    assert cursor
    said = refusal(api.get(MARKETS, used_for | {"cursor": cursor}), 400, "validation_error")
    assert [(detail["field"], detail["code"]) for detail in said["details"]] == [("cursor", "invalid_cursor")]


AN_ID = "01980000-0000-7000-8000-000000000000"
BAD_PLACES = [True, False, None, 0, -1, 1.5, "1", 2**63, 2**64 - 1, [1], {"a": 1}, "1; DROP TABLE markets"]
BAD_NUMBERS = [
    "NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "1e5", "1__0", "_1", "1_000.00", "0x10", "", " ", "1" * 30, "1.5.2",
    "\u0661\u0662.\u0660\u0660", "1\x00", "-1.00", "ten", "1.00'", 5, 5.5, None, True, [],
]  # fmt: skip
BAD_TIMES = [
    "2026-W01-1", "20260101T000000", "2026-01-01x00:00:00+00", "2026-01-01 00:00:00,5+00", "2026-13-01 00:00:00+00",
    "2026-02-30 00:00:00+00", "2026-01-01 00:00:00+23:59:59.999", "0000-01-01 00:00:00+00", "-infinity", "now", "epoch", "",
    "2026-01-01", "2026-01-01 25:00:00+00", "2026-01-01 00:00:00+00\x00", 20260101, None, True,
]  # fmt: skip
BAD_IDS = ["", "0xabc", "not-an-id", None, 7, "\x00", "g" * 32, AN_ID + "0", [AN_ID]]
FORGED = [
    *(("open", {}, ["open", "trending", "", place, 1]) for place in BAD_PLACES),
    *(("open", {}, ["open", "trending", "", 1, place]) for place in BAD_PLACES),
    *(
        ("open", {}, parts)
        for parts in (["open"], [], ["open", "trending", ""], ["open", "trending", "", 1, 1, 1], [1, 2, 3])
    ),
    *(("open", {}, parts) for parts in (["open", "nosuch", "", 1, 1], ["nosuch", "trending", "", 1, 1], [None] * 5)),
    *(("resolved", {}, ["resolved", "trending", number, AN_ID]) for number in BAD_NUMBERS),
    *(("resolved", {"sort": "ending"}, ["resolved", "ending", moment, AN_ID]) for moment in BAD_TIMES),
    *(("resolved", {"sort": "newest"}, ["resolved", "newest", moment, AN_ID]) for moment in BAD_TIMES),
    *(("resolved", {}, ["resolved", "trending", "1.00", name]) for name in BAD_IDS),
    *(("all", {"q": "will", "sort": "volume"}, ["search", "volume", number, AN_ID]) for number in BAD_NUMBERS),
    *(("all", {"q": "will"}, ["search", "trending", number, AN_ID]) for number in BAD_NUMBERS if number != "-1.00"),
    *(("all", {}, ["resolved", "trending", number, AN_ID]) for number in BAD_NUMBERS),
    *(("all", {}, [kind, "trending", "1.00", AN_ID]) for kind in ("all", "search", None, 1, [])),
]


def test_forged_cursors_are_refused_each(mirrored, api):
    add_past("resolved", title="Will it?")
    for status, query, parts in FORGED:
        response = api.get(MARKETS, {"status": status, **query, "cursor": forged(*parts)})
        assert response.status_code == 400, (status, query, parts, response.content)
        assert fields_of(refusal(response, 400, "validation_error")) == ["cursor"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "abc", "====", "%", "é", "🏆", "null", "[]", base64.urlsafe_b64encode(b"{}").decode(), "A" * 300,
        base64.urlsafe_b64encode(b"null").decode(), base64.urlsafe_b64encode(b'"open"').decode(),
        base64.urlsafe_b64encode(b"\xff\xfe\x00").decode(), base64.urlsafe_b64encode(b"[" * 200).decode(),
        base64.urlsafe_b64encode(b"[1e999]").decode(), "../../etc/passwd", "a\x00b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("query", [{}, {"status": "closed"}, {"status": "all"}, {"q": "will"}])
def test_what_is_no_cursor_is_refused(api, query, cursor):
    said = refusal(api.get(MARKETS, query | {"cursor": cursor}), 400, "validation_error")
    assert fields_of(said) == ["cursor"]


def test_a_cursor_whose_edition_is_forgotten_says_start_again(mirrored, api, now):
    publish_at(now - timedelta(minutes=31))
    cursor = read(api, limit=5)["nextCursor"]
    publish_at(now)
    for status in ("open", "all"):
        said = refusal(api.get(MARKETS, {"cursor": cursor, "status": status}), 400, "validation_error")
        assert [(detail["field"], detail["code"]) for detail in said["details"]] == [("cursor", "cursor_expired")]


def test_a_cursor_lives_half_an_hour_whatever_is_published(mirrored, api, now):
    everything = ids(read(api, limit=200))
    cursor = read(api, limit=5)["nextCursor"]
    for minutes in range(5, 31, 5):
        publish_at(now + timedelta(minutes=minutes))
        assert ids(read(api, limit=5, cursor=cursor)) == everything[5:10]
    publish_at(now + timedelta(minutes=31))
    refusal(api.get(MARKETS, {"cursor": cursor}), 400, "validation_error")


def test_at_the_end_of_a_list_the_cursor_is_null_and_an_old_end_is_empty(mirrored, api):
    body = read(api, limit=200)
    assert body["nextCursor"] is None
    edition = MarketEdition.objects.latest("pk").pk
    after = forged("open", "trending", "", edition, body["total"])
    assert read(api, cursor=after)["data"] == []
    assert read(api, cursor=after)["total"] == body["total"]


def test_markets_made_between_two_pages_wait_for_the_next_list(mirrored, api):
    first = read(api, limit=20)
    new = add_market()
    tasks.publish_edition()
    rest = read(api, limit=200, cursor=first["nextCursor"])
    assert str(new.pk) not in ids(rest)
    assert str(new.pk) in ids(read(api, limit=200))
    assert parts_of(first["nextCursor"])[0] == "open"
