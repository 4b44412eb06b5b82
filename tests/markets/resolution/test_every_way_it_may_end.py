"""The truth table on the simulator: what upstream says on the left, what becomes of our market on the right.

Every state is requested over HTTP and lands in the database.
"""

from collections.abc import Callable
from decimal import Decimal

import pytest

from devtools.simulators.polymarket import Market as Upstream
from devtools.simulators.polymarket import Simulator
from tests.markets.resolution.factories import decisions, last, mirror, resolve, some, state

pytestmark = pytest.mark.django_db

Command = Callable[[Upstream], None]


def and_then(*commands: Command) -> Command:
    def all_of_them(market: Upstream) -> None:
        for command in commands:
            command(market)

    return all_of_them


def nothing(market: Upstream) -> None:
    """It is past its planned end, and no more."""


def close(market: Upstream) -> None:
    market.set_price(Decimal("0.43"))
    market.close()


def closed_at(price: str) -> Command:
    def command(market: Upstream) -> None:
        market.set_price(Decimal(price))
        market.close()

    return command


def without_prices(market: Upstream) -> None:
    market.close()
    market.drop_prices()


def at_zero_and_zero(market: Upstream) -> None:
    market.close()
    market.final = (Decimal(0), Decimal(0))


def requested(market: Upstream) -> None:
    market.close()
    market.oracle_says("requested", "this")


def propose(outcome: str) -> Command:
    return lambda market: market.propose(outcome)


def dispute(market: Upstream) -> None:
    market.dispute()


def over(outcome: str, **options) -> Command:
    def command(market: Upstream) -> None:
        # Away from one half, where a book without a winner looks like a 50-50.
        market.set_price(Decimal("0.43"))
        market.resolve(outcome, **options)

    return command


def says(status: str | None, prices: tuple[str, str] = ("1", "0")) -> Command:
    """A closed market whose prices look decided already."""

    def command(market: Upstream) -> None:
        over("this", status=status)(market)
        market.final = (Decimal(prices[0]), Decimal(prices[1]))
        market.touch()

    return command


OPEN, CLOSED = ("open", None), ("closed", None)
THIS, THAT, INVALID = ("resolved", "this"), ("resolved", "that"), ("resolved", "invalid")

TABLE = {
    # Open upstream: not over, whatever the oracle, the price or the end date says.
    "past its end": (nothing, OPEN, []),
    "stopped accepting": (lambda market: market.stop_accepting(), OPEN, []),
    "open, proposed": (propose("this"), OPEN, []),
    "open, disputed": (and_then(propose("this"), dispute), OPEN, []),
    "open, nearly certain": (lambda market: market.set_price(Decimal("0.9999")), OPEN, []),
    # Closed, and no result.
    "closed in between": (close, CLOSED, ["unknown"]),
    "closed at 0.9999": (closed_at("0.9999"), CLOSED, ["unknown"]),
    "closed at one half": (closed_at("0.5"), CLOSED, ["unknown"]),
    "closed without prices": (without_prices, CLOSED, ["unknown"]),
    "closed at 0 and 0": (at_zero_and_zero, CLOSED, ["unknown"]),
    "closed, requested": (requested, CLOSED, ["waiting"]),
    "closed, proposed": (and_then(close, propose("this")), CLOSED, ["waiting"]),
    "closed, disputed": (and_then(close, propose("this"), dispute), CLOSED, ["waiting"]),
    "proposed at 1 and 0": (says("proposed"), CLOSED, ["waiting"]),
    "disputed at 1 and 0": (says("disputed"), CLOSED, ["waiting"]),
    "requested at 1 and 0": (says("requested"), CLOSED, ["waiting"]),
    "a status never heard of": (says("reconsidered"), CLOSED, ["unknown"]),
    "1 and 1": (says("resolved", ("1", "1")), CLOSED, ["unknown"]),
    "0.99999 and 0.00001": (says("resolved", ("0.99999", "0.00001")), CLOSED, ["unknown"]),
    "0.6 and 0.4, resolved": (says("resolved", ("0.6", "0.4")), CLOSED, ["unknown"]),
    "one half, no status": (over("50-50", status=None), CLOSED, ["unknown"]),
    # Over, and both sources agree.
    "this": (over("this"), THIS, ["this"]),
    "that": (over("that"), THAT, ["that"]),
    "this, no status": (over("this", status=None), THIS, ["this"]),
    "that, no status": (over("that", status=None), THAT, ["that"]),
    "this, still accepting": (over("this", accepting=True), THIS, ["this"]),
    "50-50": (over("50-50"), INVALID, ["invalid"]),
    "50-50, flag forgotten": (over("50-50", fifty_flag=False), INVALID, ["invalid"]),
    # Over, but the second source says otherwise, or nothing yet.
    "this, but that": (over("this", clob="that"), CLOSED, ["disagreement"]),
    "that, but this": (over("that", clob="this"), CLOSED, ["disagreement"]),
    "this, but 50-50": (over("this", clob="50-50"), CLOSED, ["disagreement"]),
    "that, but an unflagged 50-50": (over("that", clob="50-50", fifty_flag=False), CLOSED, ["disagreement"]),
    "50-50, but this": (over("50-50", clob="this"), CLOSED, ["disagreement"]),
    "50-50, but that": (over("50-50", clob="that"), CLOSED, ["disagreement"]),
    "this, not yet": (over("this", clob="pending"), CLOSED, ["unconfirmed"]),
    "that, not yet": (over("that", clob="pending"), CLOSED, ["unconfirmed"]),
    "50-50, not yet": (over("50-50", clob="pending"), CLOSED, ["unconfirmed"]),
}


@pytest.mark.parametrize(("command", "becomes", "recorded"), TABLE.values(), ids=TABLE.keys())
def test_what_upstream_says_decides_and_looking_again_records_nothing_new(upstream, command, becomes, recorded):
    (one,) = some(upstream, 1)
    market = mirror(one)
    command(one)
    for _ in range(3):
        resolve(upstream)
    assert state(market) == becomes
    assert decisions(market) == recorded


def test_all_that_the_simulator_comes_with_is_decided_by_the_same_rules():
    """Every rare shape of the simulator at once: an open one stays open, and none without a winner gets one."""
    with Simulator(seed=7, events=60) as upstream:
        shapes = [market for market in upstream.world.markets if market.condition_id and len(market.outcomes) == 2]
        here = {market: mirror(market) for market in shapes}
        resolve(upstream)
    for there, market in here.items():
        status, resolution = state(market)
        if not there.closed:
            assert (status, resolution) == OPEN, there.question
        elif there.uma_status in ("proposed", "disputed", "requested") or there.final in (None, (0, 0)):
            assert (status, resolution) == CLOSED, there.question
        else:
            won = {"this": "this", "that": "that", "50-50": "invalid"}[there.proposed_outcome]
            assert (status, resolution) == ("resolved", won), there.question
    assert {status for status, _ in map(state, here.values())} == {"open", "closed", "resolved"}


def test_disputed_and_then_resolved_the_other_way(upstream):
    """Lesson 23: nothing is decided while a dispute is open, however the prices look."""
    (one,) = some(upstream, 1)
    market = mirror(one)
    says("proposed")(one)
    resolve(upstream)
    one.dispute()
    resolve(upstream)
    assert state(market) == CLOSED
    one.resolve("that")
    resolve(upstream)
    assert state(market) == THAT
    assert decisions(market) == ["waiting", "waiting", "that"]


def test_a_void_is_decided_at_once_and_not_waited_for(upstream):
    """Lesson 23: a 50-50 never reaches 0.99."""
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("50-50", fifty_flag=False)
    assert resolve(upstream)["resolved"] == 1
    assert state(market) == INVALID


@pytest.mark.parametrize("first", ["that", "50-50", "pending"])
def test_what_the_sources_come_to_agree_on_is_taken_then(upstream, first):
    (one,) = some(upstream, 1)
    market = mirror(one)
    over("this", clob=first)(one)
    assert resolve(upstream)["resolved"] == 0
    one.resolve("this")
    assert resolve(upstream)["resolved"] == 1
    assert state(market) == THIS


def test_the_evidence_has_both_sources_word_for_word(upstream, now):
    (one,) = some(upstream, 1)
    market = mirror(one)
    one.resolve("that")
    resolve(upstream, now=now)
    row = last(market)
    assert (row.source, row.staff, row.seen_at) == ("polymarket", None, now)
    assert row.facts["gamma"]["closed"] is True
    assert row.facts["gamma"]["outcomePrices"] == '["0", "1"]'
    assert row.facts["gamma"]["umaResolutionStatus"] == "resolved"
    assert [token["winner"] for token in row.facts["clob"]["tokens"]] == [False, True]
    assert [token["token_id"] for token in row.facts["clob"]["tokens"]] == [*one.tokens]
    assert row.facts["clob"]["is_50_50_outcome"] is False
