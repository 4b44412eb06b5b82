"""What the tests of betting share: users who signed up, markets of the house, and a simulated Polymarket."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.core.cache import cache

from devtools.simulators.polymarket import Simulator
from markets.models import Market
from tests.betting.factories import Player, set_book, sign_up
from tests.markets.factories import add_market, clear_clients, ingest


@pytest.fixture(autouse=True)
def clients_of_this_test() -> Iterator[None]:
    """A process keeps its clients and their breakers; each test starts with new ones, of its own settings."""
    clear_clients()
    yield
    clear_clients()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def new_player(db) -> Callable[..., Player]:
    return sign_up


@pytest.fixture
def ann(db) -> Player:
    """Signed up a moment ago, with 1,000 credits."""
    return sign_up("ann")


@pytest.fixture
def kettle(db) -> Market:
    """A market of the house: THIS at 0.6000, THAT at 0.4000, without an end."""
    return add_market()


@pytest.fixture
def upstream(db, settings) -> Iterator[Simulator]:
    """Polymarket with 61 good markets, which we have, too; nothing has been asked about their odds."""
    with Simulator(seed=7, events=24) as simulator:
        settings.POLYMARKET_GAMMA_URL = simulator.gamma_url
        settings.POLYMARKET_CLOB_URL = simulator.clob_url
        ingest(simulator)
        simulator.requests.clear()
        cache.clear()
        yield simulator


@pytest.fixture
def there(upstream):
    """One of Polymarket's markets, as it is there: bid 0.3900, ask 0.4000."""
    market = upstream.world.good_markets()[0]
    set_book(market, "0.3900", "0.4000")
    return market


@pytest.fixture
def mirrored(there) -> Market:
    """The same market, as it is here."""
    return Market.objects.get(polymarket_id=there.condition_id)
