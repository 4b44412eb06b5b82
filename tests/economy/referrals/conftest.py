"""Signing in with X, as its own tests do it."""

import pytest

from tests.accounts.providers.conftest import browser, live_browsers, new_browser, simulator, there

__all__ = ["browser", "live_browsers", "new_browser", "simulator", "there"]


@pytest.fixture
def provider() -> str:
    return "x"
