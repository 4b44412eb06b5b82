import pytest

from markets.polymarket.client import PolymarketClient
from tests.markets.polymarket.requests import QUICK, breaker_after
from tests.markets.polymarket.scripted_server import scripted_server


@pytest.fixture
def server():
    with scripted_server() as script:
        yield script


class Pauses(list):
    """Stands for `time.sleep`: remembers, and doesn't wait."""

    def __call__(self, seconds):
        self.append(seconds)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def make_client(server, pauses):
    def make(policy=QUICK, **options):
        settings = {"breaker": breaker_after(100), "sleep": pauses} | options
        return PolymarketClient(gamma_url=server.url + "/", clob_url=server.url, policy=policy, **settings)

    return make


@pytest.fixture
def client(make_client):
    return make_client()
