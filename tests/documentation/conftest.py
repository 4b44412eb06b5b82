"""The service over real HTTP, with a simulated Polymarket, and providers and Stripe configured, and the first stocks."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from devtools.simulators.polymarket import Simulator
from tests.accounts.providers.conftest import configure_callbacks, simulator
from tests.markets.factories import clear_clients

__all__ = ["simulator"]
STRIPE_SECRET = "whsec_test_only"


@pytest.fixture
def service(settings, live_server, simulator) -> Iterator[str]:
    """Its address."""
    clear_clients()
    configure_callbacks(settings, live_server.url)
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_only", STRIPE_SECRET
    call_command("seed_stocks", verbosity=0)
    with Simulator(seed=7, events=24) as polymarket:
        settings.POLYMARKET_GAMMA_URL = polymarket.gamma_url
        settings.POLYMARKET_CLOB_URL = polymarket.clob_url
        yield live_server.url
    clear_clients()
