import pytest

from economy.stocks.models import Stock
from tests.economy.stocks.factories import Trader, list_stock, new_trader


@pytest.fixture(autouse=True)
def the_economy_alone() -> None:
    """Not here: the whole audit, with what stocks added to it."""


@pytest.fixture
def ann(db) -> Trader:
    """Has 1,000 credits."""
    return new_trader("ann")


@pytest.fixture
def acme(db) -> Stock:
    """1,000 shares at 10 credits, with leverage up to 10."""
    return list_stock()
