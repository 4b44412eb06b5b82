"""A price history of the CLOB's: what of it is a price at a time, whatever else is sent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.polymarket.parsing import PAST_PRICES_MAX, parse_price_history

UNTIL = datetime(2026, 6, 1, 12, tzinfo=UTC)
AFTER = UNTIL - timedelta(days=1)
SECOND = int(UNTIL.timestamp())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["t", "p", "x"]), inner, max_size=3),
    max_leaves=12,
)


def parse(sent):
    return parse_price_history(sent, after=AFTER, until=UNTIL)


def test_prices_come_by_time_whatever_their_order():
    sent = [{"t": SECOND, "p": Decimal("0.43215")}, {"t": SECOND - 60, "p": 1}, {"t": SECOND - 30, "p": Decimal("0.1")}]
    assert list(parse(sent).items()) == [
        (UNTIL - timedelta(minutes=1), Decimal("1.0000")),
        (UNTIL - timedelta(seconds=30), Decimal("0.1000")),
        (UNTIL, Decimal("0.4322")),
    ]


def test_of_several_prices_for_one_time_the_last_counts():
    assert parse([{"t": SECOND, "p": 0}, {"t": SECOND, "p": Decimal("0.5")}]) == {UNTIL: Decimal("0.5000")}


@pytest.mark.parametrize(
    "point",
    [
        *({"t": SECOND, "p": price} for price in (-1, 2, "NaN", "", None, True, [1], Decimal("NaN"), "1e999", 10**400)),
        *({"t": moment, "p": 0} for moment in (SECOND + 1, SECOND - 86_400, 0, -1, 10**400, True, str(SECOND), None)),
        {"t": Decimal(SECOND), "p": 0},
        {"t": SECOND},
        {"p": 0},
        {},
        [],
        None,
        "point",
    ],
    ids=str,
)
def test_what_is_no_price_of_the_time_is_left_out(point):
    good = {"t": SECOND - 1, "p": 0}
    assert list(parse([point, good, point])) == [UNTIL - timedelta(seconds=1)]


@pytest.mark.parametrize("sent", [None, {}, "history", 7, {"history": []}])
def test_what_is_no_list_has_no_prices(sent):
    assert parse(sent) == {}


def test_no_more_is_looked_at_than_a_history_may_have():
    assert parse([None] * PAST_PRICES_MAX + [{"t": SECOND, "p": 0}]) == {}


@given(anything)
def test_any_json_is_read_without_an_error(sent):
    for at, price in parse(sent).items():
        assert AFTER < at <= UNTIL
        assert 0 <= price <= 1
