"""What a bet pays and a position is worth: exact, rounded down, and no float anywhere."""

import ast
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from betting.pricing import can_be_bet_on, position_value, potential_payout
from tests.architecture.conftest import REPOSITORY

CENT = Fraction(1, 100)
odds = st.integers(1, 9_999).map(lambda steps: Decimal(steps) / 10_000)
stakes = st.integers(1, 10**12).map(lambda cents: Decimal(cents) / 100)


@given(stakes, odds)
def test_a_payout_is_the_exact_value_rounded_down_to_the_cent(amount, at):
    exact = Fraction(amount) / Fraction(at)
    paid = Fraction(potential_payout(amount, at))
    assert paid <= exact < paid + CENT
    assert (paid / CENT).denominator == 1


@given(stakes, odds, odds)
def test_a_position_is_worth_its_exact_value_rounded_down_to_the_cent(stake, current, at):
    exact = Fraction(stake) * Fraction(current) / Fraction(at)
    worth = Fraction(position_value(stake, current_odds=current, odds_at_bet=at))
    assert worth <= exact < worth + CENT


@given(stakes, odds)
def test_at_unchanged_odds_a_position_is_worth_its_stake(stake, at):
    assert position_value(stake, current_odds=at, odds_at_bet=at) == stake


@given(st.lists(stakes, min_size=1, max_size=20), odds, odds)
def test_the_parts_of_a_sale_never_sum_above_the_whole(parts, current, at):
    worth = [position_value(part, current_odds=current, odds_at_bet=at) for part in parts]
    assert sum(worth) <= position_value(sum(parts), current_odds=current, odds_at_bet=at)


@given(stakes, odds, odds)
def test_a_sale_never_brings_more_than_winning_would(stake, current, at):
    assert position_value(stake, current_odds=current, odds_at_bet=at) <= potential_payout(stake, at)


@given(stakes, odds, odds)
def test_results_are_decimals_of_two_places(stake, current, at):
    for result in (potential_payout(stake, at), position_value(stake, current_odds=current, odds_at_bet=at)):
        assert type(result) is Decimal
        assert result == result.quantize(Decimal("0.01"), ROUND_DOWN)
        assert result.as_tuple().exponent == -2


@given(stakes, odds)
def test_a_float_is_no_amount(stake, at):
    with pytest.raises(TypeError):
        potential_payout(float(stake), at)
    with pytest.raises(TypeError):
        position_value(stake, current_odds=float(at), odds_at_bet=at)


@pytest.mark.parametrize(("at", "possible"), [("0", False), ("0.0001", True), ("0.9999", True), ("1", False)])
def test_only_odds_between_0_and_1_can_be_bet_on(at, possible):
    assert can_be_bet_on(Decimal(at)) is possible


def test_no_float_appears_in_the_app():
    for path in sorted((REPOSITORY / "betting").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Constant) and type(node.value) is float), f"{path.name}: {node.lineno}"
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (called and node.func.id == "float"), f"{path.name}: {node.lineno}"


@pytest.mark.django_db
def test_the_database_reckons_the_same():
    """Its constraints, and the values in lists, are formulas in SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT amount, n / 10000.0, c / 10000.0, trunc(amount / (n / 10000.0)::numeric(5,4), 2), "
            "trunc(amount * (c / 10000.0)::numeric(5,4) / (n / 10000.0)::numeric(5,4), 2) FROM ("
            "SELECT (1 + (7919 * i) % 1000000)::numeric(18,2) / 100 AS amount, 1 + (31 * i) % 9999 AS n, "
            "1 + (17 * i) % 9999 AS c FROM generate_series(1, 20000) AS i) AS given"
        )
        rows = cursor.fetchall()
    for amount, at, current, payout, worth in rows:
        assert payout == potential_payout(amount, at)
        assert worth == position_value(amount, current_odds=current, odds_at_bet=at)
