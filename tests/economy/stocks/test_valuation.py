"""What shares cost and what a holding is worth, by the formula."""

from decimal import Decimal

from economy.stocks.valuation import Position, average_price, bought, part_of, percent, proceeds, value

D = Decimal


def test_a_purchase_costs_shares_times_price_rounded_up_to_the_cent():
    assert bought(D("3"), D("1.333"), 1).invested == D("4.00")
    assert bought(D("0.00000001"), D("0.00000001"), 1).invested == D("0.01")
    assert bought(D("2"), D("10"), 5).invested == D("20.00")


def test_leverage_multiplies_the_move_of_the_price_and_not_the_cost():
    """Lesson 7: leverage multiplied the cost but not the proceeds."""
    position = bought(D(10), D(100), 5)
    assert position.invested == 1000
    assert value(position, D(100)) == 1000
    assert value(position, D(110)) == 1500
    assert value(position, D(90)) == 500


def test_a_value_is_never_below_zero():
    position = bought(D(10), D(100), 5)
    assert value(position, D(80)) == 0
    assert value(position, D(1)) == 0


def test_a_value_is_rounded_down():
    assert value(Position(D(3), D("10.00"), D("10.00"), 1), D("3.3366")) == D("10.00")
    assert value(Position(D(3), D("10.00"), D("10.00"), 1), D("3.3333")) == D("9.99")


def test_another_purchase_averages_in():
    position = bought(D(10), D(100), 3).plus(bought(D(30), D(200), 3))
    assert (position.shares, position.invested, average_price(position)) == (40, 7000, 175)
    assert value(position, D(180)) == 7000 + 3 * 40 * 5


def test_the_parts_take_all_that_was_invested_and_leave_nothing():
    """Lesson 15: selling everything left 4e-16."""
    position = bought(D("1"), D("100.01"), 2)
    taken = []
    for shares in (D("0.33333333"), D("0.33333333"), D("0.33333334")):
        part = part_of(position, shares)
        taken.append(part.invested)
        position = position.minus(part)
    assert sum(taken) == D("100.01")
    assert (position.shares, position.invested, position.exact_cost) == (0, 0, 0)


def test_a_part_brings_its_share_of_what_the_whole_is_worth():
    position = bought(D(3), D(10), 1)
    assert proceeds(position, D(1), D("12.345")) == D("12.34")
    assert proceeds(position, D(3), D("12.345")) == D("37.03")


def test_dust_sold_again_and_again_leaves_the_rest_no_richer():
    """Where parts too small to take a cent took nothing, the rest would be worth what was paid, whatever the price."""
    position = bought(D(1), D(1000), 1)
    for _ in range(1000):
        position = position.minus(part_of(position, D("0.000001")))
    assert value(position, D(500)) <= D("499.50")


def test_huge_numbers_are_exact():
    position = bought(D("9999999999.99999999"), D("99999.12345678"), 1)
    assert position.exact_cost == D("999991234567799.9990000087654322")
    assert part_of(position, position.shares) == position


def test_percents_have_two_decimals_and_none_of_nothing():
    assert percent(D(1), D(3)) == D("33.33")
    assert percent(D(1), D(0)) == 0


def test_a_part_takes_the_cost_of_its_shares_rounded_down_and_of_the_invested_rounded_up():
    part = part_of(Position(D(3), D("10.00"), D("10.0000000000000000"), 2), D(1))
    assert (part.invested, part.exact_cost) == (D("3.34"), D("3.3333333333333333"))
