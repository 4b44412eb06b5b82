"""GET /api/v1/markets with minLiquidity, maxSpread, expiresBefore and expiresAfter, alone and with all the others."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets.models import Market
from tests.concurrently import wait_until
from tests.markets.factories import (
    MARKETS,
    add_market,
    add_mirrored,
    add_past,
    every_id,
    fields_of,
    ids,
    publish,
    read,
    refusal,
)

pytestmark = pytest.mark.django_db
NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def markets(db) -> list[Market]:
    """Open ones with ends an hour apart, one without, and a house market; liquidity 0, 10, 20, …"""
    made = [
        add_mirrored(
            number,
            title=f"Will it rain? {number}",
            category=("sports", "weather")[number % 2],
            liquidity=Decimal(10 * number),
            volume_24hr=Decimal(number),
            expires_at=NOON + number * HOUR if number < 5 else None,
            bid=Decimal("0.5"),
            ask=Decimal("0.5") + Decimal(number + 1) / 100,
        )
        for number in range(6)
    ]
    made += [add_market(title="Will the house win?", category="sports", expires_at=NOON)]
    publish()
    return made


def numbers(api, markets, **query) -> list[int]:
    """Which of the markets match, by their place in the fixture."""
    names = [str(market.pk) for market in markets]
    body = read(api, **query)
    assert body["total"] == body["count"] == len(body["data"])
    return sorted(names.index(name) for name in ids(body))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"minLiquidity": 0}, [0, 1, 2, 3, 4, 5, 6]),
        ({"minLiquidity": "20"}, [2, 3, 4, 5]),
        ({"minLiquidity": "20.01"}, [3, 4, 5]),
        ({"maxSpread": "0.03"}, [0, 1, 2, 6]),
        ({"maxSpread": "0.0299"}, [0, 1, 6]),
        ({"maxSpread": 0}, [6]),
        ({"maxSpread": 1}, [0, 1, 2, 3, 4, 5, 6]),
        ({"expiresBefore": "2030-06-01T14:00:00Z"}, [0, 1, 6]),
        ({"expiresAfter": "2030-06-01T14:00:00Z"}, [2, 3, 4]),
        ({"expiresAfter": "2030-06-01T16:00:00+02:00"}, [2, 3, 4]),
        ({"expiresAfter": "2030-06-01T14:00:00"}, [2, 3, 4]),
        ({"expiresAfter": "2030-06-02"}, []),
        ({"expiresAfter": "2030-06-01T13:00:00Z", "expiresBefore": "2030-06-01T15:00:00.000Z"}, [1, 2]),
        ({"expiresAfter": "2030-06-01T15:00:00Z", "expiresBefore": "2030-06-01T13:00:00Z"}, []),
        ({"minLiquidity": 10, "maxSpread": "0.04", "expiresBefore": "2030-06-02T00:00:00Z"}, [1, 2, 3]),
        ({"minLiquidity": 10, "category": "Sports"}, [2, 4]),
        ({"minLiquidity": 10, "q": "rain"}, [1, 2, 3, 4, 5]),
        ({"maxSpread": "0.5", "q": "house"}, [6]),
        ({"minLiquidity": 10, "q": "house"}, []),
        ({"minLiquidity": 10, "q": "!?"}, []),
    ],
)
def test_a_filter_narrows_the_list_alone_and_with_others(api, markets, query, expected):
    assert numbers(api, markets, **query) == expected


def test_house_markets_have_their_own_spread(api, markets, market_rules):
    market_rules.HOUSE_SPREAD = Decimal("0.05")
    assert numbers(api, markets, maxSpread="0.0499") == [0, 1, 2, 3]
    assert numbers(api, markets, maxSpread="0.05") == [0, 1, 2, 3, 4, 6]


def test_a_spread_is_known_and_of_an_open_market(api, markets):
    Market.objects.filter(pk=markets[0].pk).update(bid=None)
    Market.objects.filter(pk=markets[1].pk).update(ask=None)
    Market.objects.filter(pk=markets[2].pk).update(status="closed")
    Market.objects.filter(pk=markets[3].pk).update(suspended_reason="Gone.")
    for status in ("open", "all"):
        assert numbers(api, markets, maxSpread=1, status=status) == [4, 5, 6]
    assert numbers(api, markets, maxSpread=1, status="closed") == []


def test_markets_that_are_over_are_filtered_too(api, markets):
    over = [add_past(status, liquidity=Decimal(50), expires_at=NOON) for status in ("closed", "resolved", "cancelled")]
    everything = [*markets, *over]
    assert numbers(api, everything, minLiquidity=50, status="all") == [5, 7, 8, 9]
    assert numbers(api, everything, minLiquidity=50) == [5]
    assert numbers(api, everything, expiresBefore="2030-06-01T12:00:01Z", status="resolved") == [8]


@pytest.mark.parametrize("sort", ["trending", "newest", "ending", "liquidity", "volume"])
@pytest.mark.parametrize("query", [{"minLiquidity": 0}, {"maxSpread": "0.5"}, {"expiresAfter": "2030-01-01T00:00:00Z"}])
def test_pages_of_every_sort_show_each_match_once(api, markets, sort, query):
    everything = ids(read(api, sort=sort, **query))
    assert len(everything) > 4
    assert every_id(api, sort=sort, limit=2, **query) == everything
    assert ids(read(api, sort=sort, limit=2, skip=3, **query)) == everything[3:5]


def test_newest_matches_come_at_once(api, markets):
    """No edition is waited for."""
    new = add_mirrored(99, liquidity=Decimal(1000))
    assert ids(read(api, minLiquidity=100)) == [str(new.pk)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("minLiquidity", value)
            for value in ("-1", "-0.01", "NaN", "Infinity", "ten", "1e99", "0.001", "1" * 17, "1e-9")
        ),
        *(("maxSpread", value) for value in ("-0.1", "1.0001", "2", "NaN", "wide", "0.00001", "1e-400")),
        *(
            (name, value)
            for name in ("expiresBefore", "expiresAfter")
            for value in (
                "tomorrow",
                "1",
                "2030-13-01T00:00:00Z",
                "2030-06-01T25:00:00Z",
                "0001-01-01T00:00:00+14:00",
                "\x00",
            )
        ),
    ],
)
def test_what_is_no_number_or_time_is_refused_by_name(api, name, value):
    said = refusal(api.get(MARKETS, {name: value}), 400, "validation_error")
    assert set(fields_of(said)) == {name}
    assert all(detail["message"] and detail["code"] for detail in said["details"])


def test_every_wrong_field_is_named(api):
    query = {"minLiquidity": "x", "maxSpread": "2", "expiresBefore": "x", "expiresAfter": "x", "limit": 0}
    assert sorted(fields_of(refusal(api.get(MARKETS, query), 400, "validation_error"))) == sorted(query)


@pytest.mark.parametrize("name", ["minLiquidity", "maxSpread", "expiresBefore", "expiresAfter"])
def test_an_empty_field_of_a_form_counts_as_missing(api, markets, name):
    assert read(api, **{name: ""}) == read(api)


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_times_at_the_ends_of_the_calendar_are_taken_or_refused(api, markets, value):
    response = api.get(MARKETS, {"expiresAfter": value})
    assert response.status_code in (200, 400), response.content


# What the frontend in use calls its lists


def ending_in(hours: float, number: int, **fields) -> Market:
    return add_mirrored(number, expires_at=datetime.now(UTC) + hours * HOUR, bid=ODD_BID, ask=ODD_ASK, **fields)


ODD_BID, ODD_ASK = Decimal("0.59"), Decimal("0.61")


@pytest.fixture
def ends(db) -> dict[str, Market]:
    made = {
        "tomorrow": ending_in(23, 1),
        "in an hour": ending_in(1, 2, volume_24hr=Decimal(1)),
        "in two days": ending_in(48, 3, volume_24hr=Decimal(9)),
        "an hour ago": ending_in(-1, 4),
        "never": add_market(title="Without an end"),
    }
    publish()
    return made


def test_what_ends_within_a_day_ends_soon_and_is_marked_so(api, ends):
    body = read(api, filter="ending_soon")
    assert ids(body) == [str(ends["in an hour"].pk), str(ends["tomorrow"].pk)]
    assert body["total"] == 2
    marked = {market["id"] for market in read(api)["data"] if market["isEndingSoon"]}
    assert marked == set(ids(body))
    assert every_id(api, filter="ending_soon", limit=1) == ids(body)


def test_a_market_that_is_over_does_not_end_soon(api, db):
    past = add_past("closed", expires_at=datetime.now(UTC) + HOUR)
    assert read(api, f"/{past.pk}")["data"]["isEndingSoon"] is False
    assert read(api, filter="ending_soon", status="closed")["count"] == 1


@pytest.mark.django_db(transaction=True)
def test_what_was_rendered_before_is_marked_as_soon_as_time_makes_it_so(api):
    ending_in(24, 1, title="In a day and a moment")
    Market.objects.update(expires_at=datetime.now(UTC) + 24 * HOUR + timedelta(seconds=1))
    publish()
    seen = [read(api)["data"][0]["isEndingSoon"]]
    wait_until(lambda: seen.append(read(api)["data"][0]["isEndingSoon"]) or seen[-1])
    assert (seen[0], seen[-1]) == (False, True)


def test_trending_and_new_are_sorts(api, ends):
    for name, sort in (("trending", "trending"), ("new", "newest")):
        assert ids(read(api, filter=name)) == ids(read(api, sort=sort)) == ids(read(api, sort=sort, filter=name))
    assert ids(read(api, filter="trending"))[0] == str(ends["in two days"].pk)


def test_another_name_and_another_sort_beside_it_are_refused(api, db):
    assert fields_of(refusal(api.get(MARKETS, {"filter": "hot"}), 400, "validation_error")) == ["filter"]
    body = refusal(api.get(MARKETS, {"filter": "new", "sort": "volume"}), 400, "validation_error")
    assert [(each["field"], each["code"]) for each in body["details"]] == [("filter", "conflict")]
