"""What the tests of the markets app share: a simulated Polymarket that the service asks, and people with tokens."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from devtools.simulators.polymarket import Simulator
from markets.upstream import patient_client, quick_client


@pytest.fixture(autouse=True)
def clients_of_this_test() -> Iterator[None]:
    """A process keeps its clients and their breakers; each test starts with new ones, of its own settings."""
    patient_client.cache_clear()
    quick_client.cache_clear()
    yield
    patient_client.cache_clear()
    quick_client.cache_clear()


@pytest.fixture
def upstream(settings) -> Iterator[Simulator]:
    """Polymarket with 24 events, 61 good markets among them, and every rare shape; the service asks it."""
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        yield simulator


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def bearer(db) -> Callable[..., dict[str, str]]:
    """Headers of a signed-in user."""

    def headers(username: str = "ada", **fields) -> dict[str, str]:
        user = User.objects.create_user(email=f"{username}@example.com", username=username, **fields)
        return {"Authorization": f"Bearer {AccessToken.for_user(user)}"}

    return headers
