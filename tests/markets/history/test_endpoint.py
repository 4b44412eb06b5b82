"""GET /markets/{id}/history: what a market's odds were, from what was recorded here."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets.history.recording import thin_history
from markets.models import Market
from tests.markets.factories import MARKETS, add_market, add_mirrored, add_past, fields_of, read, refusal
from tests.markets.history.factories import (
    A_DAY,
    A_MINUTE,
    AN_HOUR,
    add_points,
    history,
    odds_of,
    record_at,
    set_odds,
    times_of,
)

pytestmark = pytest.mark.django_db
RESOLUTIONS = {"1h": 60, "6h": 60, "1d": 300, "1w": 1_800, "1m": 7_200}
LENGTHS = {"1h": AN_HOUR, "6h": 6 * AN_HOUR, "1d": A_DAY, "1w": 7 * A_DAY, "1m": 30 * A_DAY}


@pytest.fixture
def minute(now):
    return now.replace(second=0, microsecond=0)


@pytest.fixture
def kettle(now):
    """A house market, whose history is all here. It was made a month and ten days ago."""
    return add_market(odds_updated_at=now - 40 * A_DAY)


def fill(market: Market, now, *, days: int = 40) -> None:
    """A point every ten minutes of two weeks, and one an hour before, each other than the last; the odds of now last."""
    minute = now.replace(second=0, microsecond=0)
    ticks = [minute - 10 * A_MINUTE * back for back in range(13 * 144, -1, -1)]
    add_points(market, {at: 1_000 + place % 8_000 for place, at in enumerate(ticks)})
    hours = [ticks[0] - AN_HOUR * back for back in range(1, 24 * (days - 13))]
    add_points(market, {at: 100 + place % 800 for place, at in enumerate(hours)}, hourly=True)
    thin_history(rolled_up_until=None, now=now)
    set_odds(market, "0.4321", minute)


def test_without_an_interval_it_is_a_day(api, kettle, now):
    fill(kettle, now)
    body = history(api, kettle)
    assert (body["marketId"], body["interval"], body["resolutionSeconds"]) == (str(kettle.pk), "1d", 300)
    assert body["data"][-1] | {"t": None} == {
        "t": None,
        "thisOdds": Decimal("0.4321"),
        "bid": Decimal("0.4321"),
        "ask": Decimal("0.4321"),
    }


def test_the_odds_of_now_count_where_a_point_has_the_same_time(api, kettle, minute):
    add_points(kettle, {minute - A_MINUTE: 1_000, minute: 2_000})
    set_odds(kettle, "0.4321", minute)
    assert odds_of(history(api, kettle, "1h")) == [Decimal("0.1"), Decimal("0.4321")]


@pytest.mark.parametrize("interval", RESOLUTIONS)
def test_an_interval_is_covered_at_its_resolution_oldest_first(api, kettle, now, interval):
    fill(kettle, now)
    body = history(api, kettle, interval)
    times, step = times_of(body), timedelta(seconds=RESOLUTIONS[interval])
    assert body["resolutionSeconds"] == step.total_seconds()
    regular = times[:-1] if times[-1] - times[-2] != step else times
    assert {later - before for before, later in pairwise(regular)} == {step}
    assert LENGTHS[interval] - step <= times[-1] - times[0] <= LENGTHS[interval] + step
    assert len(times) <= 500


@pytest.mark.parametrize("days", [1, 3, 12, 40, 200, 700])
def test_all_of_a_history_has_at_most_500_points(api, now, days):
    market = add_market(odds_updated_at=now - days * A_DAY)
    hours = {now - AN_HOUR * back: back % 10_000 for back in range(24 * days)}
    add_points(market, hours, hourly=True)
    add_points(market, {at: odds for at, odds in hours.items() if at > now - 10 * A_DAY})
    times = times_of(history(api, market, "max"))
    assert 20 <= len(times) <= 500
    step = timedelta(seconds=history(api, market, "max")["resolutionSeconds"])
    assert abs(times[0] - market.odds_updated_at) <= step
    assert now - times[-1] <= step


def test_a_point_is_the_last_that_was_known_at_its_time(api, minute):
    market = add_mirrored(odds_updated_at=minute - 3 * AN_HOUR)
    five = minute.replace(minute=minute.minute // 5 * 5)
    add_points(market, {five - 4 * A_MINUTE: 1_000, five - A_MINUTE: 2_000, five: 3_000, five - 12 * A_MINUTE: 500})
    found = {point["t"]: point["thisOdds"] for point in history(api, market, "1d")["data"]}
    near = [found[at] for at in sorted(found)][-3:]
    assert near == [Decimal("0.0500"), Decimal("0.0500"), Decimal("0.3000")]


def test_odds_that_stayed_are_carried_on_for_an_hour_and_no_further(api, minute):
    market = add_mirrored(odds_updated_at=minute - 5 * AN_HOUR)
    add_points(market, {minute - 4 * AN_HOUR: 1_000})
    times = times_of(history(api, market, "6h"))
    assert times == [minute - 4 * AN_HOUR + each * A_MINUTE for each in range(61)]


def test_the_odds_of_now_come_last_with_their_bid_and_ask(api, minute):
    market = add_mirrored()
    record_at(market, "0.3", minute - 2 * A_MINUTE, bid=Decimal("0.29"), ask=Decimal("0.32"))
    set_odds(market, "0.5", minute + timedelta(milliseconds=1), bid=None)
    *_, last_but_one, last = history(api, market, "1h")["data"]
    assert (last_but_one["thisOdds"], last_but_one["bid"], last_but_one["ask"]) == tuple(
        map(Decimal, ("0.3", "0.29", "0.32"))
    )
    assert (last["thisOdds"], last["bid"], last["ask"]) == (Decimal("0.5"), None, Decimal("0.32"))


@pytest.mark.parametrize("interval", [*RESOLUTIONS, "max"])
def test_hours_that_were_not_copied_yet_are_read_from_the_minutes(api, now, interval):
    market = add_market(odds_updated_at=now - 3 * A_DAY)
    # None on the hour itself, which begins the next one.
    newest = now.replace(second=30, microsecond=0) - A_MINUTE
    add_points(market, {newest - back * A_MINUTE: 1_000 + back for back in range(0, 300, 5)})
    before = history(api, market, interval)
    thin_history(rolled_up_until=None, now=now)
    assert odds_of(history(api, market, interval))[-2:] == odds_of(before)[-2:]
    assert len(before["data"]) > 1


def test_a_market_that_ended_years_ago_shows_its_last_time_and_its_result(api, now):
    end = now.replace(minute=20, second=0, microsecond=0) - 800 * A_DAY
    market = add_past(odds_updated_at=end, resolved_at=end)
    hours = {end - timedelta(minutes=20) - back * AN_HOUR: 5_000 + back for back in range(1_000)}
    add_points(market, hours, hourly=True)
    day = history(api, market)
    assert day["resolutionSeconds"] == 3_600, "of that time only hours are left"
    assert (len(day["data"]), times_of(day)[-1], odds_of(day)[-1]) == (25, end, 1)
    assert odds_of(day)[:2] == [Decimal("0.5023"), Decimal("0.5022")]
    for interval in ("1h", "6h", "1w", "1m", "max"):
        assert odds_of(history(api, market, interval))[-1] == 1


def test_of_a_market_without_a_history_there_are_the_odds_of_now(api, now):
    market = add_mirrored(odds_updated_at=now)
    assert odds_of(history(api, market)) == [Decimal("0.6")]
    closed = add_mirrored(2, status="closed")
    assert history(api, closed)["data"] == []


def test_the_condition_id_names_it_too_and_so_does_the_older_path(api, now):
    market = add_mirrored(odds_updated_at=now)
    body = history(api, market, "1w")
    assert read(api, f"/{market.polymarket_id}/history", interval="1w") == body
    assert read(api, f"/{market.pk}/price-history", interval="1w") == body


@pytest.mark.parametrize("path", ["history", "price-history"])
def test_what_is_not_known_is_refused(api, kettle, path):
    for name in ("0xnever", "01980000-0000-7000-8000-000000000000", "%00", "x" * 300):
        refusal(api.get(f"{MARKETS}/{name}/{path}"), 404, "not_found")
    for interval in ("2d", "1D", "MAX", "1h,1d", "\x00"):
        body = refusal(api.get(f"{MARKETS}/{kettle.pk}/{path}", {"interval": interval}), 400, "validation_error")
        assert fields_of(body) == ["interval"]
    warned = read(api, f"/{kettle.pk}/{path}", range="1d")
    assert [warning["field"] for warning in warned["warnings"]] == ["range"]


def test_a_copy_that_still_holds_is_not_sent_again(api, kettle):
    response = api.get(f"{MARKETS}/{kettle.pk}/history")
    assert response["Cache-Control"] == "public, max-age=1"
    again = api.get(f"{MARKETS}/{kettle.pk}/history", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    set_odds(kettle, "0.9", kettle.odds_updated_at + 40 * A_DAY)
    assert api.get(f"{MARKETS}/{kettle.pk}/history", headers={"If-None-Match": response["ETag"]}).status_code == 200


def test_a_response_is_sent_again_from_memory_for_a_second(api, kettle, settings, django_assert_num_queries):
    settings.PUBLIC_CACHE_SECONDS = 30
    read(api, f"/{kettle.pk}/history")
    with django_assert_num_queries(0):
        read(api, f"/{kettle.pk}/history")


@pytest.mark.parametrize("interval", [*RESOLUTIONS, "max"])
def test_reading_is_few_statements_and_reads_no_table_from_end_to_end(api, kettle, now, interval):
    fill(kettle, now)
    with CaptureQueriesContext(connection) as queries:
        history(api, kettle, interval)
    assert len(queries) <= 4
    for query in queries.captured_queries:
        if "generate_series" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + query["sql"])
                plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Index Scan Backward" in plan
            assert "Seq Scan" not in plan


def test_the_result_is_last_though_the_time_was_ahead(api, now):
    """What was recorded of a time that hasn't come is left out."""
    market = add_mirrored(status="resolved", resolution="this", resolved_at=now - AN_HOUR)
    add_points(market, {now - 2 * AN_HOUR: 6_000, now + 20 * A_DAY: 1})
    for interval in ("1h", "1d", "1m", "max"):
        assert odds_of(history(api, market, interval))[-1] == 1
