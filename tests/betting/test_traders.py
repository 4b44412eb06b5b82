"""Traders with noisy beliefs around a truth: prices end near it, and the house's loss stays within its bound."""

from decimal import Decimal
from random import Random

import pytest

from betting.models import MarketMaker
from tests.betting.factories import add_lmsr, assert_audit_passes, order, read
from tests.betting.settlement.factories import end, settle, worth
from tests.simulation.market_maker import trade

SUBSIDY = Decimal(1_000)


@pytest.mark.parametrize("truth", [0.15, 0.5, 0.8])
def test_prices_end_near_the_truth_within_the_bound(truth):
    options = {"traders": 40, "bets": 600, "subsidy": SUBSIDY, "start": Decimal("0.5"), "seed": 7}
    moments = list(trade(truth=truth, **options))
    last = [moment.price for moment in moments[-200:]]
    assert abs(sum(last) / len(last) - truth) < 0.07
    assert min(min(moment.if_this, moment.if_that) for moment in moments) >= -SUBSIDY


@pytest.mark.django_db
@pytest.mark.parametrize("result", ["this", "that"])
def test_over_http_the_house_and_the_users_have_what_the_market_says(new_player, result):
    market, dice = add_lmsr("0.5", str(SUBSIDY)), Random(result)
    players = [new_player(name) for name in ("ann", "bob", "carol", "dan")]
    held = {player.id: [] for player in players}
    for _ in range(24):
        player = dice.choice(players)
        if held[player.id] and dice.random() < 0.3:
            player.sell(held[player.id].pop(), dice.choice([None, "5"]))
            continue
        side = "this" if dice.random() < 0.7 else "that"
        response = player.post("", order(market, dice.choice([10, 40, 90]), side))
        held[player.id].append(read(response, 201)["bet"])
    maker = MarketMaker.objects.get()
    won = maker.q_this if result == "this" else maker.q_that
    assert maker.subsidy + maker.collected - won >= 0
    end(market, result)
    settle(market)
    assert sum(worth(player)[0] for player in players) == 4_000 - maker.collected + won
    assert_audit_passes()
