"""Committed transactions, real threads with connections of their own, and a passing audit after each test."""

from collections.abc import Iterator

import pytest

from tests.betting.conftest import *  # noqa: F403 - the same users and markets
from tests.betting.factories import books_balance


@pytest.fixture(autouse=True)
def committed(transactional_db) -> Iterator[None]:
    """Whatever happened at once, the books balance."""
    yield
    books_balance()
