"""POST /api/v1/auth/password/change."""

import pytest

from accounts import services
from accounts.tokens import AccessToken
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    SOMEWHERE,
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


def sessions(stranger, access):
    return success(stranger.get(f"{AUTH}/sessions", headers=bearer(access)))["sessions"]


def test_all_devices_are_signed_out_but_this_one(stranger, ann, now):
    phone = services.log_in(email="ann@example.com", password=PASSWORD, client=SOMEWHERE, now=now)
    body = success(change(stranger, ann))
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": phone.tokens.refresh}), 401, "invalid_refresh_token")
    refusal(stranger.get(f"{AUTH}/me", headers=bearer(phone)), 401, "invalid_token")
    assert len(sessions(stranger, ann)) == 1
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}))


def test_this_session_goes_on_as_after_a_refresh(stranger, ann):
    (before,) = sessions(stranger, ann)
    body = success(change(stranger, ann))
    (after,) = sessions(stranger, body["accessToken"])
    assert (after["id"], after["createdAt"], after["current"]) == (before["id"], before["createdAt"], True)
    # A client that lost the response goes on with what it has.
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}))
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}), 401, "invalid_refresh_token")


def test_with_a_token_of_no_session_a_new_one_begins_and_all_others_end(stranger, ann):
    """One from before sessions were named."""
    token = AccessToken(ann.tokens.access)
    del token.payload["sid"]
    body = success(change(stranger, str(token)))
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    assert [session["current"] for session in sessions(stranger, body["accessToken"])] == [True]


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
