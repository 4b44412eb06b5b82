"""Who may see what a view guards: `Authorization: Bearer <accessToken>`."""

import base64
import json
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.core.conftest import assert_is_error

pytestmark = [pytest.mark.usefixtures("test_views"), pytest.mark.django_db]
KEY = django_settings.SIMPLE_JWT["SIGNING_KEY"]


def claims(user, **changed):
    now = timezone.now()
    made = {
        "token_type": "access",
        "exp": now + timedelta(minutes=5),
        "iat": now,
        "jti": uuid4().hex,
        "userId": str(user.pk),
    }
    return {name: value for name, value in (made | changed).items() if value is not None}


def jwt_of(payload):
    """A token as whoever has the key could make it: the library refuses to write most of what is no time."""
    payload = payload | {"iat": 0}
    return jwt.api_jws.encode(json.dumps(payload, default=str).encode(), KEY, "HS256")


def unsigned(payload):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value, default=str).encode()).rstrip(b"=").decode()

    header = {"alg": "none", "typ": "JWT"}
    return f"{part(header)}.{part(payload | {'exp': 4_102_444_800, 'iat': 0})}."


BAD = {
    "garbage": lambda user: "garbage",
    "three empty parts": lambda user: "..",
    "not ASCII": lambda user: "é",
    "two words": lambda user: "one two",
    "expired": lambda user: jwt.encode(claims(user, exp=timezone.now() - timedelta(seconds=1)), KEY, "HS256"),
    **{
        f"whose end is {end!r:.20}": lambda user, end=end: jwt_of(claims(user) | {"exp": end})
        for end in ("soon", "", [1], {}, True, 1e308, -1e308, 10**400, 10**18, -1, 1.5e300)
    },
    "without an end": lambda user: jwt.encode(claims(user, exp=None), KEY, "HS256"),
    "signed with another key": lambda user: jwt.encode(
        claims(user), "another key of more than thirty-two bytes", "HS256"
    ),
    "signed with another algorithm": lambda user: jwt.encode(claims(user), KEY * 2, "HS512"),
    "unsigned": lambda user: unsigned(claims(user)),
    "changed after signing": lambda user: forged(str(AccessToken.for_user(user))),
    "a refresh token": lambda user: str(RefreshToken.for_user(user)),
    "without a user": lambda user: jwt.encode(claims(user, userId=None), KEY, "HS256"),
    "of sessions that have ended": lambda user: jwt.encode(claims(user, sessionsEnded=-1), KEY, "HS256"),
    "of sessions to come": lambda user: jwt.encode(claims(user, sessionsEnded=1), KEY, "HS256"),
    "of a user who is gone": lambda user: jwt.encode(claims(user, userId=str(uuid4())), KEY, "HS256"),
}


def forged(token):
    head, payload, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"userId": str(uuid4())}
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b'=').decode()}.{signature}"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_good_token_names_the_current_user(stranger, user):
    response = stranger.get("/tests/mine", headers=bearer(AccessToken.for_user(user)))
    assert response.status_code == 200
    assert response.json() == {"userId": str(user.pk)}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}, {"Authorization": "Token x"}]
)
def test_no_token_is_unauthorized(stranger, headers):
    response = stranger.get("/tests/mine", headers=headers)
    assert_is_error(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_unauthorized_and_not_a_failure_of_ours(stranger, user, kind):
    response = stranger.get("/tests/mine", headers=bearer(BAD[kind](user)))
    assert_is_error(response, 401, "invalid_token")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("kind", BAD)
def test_a_public_endpoint_ignores_a_bad_token(stranger, user, kind):
    response = stranger.get("/tests/anyone", headers=bearer(BAD[kind](user)))
    assert response.status_code == 200
    assert response.json() == {"userId": None}


def test_a_public_endpoint_knows_the_current_user(stranger, user):
    response = stranger.get("/tests/anyone", headers=bearer(AccessToken.for_user(user)))
    assert response.json() == {"userId": str(user.pk)}


def test_a_suspended_user_is_not_let_in(stranger, user):
    user.is_active = False
    user.save()
    token = AccessToken.for_user(user)
    assert stranger.get("/tests/mine", headers=bearer(token)).status_code in (401, 403)
    assert stranger.get("/tests/anyone", headers=bearer(token)).json() == {"userId": None}


def test_a_session_of_the_admin_opens_nothing_of_the_api(stranger, user):
    stranger.force_login(user)
    assert_is_error(stranger.get("/tests/mine"), 401, "not_authenticated")
