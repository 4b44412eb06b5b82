"""What the tests of daily rewards share: the whole audit, and users who come by on some days."""

import pytest

from tests.economy.rewards.factories import Regular, arrive


@pytest.fixture
def the_economy_alone() -> None:
    """Here the audit is whole: rewards are among its invariants."""


@pytest.fixture
def ann(db) -> Regular:
    return arrive("ann")
