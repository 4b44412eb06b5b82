"""The simulation notices prices that can be gamed: with any rule of the service's removed, a bot earns."""

from decimal import Decimal

import pytest

from markets import rules
from tests.simulation.arbitrage.bettors import close_racer, dust_placer, leftovers_picker, watcher, wide_picker
from tests.simulation.arbitrage.variants import FirstVersion, WithoutSpread

MARKETS = 150


@pytest.mark.parametrize("bettor", [watcher, close_racer])
def test_at_the_first_versions_prices_bots_earn(measure, bettor):
    found = measure(bettor, exchange=FirstVersion, markets=MARKETS)
    assert found.earns
    assert found.mean > 2 * found.error


def test_without_the_spread_a_bot_earns(measure):
    assert measure(wide_picker, exchange=WithoutSpread, markets=MARKETS).earns


def test_at_the_price_of_the_first_share_dust_earns(measure, monkeypatch):
    monkeypatch.setattr(rules, "PRICE_DEPTH", 1)
    assert measure(dust_placer, markets=MARKETS).earns


def test_in_books_however_wide_a_bot_earns(measure, monkeypatch):
    monkeypatch.setattr(rules, "MAX_SPREAD", Decimal(1))
    assert measure(leftovers_picker, markets=MARKETS).earns
