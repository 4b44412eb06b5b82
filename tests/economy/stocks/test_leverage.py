"""Leverage adds up: no sequence of purchases, price moves and sales pays out more than the formula says."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from economy.stocks.valuation import Position, bought, part_of, proceeds, value

CENT = Fraction(1, 100)
shares = st.decimals("0.00000001", "1000", places=8)
prices = st.decimals("0.00000001", "5000", places=8)
parts = st.fractions(0, 1)
leverages = st.integers(1, 100)
# What happens to a holding: a purchase, a move of the price, the sale of a part.
events = st.lists(
    st.one_of(st.tuples(st.just("buy"), shares), st.tuples(st.just("move"), prices), st.tuples(st.just("sell"), parts)),
    max_size=30,
)


class Ideal:
    """The issue's formula in exact fractions: no rounding, and parts of everything as small as one likes."""

    def __init__(self, leverage):
        self.leverage, self.shares, self.invested, self.basis = leverage, Fraction(0), Fraction(0), Fraction(0)

    def buy(self, number, price, paid):
        self.shares += number
        self.invested += paid
        self.basis += number * price

    def value(self, price):
        average = self.basis / self.shares
        return max(Fraction(0), self.invested + self.leverage * self.shares * (price - average))

    def sell(self, number, price):
        part = number / self.shares
        brought = self.value(price) * part
        self.shares -= number
        self.invested *= 1 - part
        self.basis *= 1 - part
        return brought


def sold_of(position, part):
    """At least the smallest part of a share, at most all."""
    wanted = max(Fraction(1, 10**8), Fraction(position.shares) * part)
    return Decimal(int(wanted * 10**8)).scaleb(-8)


def play(leverage, price, history):
    """Yields after each event the position, the exact one, the price, and what has been paid out in both."""
    position, ideal, got, due = None, Ideal(leverage), Fraction(0), Fraction(0)
    for event, what in history:
        if event == "move":
            price = what
        elif event == "buy":
            more = bought(what, price, leverage)
            position = position.plus(more) if position else more
            ideal.buy(Fraction(what), Fraction(price), Fraction(more.invested))
        elif position:
            number = sold_of(position, what)
            got += Fraction(proceeds(position, number, price))
            due += ideal.sell(Fraction(number), Fraction(price))
            position = position.minus(part_of(position, number))
            position = position if position.shares else None
        yield position, ideal, price, got, due


@settings(max_examples=300, deadline=None)
@given(leverages, prices, events)
def test_no_history_pays_out_more_than_the_formula_says(leverage, price, history):
    """Lesson 7, the whole of it: what is paid, and what could be by selling the rest, is never above the exact sum."""
    for position, ideal, now, got, due in play(leverage, price, [("buy", Decimal(1)), *history]):
        assert got <= due
        if position:
            assert Fraction(position.shares) == ideal.shares
            assert Fraction(value(position, now)) <= ideal.value(Fraction(now))
            assert position.invested >= 0
            assert position.exact_cost >= 0


@settings(max_examples=200, deadline=None)
@given(leverages, prices, prices, st.lists(shares, min_size=1, max_size=5))
def test_without_sales_the_value_is_the_formulas_rounded_down(leverage, price, later, purchases):
    history = [("buy", number) for number in purchases] + [("move", later)]
    position, ideal, now, _, _ = list(play(leverage, price, history))[-1]
    assert Fraction(value(position, now)) <= ideal.value(Fraction(now)) < Fraction(value(position, now)) + CENT


@settings(max_examples=200, deadline=None)
@given(prices, prices, st.lists(shares, min_size=1, max_size=5))
def test_at_leverage_one_a_holding_is_worth_its_shares(price, later, purchases):
    """Within what rounding up to the cent added to each purchase."""
    history = [("buy", number) for number in purchases] + [("move", later)]
    position, _, _, _, _ = list(play(1, price, history))[-1]
    plain = Fraction(position.shares) * Fraction(later)
    assert plain - CENT < Fraction(value(position, later)) < plain + CENT * len(purchases)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 1000))
def test_at_leverage_one_and_whole_cents_it_is_exactly_its_shares(cents, later, number):
    position = bought(Decimal(number), Decimal(cents).scaleb(-2), 1)
    assert value(position, Decimal(later).scaleb(-2)) == Decimal(number * later).scaleb(-2)


@given(shares, prices, leverages)
def test_buying_and_selling_at_one_price_gains_nothing(number, price, leverage):
    position = bought(number, price, leverage)
    assert value(position, price) == position.invested
    assert proceeds(position, number, price) == position.invested


@settings(max_examples=200, deadline=None)
@given(shares, prices, leverages, st.lists(parts, max_size=10))
def test_the_parts_of_a_holding_add_up_to_it(number, price, leverage, sold):
    """Lesson 15: whatever the parts, selling the last of it leaves nothing."""
    whole = position = bought(number, price, leverage)
    invested, cost = Decimal(0), Decimal(0)
    for part in [*sold, Fraction(1)]:
        if not position.shares:
            break
        taken = part_of(position, sold_of(position, part))
        invested += taken.invested
        cost += taken.exact_cost
        position = position.minus(taken)
    assert (position.shares, position.invested, position.exact_cost) == (0, 0, 0)
    assert (invested, cost) == (whole.invested, whole.exact_cost)


@settings(max_examples=200, deadline=None)
@given(shares, prices, prices, leverages, st.integers(1, 50))
def test_selling_in_small_parts_never_brings_more_than_selling_at_once(number, price, later, leverage, times):
    position = bought(number, price, leverage)
    at_once, brought = value(position, later), Decimal(0)
    small = max(Decimal("1e-8"), (number / times).quantize(Decimal("1e-8")))
    while position.shares:
        part = min(small, position.shares)
        brought += proceeds(position, part, later)
        position = position.minus(part_of(position, part))
    assert brought <= at_once


def test_an_average_that_does_not_end_is_not_rounded():
    position = Position(Decimal(3), Decimal("10.00"), Decimal("10.00"), 100)
    assert value(position, Decimal("3.33333333")) == Decimal("9.99")
