"""Resolution: one broken object never keeps another market from its result (lesson 44)."""

from datetime import timedelta

import pytest
from django.db import connection

from core.jobs.runs import last_run
from markets import tasks
from markets.errors import UpstreamRejected
from markets.models import Market
from markets.polymarket.client import PolymarketClient
from tests.markets.factories import BRISK, add_mirrored
from tests.markets.polymarket.scripted_server import Reply, scripted_server
from tests.markets.resolution.factories import decisions, last, mirror, resolve, some, state
from tests.roles import as_owner

pytestmark = pytest.mark.django_db

HUGE = 2**80


def refuse(condition):
    """Have the database refuse some records, as a value would that nobody thought of."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE market_resolutions ADD CONSTRAINT odd CHECK ({condition}) NOT VALID")


@pytest.mark.parametrize(
    ("field", "value"),
    [("closedTime", HUGE), ("endDate", HUGE), ("resolvedBy", -HUGE), ("automaticallyResolved", HUGE), ("id", "x" * 66)],
)
def test_a_market_whose_object_has_an_odd_value_is_resolved_like_the_others(upstream, field, value):
    odd, other = some(upstream, 2)
    here = [mirror(odd), mirror(other)]
    odd.resolve("this")
    other.resolve("that")
    odd.poison(field, value)
    assert resolve(upstream)["resolved"] == 2
    assert [state(market) for market in here] == [("resolved", "this"), ("resolved", "that")]


@pytest.mark.parametrize("value", [HUGE, 2**300, [HUGE], {"a": HUGE}, True, None, "x" * 300])
def test_token_ids_of_the_second_source_may_be_anything(upstream, value):
    odd, other = some(upstream, 2)
    poisoned, healthy = mirror(odd), mirror(other)
    odd.resolve("this")
    other.resolve("that")
    odd.poison("token_id", value, host="clob")
    assert resolve(upstream)["resolved"] == 1
    assert state(healthy) == ("resolved", "that")
    assert state(poisoned) == ("closed", None)
    assert decisions(poisoned) == ["disagreement"]


def test_a_token_id_that_is_a_number_is_the_same_as_its_digits(upstream):
    (one,) = some(upstream, 1)
    market = mirror(one, this_token_id="18446744073709551616", that_token_id="18446744073709551617")
    one.tokens = ("18446744073709551616", "18446744073709551617")
    one.resolve("this")
    closed = {"condition_id": one.condition_id, "closed": True}
    tokens = [{"token_id": 2**64, "winner": True}, {"token_id": 2**64 + 1, "winner": False}]
    with scripted_server() as clob:
        clob.always(Reply(closed | {"tokens": tokens}))
        client = PolymarketClient(gamma_url=upstream.gamma_url, clob_url=clob.url, policy=BRISK)
        resolve(upstream, client=client)
    assert state(market) == ("resolved", "this")
    assert [token["token_id"] for token in last(market).facts["clob"]["tokens"]] == [
        "18446744073709551616",
        "18446744073709551617",
    ]


@pytest.mark.parametrize("field", ["condition_id", "closed", "tokens", "is_50_50_outcome", "price", "winner"])
@pytest.mark.parametrize("value", [HUGE, int("9" * 4_000), "x", [[[HUGE]]], {"a": None}, None])
def test_any_field_of_the_second_source_may_be_anything(upstream, field, value):
    odd, other = some(upstream, 2)
    mirror(odd)
    healthy = mirror(other)
    odd.resolve("this")
    other.resolve("that")
    odd.poison(field, value, host="clob")
    resolve(upstream)
    assert state(healthy) == ("resolved", "that")


def test_a_market_whose_record_cant_be_stored_is_skipped_and_the_others_are_resolved(upstream, now):
    there = some(upstream, 6)
    here = [mirror(one) for one in there]
    for one in there:
        one.resolve("this")
    refuse(f"market_id <> '{here[2].pk}'")
    result = resolve(upstream, now=now)
    assert (result["resolved"], result["failed"], result["errors"]) == (5, 1, 1)
    assert state(here[2]) == ("open", None)
    assert {state(market) for market in here if market != here[2]} == {("resolved", "this")}
    (told,) = last_run(tasks.RESOLVE).result["skippedObjects"]
    assert told["id"] == str(here[2].pk)
    assert told["reason"].startswith("IntegrityError")


def test_a_market_that_had_to_be_skipped_is_not_first_in_line_for_ever(upstream, now):
    there = some(upstream, 4)
    here = [mirror(one, status="closed", upstream_checked_at=now - timedelta(hours=1)) for one in there[:3]]
    waiting = mirror(there[3], status="closed", upstream_checked_at=now - timedelta(minutes=1))
    for one in there:
        one.resolve("this")
    refuse(f"market_id NOT IN ('{here[0].pk}', '{here[1].pk}', '{here[2].pk}')")
    for minute in range(2):
        resolve(upstream, now=now + timedelta(minutes=minute), limit=3)
    assert state(waiting) == ("resolved", "this")
    assert {state(market) for market in here} == {("closed", None)}


def test_once_it_can_be_stored_it_is_resolved(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("this")
    refuse("false")
    assert resolve(upstream, now=now)["errors"] == 1
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE market_resolutions DROP CONSTRAINT odd")
    result = resolve(upstream, now=now + timedelta(minutes=1))
    assert result["resolved"] == 1
    assert "errors" not in result
    assert "skippedObjects" not in result
    assert state(market) == ("resolved", "this")


class Failing(PolymarketClient):
    """A client with an error of ours, which shows with one market."""

    broken_id = ""

    def clob_market(self, condition_id):
        if condition_id == self.broken_id:
            raise KeyError("an error of ours")
        return super().clob_market(condition_id)


def test_an_error_of_ours_about_one_market_keeps_no_other_from_its_result(upstream):
    there = some(upstream, 3)
    here = [mirror(one) for one in there]
    for one in there:
        one.resolve("this")
    client = Failing(gamma_url=upstream.gamma_url, clob_url=upstream.clob_url, policy=BRISK)
    client.broken_id = there[1].condition_id
    result = resolve(upstream, client=client)
    assert (result["resolved"], result["errors"]) == (2, 1)
    assert result["skippedObjects"] == [{"id": str(here[1].pk), "reason": "KeyError: 'an error of ours'"}]
    assert state(here[1]) == ("open", None)


class TestIdsThatPolymarketRefuses:
    def resolve(self, now, poison):
        """A catalogue that says of every market that it is open, and refuses whoever asks for some of them."""

        def respond(request):
            ids = [value for name, value in request.query if name == "condition_ids"]
            if poison & set(ids):
                return Reply({"error": "invalid id"}, status=400)
            return Reply({"markets": []})

        with scripted_server() as server:
            server.always(respond)
            client = PolymarketClient(gamma_url=server.url, clob_url=server.url, policy=BRISK)
            try:
                return tasks.run_resolution(client=client, now=now, limit=1_000), len(server.requests)
            except UpstreamRejected:
                return None, len(server.requests)

    @pytest.fixture
    def markets(self):
        return [add_mirrored(number, status="closed") for number in range(1, 101)]

    def test_one_of_them_hides_none_of_the_others(self, markets, now):
        poison = {markets[17].polymarket_id, markets[18].polymarket_id, markets[63].polymarket_id}
        result, _ = self.resolve(now, poison)
        assert (result["asked"], result["failed"], result["unknown"]) == (97, 3, 97)
        told = {skipped["id"] for skipped in last_run(tasks.RESOLVE).result["skippedObjects"]}
        assert told == {str(markets[17].pk), str(markets[18].pk), str(markets[63].pk)}
        assert Market.objects.filter(upstream_checked_at=now).count() == 100

    def test_where_all_are_refused_none_is_looked_for_for_long_and_the_run_says_so(self, markets, now):
        result, requests = self.resolve(now, {market.polymarket_id for market in markets})
        assert result is None
        assert requests < 20
        assert last_run(tasks.RESOLVE).error.startswith("UpstreamRejected")
        assert Market.objects.filter(upstream_checked_at=now).count() == 100
