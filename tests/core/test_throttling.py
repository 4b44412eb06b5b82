"""A client that asks too often is told to wait; addresses can't be forged, and a user counts as one everywhere."""

from itertools import count

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from tests.core.conftest import assert_is_error

pytestmark = [pytest.mark.usefixtures("test_views"), pytest.mark.django_db]
numbers = count(1)


def asked(client, *, address="10.0.0.1", forwarded=None, user=None, times=1):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    if user:
        headers["Authorization"] = f"Bearer {AccessToken.for_user(user)}"
    for _ in range(times):
        response = client.get("/tests/rare", headers=headers, REMOTE_ADDR=address)
    return response


@pytest.fixture
def behind_proxies(settings):
    def behind(number):
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": number}

    return behind


def test_a_client_that_asks_too_often_is_told_how_long_to_wait(stranger):
    assert asked(stranger, times=2).status_code == 200
    response = asked(stranger)
    assert_is_error(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 60


def test_another_address_has_its_own_share(stranger):
    asked(stranger, times=3)
    assert asked(stranger, address="10.0.0.2").status_code == 200


def test_without_a_proxy_a_made_up_address_does_not_help(stranger):
    asked(stranger, times=2)
    assert asked(stranger, forwarded="1.2.3.4").status_code == 429
    assert asked(stranger, forwarded="1.2.3.5, 1.2.3.6").status_code == 429


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(stranger, behind_proxies):
    behind_proxies(1)
    asked(stranger, forwarded="1.1.1.1", times=2)
    assert asked(stranger, forwarded="9.9.9.9, 1.1.1.1").status_code == 429
    assert asked(stranger, forwarded="1.1.1.1, 2.2.2.2").status_code == 200


def test_a_user_counts_as_one_from_every_address(stranger, user):
    asked(stranger, user=user, times=2)
    assert asked(stranger, user=user, address="10.0.0.9").status_code == 429


def test_users_at_one_address_do_not_share(stranger, user):
    asked(stranger, user=user, times=3)
    other = User.objects.create_user(email="bob@example.com", username="bob")
    assert asked(stranger, user=other).status_code == 200
    assert asked(stranger).status_code == 200


def test_a_bad_token_counts_by_address(stranger):
    for _ in range(2):
        stranger.get(
            "/tests/rare", headers={"Authorization": f"Bearer made-up-{next(numbers)}"}, REMOTE_ADDR="10.0.0.1"
        )
    assert asked(stranger).status_code == 429


def test_throttling_can_be_switched_off(stranger, settings):
    settings.THROTTLE_ENABLED = False
    assert asked(stranger, times=5).status_code == 200


def limits(response, header="RateLimit"):
    return dict(item.split(";", 1) for item in response[header].split(", "))


def test_a_throttled_path_says_what_is_left(stranger):
    first = asked(stranger)
    assert first["RateLimit-Policy"] == '"tests";q=2;w=60'
    assert limits(first)['"tests"'].startswith("r=1;t=")
    assert limits(asked(stranger))['"tests"'].startswith("r=0;t=")
    refused = asked(stranger)
    assert (refused.status_code, refused["RateLimit-Policy"]) == (429, '"tests";q=2;w=60')
    assert limits(refused)['"tests"'] == f"r=0;t={refused['Retry-After']}"


def test_another_path_says_nothing_of_limits(stranger):
    response = stranger.get("/api/v1/markets")
    assert "RateLimit" not in response
    assert "RateLimit-Policy" not in response


def test_signing_in_tells_each_of_its_limits(stranger):
    body = {"email": "nobody@example.com", "password": "a long sentence"}
    response = stranger.post("/api/v1/auth/login", body, content_type="application/json")
    assert response.status_code == 401
    policy = '"login";q=60;w=60, "account";q=10;w=60, "account_total";q=100;w=3600'
    assert response["RateLimit-Policy"] == policy
    left = limits(response)
    assert [left[name].split(";")[0] for name in ('"login"', '"account"', '"account_total"')] == ["r=59", "r=9", "r=99"]
