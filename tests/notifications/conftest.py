"""After every test the counts in the users' rows are those of the notifications."""

from collections.abc import Iterator

import pytest

from core.db.sql import fetch_value
from tests.notifications.factories import COUNTED, Reader, arrive


@pytest.fixture(autouse=True)
def counts_are_those_of_the_rows(db) -> Iterator[None]:
    yield
    assert fetch_value(COUNTED) == 0


@pytest.fixture
def ann(db) -> Reader:
    return arrive("ann")
