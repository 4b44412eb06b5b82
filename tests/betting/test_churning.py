"""Lesson 47: at prices that stay, no bets and sales make volume for less than the documented minimum.

Let the ask of THIS be `a`, its bid `b`, the spread `s = a - b`. A bet that is sold again costs `s / a` of its stake, on
THAT `s / (1 - b)`. Bets that are held on both sides return the same whoever wins, where they are in proportion: what
they cost is `s / (1 + s)`. Nothing is cheaper: if THIS had the probability `a / (1 + s)`, every bet would be worth that
much less than its stake, and no sale worth more than it; so however bets and sales are combined, one of the two
outcomes costs `s / (1 + s)` of the volume or more. Rounding only adds to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from betting.errors import MarketNotAccepting
from betting.models import Bet
from betting.pricing import Price, position_value, potential_payout
from markets import rules
from markets.errors import MarketIlliquid
from markets.fills import FillPrices, fill_prices, house_prices

CENT = Decimal("0.01")
TOKENS = ("1", "2")
SIDES = st.sampled_from(Bet.Side.values)
prices = st.one_of(
    st.integers(1, 99).map(lambda cents: Decimal(cents) / 100),
    st.integers(1, 999).map(lambda ticks: Decimal(ticks) / 1_000),
    st.decimals("0.000001", "0.999999", places=6),
)
sizes = st.one_of(st.integers(1, 300).map(Decimal), st.decimals("0.01", "1000", places=2))
levels = st.lists(st.tuples(prices, sizes), max_size=5)
stakes = st.one_of(st.sampled_from(["10", "10.01", "99.99", "10000"]).map(Decimal), st.decimals(10, 10_000, places=2))
# A side and a stake, and which parts of it are sold, in ten-thousandths of what is left.
orders = st.lists(st.tuples(SIDES, stakes, st.lists(st.integers(1, 10_000), max_size=4)), min_size=1, max_size=6)


@st.composite
def books(draw) -> FillPrices:
    """The prices of any order books; most are made to have enough shares around a middle."""
    middle = draw(prices)
    bids = [*draw(levels), *((middle - step, Decimal(400)) for step in draw(st.lists(prices, max_size=2)))]
    asks = [*draw(levels), *((middle + step, Decimal(400)) for step in draw(st.lists(prices, max_size=2)))]
    asks = [(price, size) for price, size in asks if price < 1 and price >= middle]
    bids = [(price, size) for price, size in bids if 0 < price <= middle]
    sent = [{"bids": as_sent(bids), "asks": as_sent(asks)}, {"bids": as_sent(draw(levels)), "asks": []}]
    return fill_prices(dict(zip(TOKENS, sent[: draw(st.integers(1, 2))], strict=False)), TOKENS)


def as_sent(side):
    return [{"price": str(price), "size": str(size)} for price, size in side]


@dataclass
class Account:
    """What somebody staked, got back from sales, and would be paid if THIS or THAT won."""

    volume: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    paid_if_this: Decimal = Decimal(0)
    paid_if_that: Decimal = Decimal(0)

    @property
    def least_cost(self) -> Decimal:
        """What is lost in the worse of the two outcomes."""
        return self.volume - self.returned - min(self.paid_if_this, self.paid_if_that)

    def trade(self, price: Price, side: str, stake: Decimal, parts: list[int]) -> None:
        odds = price.to_buy(side)
        self.volume += stake
        left = stake
        for part in parts:
            sold = max(CENT, (left * part / 10_000).quantize(CENT))
            if sold > left or not sells(price, side):
                break
            self.returned += position_value(sold, current_odds=price.to_sell(side), odds_at_bet=odds)
            left -= sold
        if left and side == Bet.Side.THIS:
            self.paid_if_this += potential_payout(left, odds)
        elif left:
            self.paid_if_that += potential_payout(left, odds)


def sells(price: Price, side: str) -> bool:
    return accepts(lambda: price.to_sell(side))


def accepts(find: Callable[[], Decimal]) -> bool:
    try:
        find()
    except (MarketIlliquid, MarketNotAccepting):
        return False
    return True


def assert_volume_costs(fills: FillPrices, sequence, *, least_spread: Decimal) -> None:
    price = Price(fills, None)
    sequence = [order for order in sequence if accepts(lambda side=order[0]: price.to_buy(side))]
    assume(sequence)
    assert fills.ask - fills.bid >= least_spread
    account = Account()
    for side, stake, parts in sequence:
        account.trade(price, side, stake, parts)
    spread = Fraction(fills.ask - fills.bid)
    assert Fraction(account.least_cost) >= Fraction(account.volume) * spread / (1 + spread)
    assert account.least_cost >= CENT


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None, max_examples=150)
@given(books(), orders)
def test_on_mirrored_markets(fills, sequence):
    """A price has 4 decimals, and the ask is above the bid: at least 0.01 % at the narrowest book that can be."""
    assert_volume_costs(fills, sequence, least_spread=Decimal("0.0001"))


@pytest.mark.parametrize("spread", ["0.0001", "0.0075", "0.02", "0.10"])
def test_on_house_markets(monkeypatch, spread):
    """At odds near 0 and 1 too, where one of the sides can't be bet on or sold."""
    monkeypatch.setattr(rules, "HOUSE_SPREAD", Decimal(spread))
    edges = st.sampled_from(["0.0001", "0.0050", "0.0100", "0.0101", "0.9899", "0.9900", "0.9999"]).map(Decimal)

    @settings(deadline=None)
    @given(st.one_of(edges, st.decimals("0.0001", "0.9999", places=4)), orders)
    def check(odds, sequence):
        # Where the spread is cut off at 0 or 1 the side that can be bet on can't be sold.
        fills = house_prices(odds)
        is_whole = fills.bid > 0 and fills.ask < 1
        assert_volume_costs(fills, sequence, least_spread=Decimal(spread) if is_whole else Decimal("0.0001"))

    check()


@pytest.mark.parametrize(
    ("bid", "ask", "sold", "both_held"),
    [("0.49", "0.50", "2.00", "0.99"), ("0.989", "0.990", "0.11", "0.10"), ("0.9997", "0.9998", "0.02", "0.01")],
)
def test_what_volume_of_100_credits_costs_at_least(bid, ask, sold, both_held):
    """The figures of docs/adr/0013-fills.md: sold again, and held on both sides, in credits on 100."""
    fills = FillPrices(bid=Decimal(bid), ask=Decimal(ask), sale_bid=Decimal(bid), sale_ask=Decimal(ask))
    churned, held = Account(), Account()
    churned.trade(Price(fills, None), "this", Decimal(100), [10_000])
    assert churned.least_cost == Decimal(sold)
    for side, odds in (("this", fills.ask), ("that", 1 - fills.bid)):
        stake = (1_000_000 * odds / (1 + fills.ask - fills.bid)).quantize(CENT)
        held.trade(Price(fills, None), side, stake, [])
    assert (held.least_cost / 10_000).quantize(CENT) == Decimal(both_held)
