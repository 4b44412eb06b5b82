"""Two at once: runs, staff and the task, bettors and whoever closes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event

import pytest
from django.db import connection, transaction

from accounts.staff import COMMAND_LINE
from markets import tasks
from markets.models import Market, MarketResolution
from markets.resolution import staff as staff_decisions
from markets.resolution.records import market_ended
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.markets.factories import polymarket_client
from tests.markets.resolution.factories import decisions, mirror, resolve, some, state
from tests.roles import as_superuser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told():
    """The ids that the signal was sent with."""
    heard: list = []

    def hear(sender, market_id, **_):
        heard.append(market_id)

    market_ended.connect(hear)
    yield heard
    market_ended.disconnect(hear)


def test_two_runs_at_once_resolve_once(upstream, told):
    here = []
    for one in some(upstream, 10):
        here.append(mirror(one))
        one.resolve("this")
    upstream.faults.set("latency", seconds=0.2)
    now = datetime.now(UTC)
    results = all_at_once(lambda: tasks.run_resolution(client=polymarket_client(upstream), now=now, limit=100), times=3)
    assert [result["resolved"] for result in results if result] == [10]
    assert {state(market) for market in here} == {("resolved", "this")}
    assert MarketResolution.objects.count() == 10
    assert sorted(told) == sorted(market.pk for market in here)


def test_staff_are_faster_than_the_run_that_reads(upstream, told):
    """What was recorded before the row was locked doesn't overwrite what staff decided meanwhile."""
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    upstream.faults.set("latency", seconds=0.5, path="/markets/0x")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(in_thread, lambda: resolve(upstream))
        wait_until(lambda: upstream.requests.to("/markets/keyset"))
        staff_decisions.void_market(
            market_id=market.pk, reason="Ambiguous rules.", by=COMMAND_LINE, now=datetime.now(UTC)
        )
        result = run.result(10)
    assert result["resolved"] == 0
    assert state(market) == ("cancelled", "invalid")
    assert decisions(market) == ["cancelled"]
    assert told == [market.pk]


def test_options_that_changed_while_polymarket_was_read_get_no_result(upstream, told):
    """An ingestion may copy them in another order meanwhile: THIS isn't what it was."""
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    upstream.faults.set("latency", seconds=0.5, path="/markets/0x")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(in_thread, lambda: resolve(upstream))
        wait_until(lambda: upstream.requests.to("/markets/keyset"))
        Market.objects.filter(pk=market.pk).update(this_token_id=one.tokens[1], that_token_id=one.tokens[0])
        assert run.result(10)["resolved"] == 0
    assert state(market) == ("open", None)
    assert told == []


def test_five_staff_decide_and_one_decision_counts(upstream):
    market = mirror(some(upstream, 1)[0])

    def decide() -> bool:
        try:
            staff_decisions.resolve_market(
                market_id=market.pk, outcome="that", reason="Seen.", by=COMMAND_LINE, now=datetime.now(UTC)
            )
        except staff_decisions.MarketStatusConflict:
            return False
        return True

    assert sorted(all_at_once(decide, times=5)) == [False] * 4 + [True]
    assert decisions(market) == ["that"]


def someone_waits_for_a_lock() -> bool:
    with as_superuser(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        (number,) = cursor.fetchone()
    return bool(number)


def test_closing_waits_for_a_bet_that_is_being_placed_and_comes_through(upstream):
    """Who places a bet holds a share lock on the market."""
    market = mirror(some(upstream, 1)[0])
    holding, placed = Event(), Event()

    def place() -> None:
        with transaction.atomic():
            list(Market.objects.raw("SELECT id FROM markets WHERE id = %s FOR SHARE", [market.pk]))
            holding.set()
            placed.wait(10)

    with ThreadPoolExecutor(2) as pool:
        bet = pool.submit(in_thread, place)
        holding.wait(10)
        closing = pool.submit(
            in_thread,
            lambda: staff_decisions.close_market(
                market_id=market.pk, reason="Rain.", by=COMMAND_LINE, now=datetime.now(UTC)
            ),
        )
        wait_until(someone_waits_for_a_lock)
        assert state(market) == ("open", None)
        placed.set()
        bet.result(10)
        assert closing.result(10).status == "closed"
    assert state(market) == ("closed", None)


def test_nobody_is_told_of_an_end_that_was_rolled_back(upstream, told):
    market = mirror(some(upstream, 1)[0])
    with transaction.atomic():
        held = staff_decisions.lock_market(market.pk, staff_decisions.VOIDING.allowed)
        staff_decisions.apply_decision(
            staff_decisions.VOIDING, held, reason="Rain.", by=COMMAND_LINE, now=datetime.now(UTC)
        )
        transaction.set_rollback(True)
    assert told == []
    assert state(market) == ("open", None)


def test_a_receiver_that_fails_takes_nothing_back(upstream):
    market = mirror(some(upstream, 1)[0])

    def fail(sender, **_):
        raise ZeroDivisionError

    market_ended.connect(fail)
    try:
        staff_decisions.void_market(market_id=market.pk, reason="Rain.", by=COMMAND_LINE, now=datetime.now(UTC))
    finally:
        market_ended.disconnect(fail)
    assert state(market) == ("cancelled", "invalid")
