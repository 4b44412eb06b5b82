from typing import Any

import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def test_views(settings) -> None:
    """The paths of `urls_for_tests`, with the service's own behind them."""
    settings.ROOT_URLCONF = "tests.core.urls_for_tests"


@pytest.fixture
def stranger() -> Client:
    """A client that isn't a browser with a form of ours: it has no CSRF token, as no client of the API has."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def user(db) -> User:
    return User.objects.create_user(email="ann@example.com", username="ann")


def assert_is_error(response: Any, status: int, code: str) -> dict[str, Any]:
    """The one shape of errors, whole; returns the body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert body["success"] is False
    assert body["code"] == code
    assert isinstance(body["error"], str)
    assert body["error"]
    allowed = {"success", "error", "code"}
    allowed |= {"details"} if code == "validation_error" else set()
    allowed |= {"requestId"} if status == 500 else set()
    assert set(body) == allowed
    assert response["X-Request-ID"]
    return body
