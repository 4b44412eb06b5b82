"""POST /api/v1/auth/password/change."""

import pytest

from accounts import services
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    bearer,
    everything,
    faults,
    live_tokens,
    refusal,
    send,
    sign_up,
    success,
)

pytestmark = pytest.mark.django_db
CHANGE = f"{AUTH}/password/change"
NEW = "staple paper clip 9"


@pytest.fixture
def ann():
    return sign_up("ann")


def change(http, who, current=PASSWORD, new=NEW):
    return send(http, CHANGE, {"currentPassword": current, "newPassword": new}, **(bearer(who) if who else {}))


def test_the_new_password_replaces_the_old_one(stranger, ann):
    success(change(stranger, ann))
    login = {"email": "ann@example.com", "password": PASSWORD}
    refusal(send(stranger, f"{AUTH}/login", login), 401, "invalid_credentials")
    success(send(stranger, f"{AUTH}/login", login | {"password": NEW}))


def test_all_devices_are_signed_out_but_this_one(stranger, ann):
    body = success(change(stranger, ann))
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    assert live_tokens(ann.user) == 1
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}))


def test_the_current_password_is_needed(stranger, ann):
    stranger.get(f"{AUTH}/me", headers=bearer(ann))
    before = everything()
    refusal(change(stranger, ann, current="not the password"), 400, "wrong_password")
    refusal(change(stranger, None), 401, "not_authenticated")
    assert everything() == before


def test_a_weak_password_is_refused_and_nothing_changes(stranger, ann):
    stranger.get(f"{AUTH}/me", headers=bearer(ann))
    before = everything()
    assert faults(change(stranger, ann, new="ann@example.com")) == {"newPassword": "password_too_similar"}
    assert faults(change(stranger, ann, new="")) == {"newPassword": "blank"}
    assert everything() == before


def test_others_keep_their_password_and_their_sign_in(stranger, ann):
    bob = sign_up("bob")
    success(change(stranger, ann))
    assert live_tokens(bob.user) == 1
    success(send(stranger, f"{AUTH}/login", {"email": "bob@example.com", "password": PASSWORD}))


def test_a_user_without_a_password_cannot_set_one(stranger, now):
    demo = services.create_demo_user(now=now)
    refusal(change(stranger, demo, current="!"), 400, "wrong_password")
