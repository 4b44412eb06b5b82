"""Simulated markets, the figures of a bettor on them, and the simulated upstream."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import pytest

from devtools.simulators.polymarket import Simulator
from tests.markets.factories import clear_clients, ingest
from tests.simulation.arbitrage.bettors import Bettor
from tests.simulation.arbitrage.exchange import Exchange, Figures, figures
from tests.simulation.arbitrage.upstream import Life

SEED = int(os.environ.get("SIMULATION_SEED", "1"))
MARKETS = int(os.environ.get("SIMULATION_MARKETS", "560"))

Measure = Callable[..., Figures]


@cache
def life(number: int) -> Life:
    return Life(SEED, number)


@pytest.fixture
def measure() -> Measure:
    """Have somebody bet on that many of the simulated markets; print and return the figures."""

    def run(bettor: Bettor, *, exchange: type[Exchange] = Exchange, markets: int = MARKETS) -> Figures:
        filling = exchange(SEED)
        found = figures(
            trade
            for number in range(markets)
            for trade in filling.fill(life(number), bettor(life(number), Random(f"{bettor.__name__}/{number}")))
        )
        print(f"{bettor.__name__:<18}{found}")  # noqa: T201 - shown by `pytest -s`
        return found

    return run


@pytest.fixture
def upstream(db, settings) -> Iterator[Simulator]:
    """Polymarket with 61 good markets, which we have, too."""
    clear_clients()
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        ingest(simulator)
        yield simulator
    clear_clients()
