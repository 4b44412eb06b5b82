"""Lesson 41: who watches the upstream, disturbs it or races it earns nothing from the service's prices.

`SIMULATION_MARKETS` and `SIMULATION_SEED` choose another run, `-s` shows its figures.
"""

import pytest

from markets import rules
from tests.simulation.bettors import WITHOUT_FOREKNOWLEDGE, with_foreknowledge
from tests.simulation.conftest import MARKETS

TRADES = 10_000 * MARKETS // 560


@pytest.mark.parametrize("name", WITHOUT_FOREKNOWLEDGE)
def test_without_foreknowledge_nobody_earns(measure, name):
    found = measure(WITHOUT_FOREKNOWLEDGE[name])
    assert found.trades >= TRADES
    assert not found.earns


def test_foreknowledge_earns_until_bets_are_delayed_by_as_much(measure, monkeypatch):
    """A move that is seen a second early; an order is under way for a tenth of a second without any delay."""
    means = {}
    for delay in (0.0, 0.5, 0.75, 1.0, 1.25):
        monkeypatch.setattr(rules, "BET_DELAY", delay)
        print(f"delayed by {delay} s: ", end="")  # noqa: T201 - shown by `pytest -s`
        means[delay] = measure(with_foreknowledge, markets=MARKETS if delay in (0, 1) else MARKETS // 2)
    assert means[0.0].trades >= TRADES
    assert means[0.0].earns
    assert means[0.5].earns
    assert not means[1.0].earns
    assert means[1.0].expected < 0
    assert not means[1.25].earns
