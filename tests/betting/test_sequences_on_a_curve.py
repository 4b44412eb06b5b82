"""Any trades over HTTP on a market that prices itself: the loss of the house has its bound, a round trip gains nothing."""

from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from betting.models import MarketMaker
from tests.betting.factories import Player, add_lmsr, assert_audit_passes, order, sign_up
from tests.betting.settlement.factories import end, settle

pytestmark = pytest.mark.django_db
SUBSIDY = Decimal(200)
REFUSALS = {"slippage_too_high", "insufficient_credits", "market_not_accepting", "bet_not_sellable"}
# Who trades, what, and how much in hundredths: of a bet, or what is sold of a bet's stake, of 10,000 parts.
TRADES = some.lists(
    some.tuples(some.integers(0, 2), some.sampled_from(["this", "that", "sale"]), some.integers(1_000, 40_000)),
    min_size=2,
    max_size=10,
)
number = count()


class Trader:
    def __init__(self, player: Player) -> None:
        self.player = player
        self.bets: list[dict] = []

    def bet(self, market, side: str, cents: int) -> None:
        response = self.player.post("", order(market, str(Decimal(cents) / 100), side, maxOdds=Decimal("0.99")))
        if response.status_code == 201:
            self.bets.append(response.json()["bet"])
        else:
            assert response.json()["code"] in REFUSALS, response.content

    def sell(self, part: int) -> None:
        if self.bets:
            bet = self.player.show(self.bets[part % len(self.bets)])
            left = Decimal(bet["remainingAmount"])
            amount = max((left * part / 40_000).quantize(Decimal("0.01")), Decimal("0.01"))
            response = self.player.post(f"/{bet['id']}/sell", {"amount": min(amount, left)})
            assert response.status_code == 200 or response.json()["code"] in REFUSALS, response.content

    def sell_all(self) -> None:
        for bet in self.bets:
            response = self.player.post(f"/{bet['id']}/sell")
            assert response.status_code == 200 or response.json()["code"] in REFUSALS, response.content

    @property
    def balance(self) -> Decimal:
        return Decimal(self.player.booked()["credit_balance"])


def play(trades):
    market = add_lmsr(subsidy=str(SUBSIDY), title=f"Will it rain, {next(number)}?")
    traders = [Trader(sign_up(f"trader{next(number)}")) for _ in range(3)]
    for who, what, much in trades:
        if what == "sale":
            traders[who].sell(much)
        else:
            traders[who].bet(market, what, much)
        maker = MarketMaker.objects.get(pk=market.pk)
        assert maker.collected + SUBSIDY >= max(maker.q_this, maker.q_that)
    return market, traders


def test_nobody_gains_by_buying_and_selling_it_all_again():
    @given(TRADES)
    @settings(max_examples=12, deadline=None)
    def check(trades):
        _, traders = play(trades)
        before = sum(trader.balance for trader in traders)
        for trader in traders:
            trader.sell_all()
        after = sum(trader.balance for trader in traders)
        assert before <= after <= 3_000

    check()
    assert_audit_passes()


@pytest.mark.parametrize("result", ["this", "that"])
def test_the_house_loses_the_subsidy_at_most(result):
    @given(TRADES)
    @settings(max_examples=8, deadline=None)
    def check(trades):
        market, traders = play(trades)
        end(market, result)
        settle(market)
        assert sum(trader.balance for trader in traders) <= 3_000 + SUBSIDY

    check()
    assert_audit_passes()
