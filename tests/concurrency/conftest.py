"""Committed transactions, real threads with connections of their own, and a passing audit after each test."""

from collections.abc import Iterator

import pytest

from tests.betting.conftest import *  # noqa: F403 - the same users and markets
from tests.betting.factories import assert_audit_passes


@pytest.fixture(autouse=True)
def committed(transactional_db) -> Iterator[None]:
    """After each test the audit passes."""
    yield
    assert_audit_passes()
