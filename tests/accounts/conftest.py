"""What the tests of the accounts app share."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client


@pytest.fixture(autouse=True)
def quick_hashes(settings) -> None:
    """A slow hash is right for users and wrong for a thousand tests; the real one has tests of its own."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def rates(settings) -> Callable[..., None]:
    """Sets rates of throttles, by their scopes."""

    def become(**changed: str) -> None:
        given = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": given | changed}

    return become


@pytest.fixture
def stranger() -> Client:
    """A client that isn't a browser with a form of ours: it has no CSRF token, as no client of the API has."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)
