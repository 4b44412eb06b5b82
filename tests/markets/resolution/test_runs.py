"""One run after the other: whose turn it is, what a bad upstream does to it, and what it costs."""

from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.jobs.runs import last_run
from devtools.simulators.polymarket import Simulator
from markets import prices, tasks
from markets.errors import UpstreamError
from markets.models import Market
from markets.polymarket.client import FAILURES_IN_A_ROW, PolymarketClient
from tests.markets.factories import BRISK, add_mirrored, ids, ingest, publish, read
from tests.markets.resolution.factories import decisions, last, mirror, resolve, some, state

pytestmark = pytest.mark.django_db


def requested(simulator: Simulator) -> list[str]:
    """Condition ids, as they were requested from the catalogue, closed ones first."""
    calls = [call.query for call in simulator.requests.to("/markets/keyset")]
    return [reference for query in calls if query["closed"] == ["true"] for reference in query["condition_ids"]]


def test_a_market_that_ended_leaves_the_open_list_at_once_and_is_served_as_resolved(upstream, api, now):
    """Lesson 22: ended markets are requested by their ids, and found."""
    ingest(upstream)
    one = some(upstream, 1)[0]
    market = Market.objects.get(polymarket_id=one.condition_id)
    Market.objects.filter(pk=market.pk).update(expires_at=now - timedelta(minutes=1))
    assert str(market.pk) in ids(read(api, limit=200))
    one.resolve("this")
    upstream.requests.clear()
    assert resolve(upstream, now=now)["resolved"] == 1
    assert one.condition_id in requested(upstream)
    assert str(market.pk) not in ids(read(api, limit=200))
    assert ids(read(api, status="resolved")) == [str(market.pk)]
    shown = read(api, f"/{market.pk}")["data"]
    assert (shown["status"], shown["resolution"]) == ("resolved", "this")
    assert shown["resolvedAt"] == now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (shown["thisOdds"], shown["thatOdds"]) == (1, 0)


def test_what_ingestion_closed_is_resolved_by_the_next_run(upstream):
    ingest(upstream)
    one = some(upstream, 1)[0]
    one.resolve("that")
    ingest(upstream)
    market = Market.objects.get(polymarket_id=one.condition_id)
    assert state(market) == ("closed", None)
    resolve(upstream)
    assert state(market) == ("resolved", "that")


def test_a_closed_market_is_in_the_past_lists_and_its_end_date_hides_no_open_one(upstream, api):
    over, running = some(upstream, 2)
    closed, late = mirror(over), mirror(running)
    over.close()
    resolve(upstream)
    publish()
    assert ids(read(api, status="closed")) == [str(closed.pk)]
    assert ids(read(api)) == [str(late.pk)]


def test_a_market_that_takes_no_more_orders_stays_open_and_says_so(upstream):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.stop_accepting()
    resolve(upstream)
    market.refresh_from_db()
    assert (market.status, market.accepting_orders) == ("open", False)


def test_a_watched_market_whose_book_fell_silent_is_checked_before_its_end(upstream, now):
    """Betting watches the markets with open bets: one that closed early doesn't wait for its planned end."""
    silent, lively, unwatched = some(upstream, 3)
    ahead, old = now + timedelta(days=9), now - timedelta(minutes=5)
    closed = mirror(silent, expires_at=ahead, odds_updated_at=old)
    fresh = mirror(lively, expires_at=None, odds_updated_at=now)
    mirror(unwatched, expires_at=ahead, odds_updated_at=old)
    prices.watch_markets([closed.pk, fresh.pk], until=now + timedelta(hours=1))
    silent.resolve("this")
    resolve(upstream, now=now)
    assert set(requested(upstream)) == {silent.condition_id}
    assert state(closed) == ("resolved", "this")


def test_a_thousand_stuck_markets_starve_nobody(upstream, now):
    for number in range(1, 1_001):
        add_mirrored(number, status="closed")
    (one,) = some(upstream, 1)
    waiting = mirror(one, status="closed", upstream_checked_at=now - timedelta(minutes=1))
    one.resolve("this")
    for minute in range(6):
        resolve(upstream, now=now + timedelta(minutes=minute), limit=200)
    assert state(waiting) == ("resolved", "this")
    requested_ids = requested(upstream)
    assert len(requested_ids) == 1_200
    assert len(set(requested_ids)) == 1_001
    stuck = Market.objects.filter(status="closed")
    assert stuck.count() == 1_000
    assert not stuck.filter(upstream_checked_at=None).exists()


def test_those_past_their_end_for_months_take_half_of_the_turns_from_the_closed(upstream, now):
    for number in range(1, 31):
        add_mirrored(number, expires_at=now - timedelta(days=90))
    (one,) = some(upstream, 1)
    closed = mirror(one, status="closed", upstream_checked_at=now)
    one.resolve("that")
    resolve(upstream, now=now, limit=10)
    assert state(closed) == ("resolved", "that")


def test_a_market_that_is_here_for_two_reasons_is_checked_once(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one, odds_updated_at=now - timedelta(hours=1))
    prices.watch_markets([market.pk], until=now + timedelta(hours=1))
    assert resolve(upstream, now=now)["asked"] == 1


def test_what_waits_longest_is_checked_first_and_no_more_than_the_limit(upstream, now):
    there = some(upstream, 6)
    for age, one in enumerate(there):
        mirror(one, status="closed", upstream_checked_at=now - timedelta(minutes=age))
    resolve(upstream, now=now, limit=2)
    assert requested(upstream) == [there[5].condition_id, there[4].condition_id]


def test_a_waiting_market_has_one_row_and_not_one_a_minute(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.close()
    one.propose("this")
    for minute in range(5):
        resolve(upstream, now=now + timedelta(minutes=minute))
    assert decisions(market) == ["waiting"]
    assert last(market).seen_at == now


@pytest.mark.parametrize("kind", ["status", "html", "broken_json", "wrong_shape", "reset"])
def test_an_upstream_that_fails_is_recorded_and_the_next_run_recovers(upstream, kind):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    upstream.faults.set(kind)
    with pytest.raises(UpstreamError):
        resolve(upstream)
    assert last_run(tasks.RESOLVE).status == "failed"
    assert state(market) == ("open", None)
    upstream.faults.clear()
    assert resolve(upstream)["resolved"] == 1
    assert last_run(tasks.RESOLVE).status == "succeeded"
    assert state(market) == ("resolved", "this")


@pytest.mark.parametrize("kind", ["status", "html", "broken_json", "wrong_shape", "reset"])
def test_without_the_second_source_nothing_is_resolved(upstream, kind):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    upstream.faults.set(kind, path="/markets/0x")
    assert resolve(upstream)["unconfirmed"] == 1
    assert state(market) == ("closed", None)
    assert decisions(market) == ["unconfirmed"]
    upstream.faults.clear()
    resolve(upstream)
    assert state(market) == ("resolved", "this")


def test_garbled_objects_are_no_result(upstream):
    here = [mirror(one, status="closed") for one in some(upstream, 5)]
    for one in some(upstream, 5):
        one.close()
    upstream.faults.set("malformed")
    resolve(upstream)
    assert {state(market) for market in here} == {("closed", None)}


def test_one_batch_of_nonsense_holds_up_no_other(upstream, now):
    for number in range(1, 41):
        add_mirrored(number, status="closed")
    (one,) = some(upstream, 1)
    market = mirror(one, status="closed", upstream_checked_at=now - timedelta(minutes=1))
    one.resolve("that")
    # All attempts at the first request, and those at its halves, down to single markets.
    upstream.faults.set("status", status=400, path="/markets/keyset", times=FAILURES_IN_A_ROW)
    result = resolve(upstream, now=now)
    assert (result["failed"], result["resolved"]) == (40, 1)
    assert Market.objects.filter(upstream_checked_at=now).count() == 41, "their turn comes again, after the others'"
    assert state(market) == ("resolved", "that")


def test_options_listed_the_other_way_round_are_told_by_their_tokens(upstream):
    (one,) = some(upstream, 1)
    market = mirror(one, this_token_id=one.tokens[1], that_token_id=one.tokens[0])
    one.resolve("this")
    resolve(upstream)
    assert state(market) == ("resolved", "that")
    assert last(market).facts["gamma"]["outcomePrices"] == '["1", "0"]', "the evidence is as it was sent"


def test_the_task_survives_an_upstream_that_is_away(upstream):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    upstream.faults.set("status", status=400)
    tasks.resolve()
    assert state(market) == ("open", None)
    upstream.faults.clear()
    tasks.resolve()
    assert state(market) == ("resolved", "this")


def statements_of(simulator: Simulator) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        resolve(simulator)
    return len(captured)


def test_a_batch_takes_as_many_statements_for_one_market_as_for_forty():
    counts = []
    for seed, number in ((7, 1), (8, 40)):
        with Simulator(seed=seed, events=60) as simulator:
            for one in some(simulator, number):
                mirror(one)
                one.resolve("this")
            counts.append(statements_of(simulator))
    assert Market.objects.filter(status="resolved").count() >= 40
    assert counts[0] == counts[1]


class Watchful(requests.Session):
    """A real session that notes whether a transaction was open when it was used."""

    def __init__(self) -> None:
        super().__init__()
        self.inside_a_transaction: list[bool] = []

    def send(self, request, **options):
        self.inside_a_transaction.append(connection.in_atomic_block)
        return super().send(request, **options)


@pytest.mark.django_db(transaction=True)
def test_polymarket_is_never_requested_inside_a_transaction(upstream):
    one, other = some(upstream, 2)
    mirror(one)
    mirror(other)
    one.resolve("this")
    session = Watchful()
    client = PolymarketClient(gamma_url=upstream.gamma_url, clob_url=upstream.clob_url, policy=BRISK, session=session)
    resolve(upstream, client=client)
    # Closed? Open? And who won.
    assert session.inside_a_transaction == [False] * 3
