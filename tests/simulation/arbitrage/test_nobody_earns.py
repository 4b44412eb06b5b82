"""Lesson 41: who watches the upstream, disturbs it or races it earns nothing from the service's prices.

`SIMULATION_MARKETS` and `SIMULATION_SEED` choose another run, `-s` shows its figures.
"""

import pytest

from markets import rules
from tests.simulation.arbitrage.bettors import WITHOUT_FOREKNOWLEDGE, depth_placer, news_reader, with_foreknowledge
from tests.simulation.arbitrage.conftest import MARKETS

TRADES = 10_000 * MARKETS // 560


@pytest.mark.parametrize("name", WITHOUT_FOREKNOWLEDGE)
def test_without_foreknowledge_nobody_earns(measure, name):
    found = measure(WITHOUT_FOREKNOWLEDGE[name])
    assert found.trades >= TRADES
    assert not found.earns


@pytest.mark.parametrize(
    ("bettor", "early", "trades"),
    # A move is seen a second before the upstream shows it; or known at once, which the upstream shows within 1.5 s.
    [(with_foreknowledge, 1.0, TRADES), (news_reader, 1.5, TRADES // 20)],
)
def test_foreknowledge_earns_until_bets_are_delayed_by_as_much(measure, monkeypatch, bettor, early, trades):
    found = {}
    for delay in (0.0, early / 2, early):
        monkeypatch.setattr(rules, "BET_DELAY", delay)
        found[delay] = measure(bettor)
    assert found[0.0].trades >= trades
    assert found[0.0].earns
    assert found[early / 2].earns
    assert not found[early].earns
    assert found[early].expected < 0


def test_who_places_as_many_shares_as_a_price_is_made_of_earns_until_it_is_made_of_more(measure, monkeypatch):
    """What remains: an upstream order of PRICE_DEPTH shares, of which the bettor bears the risk there."""
    assert measure(depth_placer, markets=MARKETS // 4).earns
    monkeypatch.setattr(rules, "PRICE_DEPTH", 3 * rules.PRICE_DEPTH)
    assert not measure(depth_placer, markets=MARKETS // 4).earns
