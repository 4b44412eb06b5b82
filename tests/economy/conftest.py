"""What the tests of the economy share: people, and the moment."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from accounts.models import User
from tests.economy.worlds import make_user


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def ann(db) -> User:
    """Has 1,000 credits, given by staff."""
    return make_user("ann", balance=1000)


@pytest.fixture
def new_user(db) -> Callable[..., User]:
    return make_user
