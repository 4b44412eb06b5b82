"""GET /api/v1/users/{userId}."""

from uuid import uuid4

import pytest

from tests.accounts.factories import MONEY_FIELDS, PUBLIC_FIELDS, TIME, USERS, bearer, refusal, sign_up, success

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return sign_up("ann").user


def test_anybody_may_see_a_user_but_not_the_email(stranger, ann):
    response = stranger.get(f"{USERS}/{ann.pk}")
    user = success(response)["user"]
    assert set(user) == PUBLIC_FIELDS
    assert (user["id"], user["username"], user["name"]) == (str(ann.pk), "ann", "Ann")
    assert TIME.fullmatch(user["createdAt"])
    assert all(not isinstance(user[field], str) for field in MONEY_FIELDS)
    assert b"@" not in response.content


def test_an_id_may_be_in_upper_case(stranger, ann):
    success(stranger.get(f"{USERS}/{str(ann.pk).upper()}"))


def test_a_copy_that_still_holds_is_not_sent_again(stranger, ann):
    response = stranger.get(f"{USERS}/{ann.pk}")
    assert response["Cache-Control"].startswith("public, max-age=")
    again = stranger.get(f"{USERS}/{ann.pk}", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "user_id", ["1", "ann", "not-a-uuid", "{0}", "urn:uuid:{0}", "%7B{0}%7D", "{0}0", "%00", "0" * 32, "é", "'--"]
)
def test_an_id_that_is_not_a_uuid_is_a_bad_request(stranger, ann, user_id):
    asked = user_id.format(ann.pk.hex)
    body = refusal(stranger.get(f"{USERS}/{asked}"), 400, "invalid_id")
    assert "uuid" not in body["error"].lower()


def test_an_unknown_user_is_not_found(stranger):
    refusal(stranger.get(f"{USERS}/{uuid4()}"), 404, "not_found")


def test_a_bad_token_makes_no_difference(stranger, ann):
    success(stranger.get(f"{USERS}/{ann.pk}", headers=bearer("nonsense")))


def test_a_profile_takes_two_queries(stranger, ann, django_assert_num_queries):
    with django_assert_num_queries(2):
        success(stranger.get(f"{USERS}/{ann.pk}"))
