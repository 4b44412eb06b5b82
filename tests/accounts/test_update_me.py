"""PATCH /api/v1/users/me."""

import pytest

from accounts.models import User
from tests.accounts.factories import (
    PUBLIC_FIELDS,
    USERS,
    bearer,
    everything,
    faults,
    refusal,
    send,
    sign_up,
    success,
    suspend,
)

pytestmark = pytest.mark.django_db
ME = f"{USERS}/me"
NEW = {"name": "Ann B.", "username": "ann_b", "avatarUrl": "https://img.example/a.png?s=1", "bio": "Line one\nline two"}


@pytest.fixture
def ann():
    return sign_up("ann")


def patch(http, who, body):
    return send(http, ME, body, method="PATCH", **(bearer(who) if who else {}))


def test_users_change_their_profile(stranger, ann):
    user = success(patch(stranger, ann, NEW))["user"]
    assert set(user) == PUBLIC_FIELDS
    assert {field: user[field] for field in NEW} == NEW
    shown = success(stranger.get(f"{USERS}/{ann.user.pk}"))["user"]
    assert shown == user


@pytest.mark.parametrize("field", NEW)
def test_what_is_not_sent_stays(stranger, ann, field):
    before = success(stranger.get(f"{USERS}/{ann.user.pk}"))["user"]
    after = success(patch(stranger, ann, {field: NEW[field]}))["user"]
    assert after == before | {field: NEW[field]}


def test_an_empty_change_changes_nothing(stranger, ann):
    success(patch(stranger, ann, NEW))
    assert success(patch(stranger, ann, {}))["user"]["name"] == NEW["name"]


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("field", ["avatarUrl", "bio"])
def test_a_picture_and_a_bio_can_be_taken_away(stranger, ann, field, empty):
    patch(stranger, ann, NEW)
    assert success(patch(stranger, ann, {field: empty}))["user"][field] is None


def test_one_may_change_the_case_of_ones_own_username(stranger, ann):
    assert success(patch(stranger, ann, {"username": "ANN"}))["user"]["username"] == "ANN"


@pytest.mark.parametrize("username", ["bob", "BOB"])
def test_a_taken_username_is_refused_and_nothing_changes(stranger, ann, username):
    sign_up("bob")
    patch(stranger, ann, {})
    before = everything()
    body = refusal(patch(stranger, ann, {"username": username, "name": "Bob"}), 409, "username_taken")
    assert body["error"] == "Username already taken"
    assert everything() == before


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("username", "ab", "min_length"),
        ("username", "a" * 51, "max_length"),
        ("username", "\u0430nn", "invalid_username"),
        ("username", None, "null"),
        ("name", "", "blank"),
        ("name", "x" * 101, "max_length"),
        ("name", "a\u202eb", "direction"),
        ("bio", "x" * 281, "max_length"),
        ("bio", "a\u2067b", "direction"),
        ("bio", 7, "invalid"),
        ("avatarUrl", "http://img.example/a.png", "invalid"),
        ("avatarUrl", "javascript:alert(1)", "invalid"),
        ("avatarUrl", "data:image/png;base64,AAAA", "invalid"),
        ("avatarUrl", "https://", "invalid"),
        ("avatarUrl", "//img.example/a.png", "invalid"),
        ("avatarUrl", "https://img.example/a b.png", "invalid"),
        ("avatarUrl", "https://img.example/" + "a" * 500, "max_length"),
    ],
)
def test_bad_input_is_named_and_nothing_changes(stranger, ann, field, value, code):
    patch(stranger, ann, {})
    before = everything()
    assert faults(patch(stranger, ann, {field: value, "bio" if field != "bio" else "name": "fine"})) == {field: code}
    assert everything() == before


def test_a_bio_of_280_characters_is_fine_with_its_line_breaks(stranger, ann):
    assert success(patch(stranger, ann, {"bio": "\n".join(["x" * 9] * 28) + "\r\n\u0000"}))["user"]["bio"] == "\n".join(
        ["x" * 9] * 28
    )


def test_only_who_is_signed_in_has_a_profile_to_change(stranger, ann):
    before = everything()
    refusal(patch(stranger, None, NEW), 401, "not_authenticated")
    refusal(patch(stranger, "nonsense", NEW), 401, "invalid_token")
    assert everything() == before


def test_others_are_not_changed(stranger, ann):
    bob = sign_up("bob").user
    patch(stranger, ann, NEW | {"id": str(bob.pk)})
    assert User.objects.get(pk=bob.pk).name == "Bob"
    refusal(send(stranger, f"{USERS}/{bob.pk}", NEW, method="PATCH", **bearer(ann)), 405, "method_not_allowed")


def test_a_suspended_user_changes_nothing(stranger, ann, now):
    suspend(ann.user, now=now)
    before = everything()
    refusal(patch(stranger, ann, NEW), 403, "account_suspended")
    assert everything() == before
