"""Fixtures of the markets app: a simulated Polymarket that the service requests, and signed-in users."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from devtools.simulators.polymarket import Simulator
from markets import rules
from tests.markets.factories import clear_clients


@pytest.fixture(autouse=True)
def clients_of_this_test() -> Iterator[None]:
    """Give each test clients and circuit breakers of its own settings: a process keeps those it has."""
    clear_clients()
    yield
    clear_clients()


class RuleOverrides:
    """The game rules of markets: what is assigned holds until the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        object.__setattr__(self, "_monkeypatch", monkeypatch)

    def __getattr__(self, name: str) -> object:
        return getattr(rules, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._monkeypatch.setattr(rules, name, value)


@pytest.fixture
def market_rules(monkeypatch) -> RuleOverrides:
    return RuleOverrides(monkeypatch)


@pytest.fixture
def upstream(settings) -> Iterator[Simulator]:
    """Polymarket with 24 events, 61 good markets among them, and every rare shape; the service requests it."""
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
