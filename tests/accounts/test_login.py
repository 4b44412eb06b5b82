"""POST /api/v1/auth/login."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password

from accounts import services
from accounts.models import RefreshToken, User
from tests.accounts.factories import (
    AUTH,
    ME_FIELDS,
    PASSWORD,
    everything,
    faults,
    refusal,
    send,
    sign_up,
    success,
    suspend,
)

pytestmark = pytest.mark.django_db
LOGIN = f"{AUTH}/login"


def credentials(email="ann@example.com", password=PASSWORD, **more):
    return {"email": email, "password": password, **more}


@pytest.fixture
def ann():
    return sign_up("ann", now=datetime.now(UTC) - timedelta(days=1)).user


def test_the_right_password_signs_in(stranger, ann):
    body = success(send(stranger, LOGIN, credentials()))
    assert set(body) == {"success", "user", "accessToken", "refreshToken", "restored"}
    assert body["restored"] is False
    assert set(body["user"]) == ME_FIELDS
    assert body["user"]["id"] == str(ann.pk)
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}))


@pytest.mark.parametrize("email", ["ANN@example.com", " ann@EXAMPLE.com "])
def test_the_email_is_known_in_any_case(stranger, ann, email):
    success(send(stranger, LOGIN, credentials(email)))


def test_signing_in_is_remembered(stranger, ann):
    before = ann.last_login_at
    body = success(send(stranger, LOGIN, credentials(), **{"User-Agent": "Mozilla/5.0"}))
    ann.refresh_from_db()
    assert ann.last_login_at > before
    assert datetime.fromisoformat(body["user"]["lastLoginAt"]) - ann.last_login_at < timedelta(milliseconds=1)
    newest = RefreshToken.objects.order_by("created_at").last()
    assert (newest.user_agent, newest.ip) == ("Mozilla/5.0", "127.0.0.1")


def test_two_sign_ins_do_not_know_each_other(stranger, ann):
    one, two = (success(send(stranger, LOGIN, credentials()))["refreshToken"] for _ in range(2))
    success(send(stranger, f"{AUTH}/logout", {"refreshToken": one}))
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": two}))


@pytest.mark.parametrize(
    "wrong",
    [
        credentials(password="not the password"),
        credentials(password=PASSWORD.upper()),
        credentials("nobody@example.com"),
        credentials("no e-mail at all"),
        credentials("ann"),
        credentials("%"),
    ],
)
def test_every_bad_login_is_refused_with_the_same_message(stranger, ann, wrong):
    before = everything()
    body = refusal(send(stranger, LOGIN, wrong), 401, "invalid_credentials")
    assert body["error"] == "Invalid email or password"
    assert everything() == before


def test_nobody_signs_in_to_an_account_without_a_password(stranger, now):
    made = services.create_demo_user(now=now).user
    for password in (PASSWORD, "!", made.password):
        refusal(send(stranger, LOGIN, credentials(made.email, password)), 401, "invalid_credentials")


def test_a_suspended_user_is_told_so_after_the_right_password_only(stranger, ann, now):
    suspend(ann, now=now)
    before = everything()
    refusal(send(stranger, LOGIN, credentials(password="not the password")), 401, "invalid_credentials")
    refusal(send(stranger, LOGIN, credentials()), 403, "account_suspended")
    assert everything() == before


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize(
    ("value", "code"), [(None, "null"), ("", "blank"), (7, "invalid"), ({}, "invalid"), ("x" * 255, "max_length")]
)
def test_bad_input_is_named(stranger, field, value, code):
    assert faults(send(stranger, LOGIN, credentials(**{field: value}))) == {field: code}


def test_a_missing_field_is_named_in_the_error(stranger):
    assert faults(send(stranger, LOGIN, {})) == {"email": "required", "password": "required"}


def test_an_old_hash_becomes_a_new_one_when_its_owner_signs_in(stranger, ann, settings):
    settings.PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    kept = RefreshToken.objects.filter(revoked_at=None).count()
    success(send(stranger, LOGIN, credentials()))
    assert User.objects.get().password.startswith("argon2$argon2id$")
    assert RefreshToken.objects.filter(revoked_at=None).count() == kept + 1, "a new hash is no new password"
    success(send(stranger, LOGIN, credentials()))
