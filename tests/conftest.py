"""What every test may use. Nothing of our own is patched: the outside is a simulator, a stand-in or a script."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from markets import rendering
from thisthat.common import public_reads


@pytest.fixture(autouse=True)
def nothing_remembered(settings) -> Iterator[None]:
    """Each test starts with empty caches, and asks the database every time unless it says otherwise."""
    settings.PUBLIC_CACHE_SECONDS = 0
    cache.clear()
    public_reads.forget()
    rendering.forget()
    yield
    cache.clear()
    public_reads.forget()


@pytest.fixture
def api() -> Client:
    """A client of the API over Django's handler, middlewares included; failures are answers, not exceptions."""
    return Client(raise_request_exception=False)
