"""The service over real HTTP, with a simulated Polymarket, X and Stripe configured, and the first stocks."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from devtools.simulators.polymarket import Simulator
from tests.accounts.x.conftest import with_app
from tests.markets.factories import clear_clients

STRIPE_SECRET = "whsec_test_only"


@pytest.fixture
def service(settings, live_server) -> Iterator[str]:
    """Its address."""
    clear_clients()
    settings.X_REDIRECT_URI = f"{live_server.url}/api/v1/auth/x/callback"
    settings.SOCIALACCOUNT_PROVIDERS = with_app(settings, client_id="the-client-id", secret="the-client-secret")
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_only", STRIPE_SECRET
    call_command("seed_stocks", verbosity=0)
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        yield live_server.url
    clear_clients()
