"""What the tests of purchases share: users who buy, staff, and a Stripe simulator."""

from collections.abc import Iterator

import pytest

from tests.purchases.factories import Buyer, arrive
from tests.purchases.stripe_simulator import StripeSimulator


@pytest.fixture
def ann(db) -> Buyer:
    return arrive("ann")


@pytest.fixture
def bob(db) -> Buyer:
    return arrive("bob")


@pytest.fixture
def sue(db) -> Buyer:
    """Of the staff, and may do everything."""
    return arrive("sue", is_staff=True, is_superuser=True)


@pytest.fixture
def stripe(settings) -> Iterator[StripeSimulator]:
    """Offered, and listening on loopback."""
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_only", "whsec_test_only"
    settings.FRONTEND_URL = "https://front.example"
    with StripeSimulator() as simulator:
        settings.STRIPE_API_URL = simulator.url
        yield simulator
