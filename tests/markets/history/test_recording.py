"""What is recorded of markets' odds, how it is thinned, and that no interruption loses or doubles any of it."""

from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, transaction

from accounts.models import User
from accounts.staff import StaffMember
from core.db.sql import execute, fetch_all, fetch_value
from core.jobs.runs import last_run
from markets import house, tasks
from markets.history.models import MarketHourlyPoint, MarketPoint
from markets.history.recording import add_partitions, record_points, roll_up, thin_history
from markets.models import Market
from markets.resolution import staff as resolution
from tests.markets.factories import add_market, add_mirrored, add_past
from tests.markets.history.factories import A_DAY, A_MINUTE, AN_HOUR, add_points, record_at, recorded, set_odds, watch
from tests.roles import as_superuser
from thisthat.celery import app

pytestmark = pytest.mark.django_db


@pytest.fixture
def minute(now):
    """The beginning of this minute, at least a minute into its hour: what is near doesn't cross into another."""
    return now.replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def mirrored(minute):
    return add_mirrored(odds_live=True, odds_updated_at=minute)


@pytest.fixture
def staff() -> StaffMember:
    return StaffMember(User.objects.create_superuser(email="grace@example.com", username="grace"), "192.0.2.7")


def partitions(table: str) -> list[str]:
    found = fetch_all(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1", [table]
    )
    return [name for (name,) in found]


# What is recorded


def test_a_point_has_the_odds_bid_and_ask_of_its_minute(mirrored, minute):
    assert record_points(now=minute + timedelta(seconds=12)) == 1
    (point,) = MarketPoint.objects.all()
    assert (point.market_id, point.recorded_at) == (mirrored.pk, minute)
    assert (point.this_odds, point.bid, point.ask, point.is_backfilled) == (6_000, 5_900, 6_100, False)


def test_a_minute_is_recorded_once_however_often_the_job_runs(mirrored, minute):
    assert [record_points(now=minute + timedelta(seconds=second)) for second in (0, 20, 59)] == [1, 0, 0]
    assert [record_at(mirrored, "0.7", minute + timedelta(seconds=59)), recorded(mirrored)] == [0, [6_000]]


def test_nothing_is_added_while_nothing_changes_but_a_point_an_hour(mirrored, minute):
    for minutes in range(121):
        record_at(mirrored, "0.6", minute + minutes * A_MINUTE)
    times = MarketPoint.objects.order_by("recorded_at").values_list("recorded_at", flat=True)
    assert list(times) == [minute, minute + AN_HOUR, minute + 2 * AN_HOUR]


@pytest.mark.parametrize("change", [{"this_odds": Decimal("0.61")}, {"bid": None}, {"ask": Decimal("0.62")}])
def test_each_change_is_recorded(mirrored, minute, change):
    record_points(now=minute)
    Market.objects.update(**change)
    assert record_points(now=minute + A_MINUTE) == 1


def test_markets_whose_book_was_read_lately_watched_ones_and_the_houses_are_recorded(mirrored, minute):
    old = minute - timedelta(minutes=30)
    watched = add_mirrored(2, odds_updated_at=old)
    watch(watched, minute + A_MINUTE)
    frozen = add_mirrored(3, odds_updated_at=minute - 2 * AN_HOUR)  # watched, and nobody knows its odds any more
    watch(frozen, minute + A_MINUTE)
    add_mirrored(4, odds_updated_at=old, odds_live=True)
    add_mirrored(5, odds_updated_at=minute)  # the catalogue's copy
    add_mirrored(6, odds_updated_at=minute, odds_live=True, status="closed")
    kettle = add_market(odds_updated_at=minute - 2 * AN_HOUR)
    assert record_points(now=minute) == 3
    at_this_minute = MarketPoint.objects.filter(recorded_at=minute)
    assert set(at_this_minute.values_list("market_id", flat=True)) == {mirrored.pk, watched.pk, kettle.pk}


def test_many_markets_are_one_statement(minute, django_assert_num_queries):
    for number in range(1, 31):
        add_mirrored(number, odds_live=True, odds_updated_at=minute)
    with django_assert_num_queries(5):  # a savepoint, the lock timeout, partitions, points, and the savepoint's end
        assert record_points(now=minute) == 30


def test_the_odds_of_a_house_market_are_recorded_as_they_change(staff, now):
    question = house.Question(
        title="Will it rain?", this_option="Yes", that_option="No", image_url="https://img.example/a", expires_at=None
    )
    made = {"by": staff, "reason": "Asked for.", "now": now}
    market = house.create_house_market(question, this_odds=Decimal("0.25"), **made)
    house.change_odds(market_id=market.pk, this_odds=Decimal("0.75"), **(made | {"now": now + timedelta(seconds=1)}))
    house.edit_house_market(market_id=market.pk, changes={"title": "Will it snow?"}, **made)
    points = MarketPoint.objects.order_by("recorded_at").values_list("recorded_at", "this_odds")
    assert list(points) == [(now, 2_500), (now + timedelta(seconds=1), 7_500)]


@pytest.mark.parametrize(("decision", "last"), [("this", 10_000), ("that", 0), ("invalid", 6_000)])
def test_the_last_point_of_a_market_is_its_result(decision, last, staff, now):
    market = add_market(status="closed", odds_updated_at=now - AN_HOUR)
    resolution.resolve_market(market_id=market.pk, outcome=decision, by=staff, reason="Seen.", now=now)
    for model in (MarketPoint, MarketHourlyPoint):
        point = model.objects.filter(market_id=market.pk).latest("recorded_at")
        assert (point.recorded_at, point.this_odds, point.bid) == (now, last, None)


def test_a_market_from_another_time_is_stored_all_the_same(now):
    for year in (1999, 2021, 2100):
        add_past(title=f"Of {year}", odds_updated_at=now, resolved_at=now.replace(year=year, day=1))
    years = {at.year for at in MarketHourlyPoint.objects.values_list("recorded_at", flat=True)}
    assert years == {2021}


@pytest.mark.parametrize("odds", [-1, 10_001])
def test_a_point_is_between_0_and_1(odds, mirrored, minute):
    for column in ("this_odds", "bid", "ask"):
        given = {"this_odds": 1, column: odds}
        with pytest.raises(DatabaseError, match="in_range"), transaction.atomic():
            MarketPoint.objects.create(market_id=mirrored.pk, recorded_at=minute, **given)


# Thinning


@pytest.fixture
def old(mirrored, now):
    """A week of points every ten minutes that is over for longer than minutes are kept; by their time."""
    monday = (now - timedelta(weeks=3, days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    points = {monday + 10 * each * A_MINUTE: each % 10_000 for each in range(7 * 144)}
    add_points(mirrored, points)
    return points


def hours(points: dict) -> dict:
    """The last of each hour."""
    return {at.replace(minute=0): (at, odds) for at, odds in sorted(points.items())}


def hourly(market) -> list[tuple]:
    rows = MarketHourlyPoint.objects.filter(market_id=market.pk).order_by("recorded_at")
    return list(rows.values_list("recorded_at", "this_odds"))


def test_after_two_weeks_the_last_point_of_each_hour_is_left(mirrored, old, now):
    week = f"market_points_{min(old):%Y%m%d}"
    assert week in partitions("market_points")
    done = thin_history(rolled_up_until=None, now=now)
    assert done["dropped"] == 1
    assert week not in partitions("market_points")
    assert hourly(mirrored) == list(hours(old).values())
    assert len(hourly(mirrored)) == 168
    assert thin_history(rolled_up_until=None, now=now)["dropped"] == 0
    assert hourly(mirrored) == list(hours(old).values())


def test_thinning_that_was_interrupted_anywhere_is_finished_by_the_next_run(mirrored, old, now):
    first = min(old)
    roll_up(first, first + timedelta(hours=30))  # died in the second day
    with pytest.raises(InterruptedError):
        drop_and_die(now)
    assert len(recorded(mirrored)) == len(old)
    thin_history(rolled_up_until=first + timedelta(hours=30), now=now)
    assert hourly(mirrored) == list(hours(old).values())
    assert recorded(mirrored) == []


@transaction.atomic
def drop_and_die(now) -> None:
    """The week is dropped, and the process dies before that is committed."""
    assert fetch_value("SELECT market_history_drop_partitions(%s)", [now - timedelta(weeks=2)]) == 1
    raise InterruptedError


def test_a_week_that_is_young_is_never_dropped_whoever_wants_it(mirrored, minute, now):
    record_points(now=minute)
    assert fetch_value("SELECT market_history_drop_partitions(%s)", [now + timedelta(weeks=100)]) == 0
    assert recorded(mirrored) == [6_000]


def test_hours_that_are_over_are_copied_and_the_current_one_is_not(mirrored, now):
    hour = now.replace(minute=0, second=0, microsecond=0)
    add_points(mirrored, {hour - AN_HOUR: 1, hour - A_MINUTE: 2, hour: 3})
    thin_history(rolled_up_until=hour - AN_HOUR, now=now)
    assert hourly(mirrored) == [(hour - A_MINUTE, 2)]


def test_the_jobs_are_scheduled_and_go_on_from_their_last_run(mirrored, now):
    schedule = app.conf.beat_schedule
    assert schedule["record-market-history"]["task"] == tasks.RECORD_HISTORY
    assert schedule["thin-market-history"]["task"] == tasks.THIN_HISTORY
    set_odds(mirrored, "0.6", now)
    tasks.record_history()
    assert last_run(tasks.RECORD_HISTORY).result == {"points": 1}
    hour = now.replace(minute=0, second=0, microsecond=0)
    add_points(mirrored, {hour - 30 * AN_HOUR: 1})
    tasks.thin_history()
    assert last_run(tasks.THIN_HISTORY).result["rolledUpUntil"] == hour.isoformat()
    assert hourly(mirrored) == [(hour - 30 * AN_HOUR, 1)]
    add_points(mirrored, {hour - 29 * AN_HOUR: 2, hour - 5 * A_MINUTE: 3})
    tasks.thin_history()
    assert hourly(mirrored)[1:] == [(hour - 5 * A_MINUTE, 3)], "what was copied before isn't read again"


# Partitions, and who may do what


def test_partitions_are_added_ahead(now):
    ahead = thin_history(rolled_up_until=None, now=now)
    assert thin_history(rolled_up_until=None, now=now)["added"] == 0
    for table, later in (("market_points", timedelta(weeks=2)), ("market_hourly_points", timedelta(days=92))):
        assert add_partitions(table, now, now + later) == 0, ahead


def test_a_point_never_lacks_a_partition(mirrored, now):
    later = now + timedelta(weeks=4)
    assert record_at(mirrored, "0.5", later) == 1
    kettle = add_market(odds_updated_at=now + timedelta(weeks=3))
    assert recorded(kettle) == [6_000]


@pytest.mark.parametrize(
    ("table", "first", "last"),
    [
        ("market_points", -60, 0),
        ("market_points", 0, 800),
        ("market_hourly_points", -10_000, 0),
        ("market_hourly_points", 0, 800),
        ("users", 0, 0),
    ],
)
def test_the_service_adds_no_partitions_without_bounds(table, first, last, now):
    with pytest.raises(DatabaseError, match="No partitions"), transaction.atomic():
        add_partitions(table, now + first * A_DAY, now + last * A_DAY)


BEYOND_THE_SERVICE = [
    "UPDATE market_points SET this_odds = 1",
    "DELETE FROM market_points",
    "UPDATE market_hourly_points SET this_odds = 1",
    "DELETE FROM market_hourly_points",
    "TRUNCATE market_hourly_points",
    "DROP TABLE market_points",
    "CREATE TABLE mine PARTITION OF market_points DEFAULT",
]


@pytest.mark.parametrize("statement", BEYOND_THE_SERVICE)
def test_the_service_may_not(statement):
    with pytest.raises(ProgrammingError) as refused, transaction.atomic():
        execute(statement)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize("statement", BEYOND_THE_SERVICE[:5])
def test_nobody_changes_what_was_recorded(statement, mirrored, minute):
    record_points(now=minute)
    with pytest.raises(DatabaseError, match="Evidence is kept"), transaction.atomic(), as_superuser():
        execute(statement)


def test_partitions_are_reached_through_their_table_alone():
    for part in (*partitions("market_points"), *partitions("market_hourly_points")):
        assert not fetch_value("SELECT has_table_privilege('thisthat', %s, 'SELECT, INSERT, UPDATE, DELETE')", [part])


def test_after_a_time_that_was_ahead_hours_are_copied_again(mirrored, now):
    """The job noted that it had copied the hours of a month that hasn't come."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    add_points(mirrored, {hour - A_MINUTE: 2})
    done = thin_history(rolled_up_until=hour + 30 * A_DAY, now=now)
    assert hourly(mirrored) == [(hour - A_MINUTE, 2)]
    assert datetime.fromisoformat(done["rolledUpUntil"]) == hour
