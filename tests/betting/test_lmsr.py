"""The market maker's mathematics, against the definition computed with three times as many digits."""

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from betting.lmsr import HIGHEST_ODDS, BeyondLimit, Curve, first_curve

CENT = Decimal("0.01")
PRECISE = Context(prec=150)
cents = st.decimals("10", "10000", places=2)
odds = st.decimals("0.01", "0.99", places=2)
subsidies = st.decimals("10", "1000000", places=2)
# A bet of so many credits, or the sale of a part, in hundredths, of what was bought of the side.
trades = st.lists(st.tuples(st.booleans(), st.one_of(cents, st.integers(1, 100))), max_size=12)


def cost(curve: Curve, q_this: Decimal, q_that: Decimal) -> Decimal:
    """C(q) as Hanson writes it, but for the tilt, with 150 digits."""
    with localcontext(PRECISE):
        return curve.b * ((q_this / curve.b + curve.tilt).exp() + (q_that / curve.b).exp()).ln()


def difference(curve: Curve, shares: Decimal, *, is_this: bool) -> Decimal:
    """What so many shares more cost."""
    with localcontext(PRECISE):
        now = cost(curve, curve.q_this, curve.q_that)
        if is_this:
            return cost(curve, curve.q_this + shares, curve.q_that) - now
        return cost(curve, curve.q_this, curve.q_that + shares) - now


class Market:
    """A curve that is traded on, and what it took."""

    def __init__(self, start: Decimal, subsidy: Decimal) -> None:
        self.curve, self.subsidy, self.collected = first_curve(odds=start, subsidy=subsidy), subsidy, Decimal(0)

    def trade(self, done: list[tuple[bool, Decimal | int]]) -> "Market":
        for is_this, what in done:
            if isinstance(what, int):
                self.sell((self.held(is_this) * what / 100).quantize(CENT), is_this=is_this)
            else:
                self.buy(what, is_this=is_this)
        return self

    def held(self, is_this: bool) -> Decimal:
        return self.curve.q_this if is_this else self.curve.q_that

    def buy(self, amount: Decimal, *, is_this: bool) -> Decimal:
        try:
            bought = self.curve.buy(amount, is_this=is_this)
        except BeyondLimit:
            return Decimal(0)
        self.collected += amount
        self.curve = self.curve.with_shares(bought.shares, is_this=is_this)
        return bought.shares

    def sell(self, shares: Decimal, *, is_this: bool) -> Decimal:
        sold = self.curve.sell(shares, is_this=is_this)
        self.collected -= sold.credits
        self.curve = self.curve.with_shares(-shares, is_this=is_this)
        return sold.credits

    @property
    def greatest_loss(self) -> Decimal:
        """What the house would lose if it ended now the way that costs it most."""
        return max(self.curve.q_this, self.curve.q_that) - self.collected


markets = st.builds(lambda start, subsidy, done: Market(start, subsidy).trade(done), odds, subsidies, trades)


@given(markets, cents, st.booleans())
def test_a_bet_buys_what_the_definition_says_to_the_hundredth_below(market, amount, is_this):
    try:
        bought = market.curve.buy(amount, is_this=is_this)
    except BeyondLimit:
        return
    assert difference(market.curve, bought.shares, is_this=is_this) <= amount
    assert difference(market.curve, bought.shares + CENT, is_this=is_this) > amount - Decimal("1e-14")


@given(markets, st.decimals("0.01", "20000", places=2), st.booleans())
def test_a_sale_brings_what_the_definition_says_to_the_hundredth_below(market, shares, is_this):
    assume(shares <= market.held(is_this))
    exact = -difference(market.curve, -shares, is_this=is_this)
    brings = market.curve.sell(shares, is_this=is_this).credits
    assert brings <= exact
    assert brings + CENT > exact - Decimal("1e-14")


@given(markets)
def test_the_two_prices_add_up_to_one(market):
    both = market.curve.price(is_this=True) + market.curve.price(is_this=False)
    assert abs(both - 1) < Decimal("1e-40")


@given(odds, subsidies)
def test_a_market_begins_with_the_odds_that_were_chosen(start, subsidy):
    assert abs(first_curve(odds=start, subsidy=subsidy).price(is_this=True) - start) < Decimal("1e-19")


@given(markets, cents, st.booleans())
def test_a_bet_raises_its_side_and_a_sale_lowers_it(market, amount, is_this):
    try:
        bought = market.curve.buy(amount, is_this=is_this)
    except BeyondLimit:
        return
    assert bought.before < bought.after <= HIGHEST_ODDS
    assert bought.before < amount / bought.shares
    later = market.curve.with_shares(bought.shares, is_this=is_this)
    assert later.price(is_this=is_this) == bought.after
    sold = later.sell(bought.shares, is_this=is_this)
    assert sold.after < sold.before
    assert sold.credits / bought.shares < sold.before


@given(markets, cents, cents, st.booleans())
def test_more_credits_buy_more_shares_at_a_higher_price(market, less, more, is_this):
    assume(less < more)
    try:
        little, much = (market.curve.buy(amount, is_this=is_this) for amount in (less, more))
    except BeyondLimit:
        return
    assert little.shares <= much.shares
    assert little.after <= much.after


@given(markets, cents, st.booleans())
def test_no_round_trip_gains(market, amount, is_this):
    paid = market.collected
    shares = market.buy(amount, is_this=is_this)
    market.sell(shares, is_this=is_this)
    assert market.collected >= paid


@given(markets, st.decimals("10", "1000", places=2), st.integers(2, 10), st.booleans())
def test_splitting_a_bet_never_helps(market, part, parts, is_this):
    try:
        whole = market.curve.buy(part * parts, is_this=is_this)
    except BeyondLimit:
        return
    bought = sum(market.buy(part, is_this=is_this) for _ in range(parts))
    assert whole.shares - CENT * parts <= bought <= whole.shares


@given(markets, st.integers(2, 10), st.booleans())
def test_splitting_a_sale_never_helps(market, parts, is_this):
    part = (market.held(is_this) / parts).quantize(CENT, "ROUND_DOWN")
    whole = market.curve.sell(part * parts, is_this=is_this)
    assert sum(market.sell(part, is_this=is_this) for _ in range(parts)) <= whole.credits


@settings(max_examples=200)
@given(odds, subsidies, trades)
def test_the_house_never_loses_more_than_the_subsidy(start, subsidy, done):
    market = Market(start, subsidy)
    for trade in done:
        assert market.trade([trade]).greatest_loss <= subsidy


@given(markets, st.decimals("0.01", "100000", places=2), trades)
def test_liquidity_that_is_added_keeps_the_price_and_the_bound(market, more, done):
    before, subsidy = market.curve, market.subsidy + more
    market.curve = before.deepened(subsidy=subsidy, collected=market.collected)
    assert abs(market.curve.price(is_this=True) - before.price(is_this=True)) < Decimal("1e-18")
    assert market.curve.b >= before.b
    assert market.trade(done).greatest_loss <= subsidy


@given(odds, subsidies, st.booleans())
def test_a_price_beyond_the_limit_is_refused(start, subsidy, is_this):
    with pytest.raises(BeyondLimit):
        first_curve(odds=start, subsidy=subsidy).buy(subsidy * 10, is_this=is_this)


def test_the_same_numbers_on_every_machine():
    curve = first_curve(odds=Decimal("0.25"), subsidy=Decimal(1000))
    assert curve.b == Decimal("721.34752044")
    assert curve.tilt == Decimal("-1.09861228866810969140")
    bought = curve.buy(Decimal(100), is_this=True)
    assert (bought.shares, bought.after.quantize(Decimal("1e-10"))) == (Decimal("336.68"), Decimal("0.3470855762"))
