"""Signing in with X, as its own tests do it."""

from tests.accounts.x.conftest import browser, new_browser, x

__all__ = ["browser", "new_browser", "x"]
