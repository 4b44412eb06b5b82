"""POST /api/v1/auth/signup."""

import pytest
from django.contrib.auth.hashers import identify_hasher

from accounts.models import RefreshToken, User
from tests.accounts.factories import (
    AUTH,
    ME_FIELDS,
    PASSWORD,
    TIME,
    everything,
    faults,
    form,
    refusal,
    send,
    sign_up,
    success,
)

pytestmark = pytest.mark.django_db
SIGNUP = f"{AUTH}/signup"


def test_who_signs_up_is_a_user_and_signed_in(stranger):
    body = success(send(stranger, SIGNUP, form()), 201)
    assert set(body) == {"success", "user", "accessToken", "refreshToken", "restored"}
    assert body["restored"] is False
    assert set(body["user"]) == ME_FIELDS
    user = User.objects.get()
    assert body["user"]["id"] == str(user.pk)
    assert (user.username, user.email, user.name) == ("ann", "ann@example.com", "Ann Example")
    me = success(stranger.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {body['accessToken']}"}))
    assert me["user"] == body["user"]
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}))


def test_the_new_user_is_told_numbers_and_times_as_the_contract_has_them(stranger):
    user = success(send(stranger, SIGNUP, form()), 201)["user"]
    assert all(
        not isinstance(user[field], str)
        for field in user
        if "Credits" in field or field in ("totalVolume", "overallPnL")
    )
    assert TIME.fullmatch(user["createdAt"])
    assert TIME.fullmatch(user["lastLoginAt"])
    assert (
        user["lastDailyRewardAt"]
        is user["rankByPnL"]
        is user["rankByVolume"]
        is user["avatarUrl"]
        is user["bio"]
        is None
    )
    assert user["overallPnL"] == user["referralCount"] == 0


def test_the_password_is_kept_as_an_argon2_hash(stranger, settings):
    settings.PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher"]
    send(stranger, SIGNUP, form())
    user = User.objects.get()
    assert identify_hasher(user.password).algorithm == "argon2"
    assert PASSWORD not in user.password
    assert user.check_password(PASSWORD)


def test_responses_that_hold_tokens_are_kept_by_no_cache(stranger):
    assert send(stranger, SIGNUP, form())["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [SIGNUP, f"{SIGNUP}/"])
def test_a_slash_at_the_end_makes_no_difference(stranger, path):
    success(send(stranger, path, form()), 201)


def test_the_email_is_trimmed_and_its_domain_in_lower_case(stranger):
    assert (
        success(send(stranger, SIGNUP, form(email=" Ann.B@EXAMPLE.Com ")), 201)["user"]["email"] == "Ann.B@example.com"
    )


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@EXAMPLE.COM", " ann@Example.com"])
def test_an_email_is_taken_in_any_case(stranger, email):
    sign_up("ann")
    before = everything()
    body = refusal(send(stranger, SIGNUP, form("other", email=email)), 409, "email_taken")
    assert body["error"] == "Email already registered"
    assert everything() == before


@pytest.mark.parametrize("username", ["ann", "ANN", "aNn"])
def test_a_username_is_taken_in_any_case(stranger, username):
    sign_up("ann")
    before = everything()
    body = refusal(send(stranger, SIGNUP, form(username, email="other@example.com")), 409, "username_taken")
    assert body["error"] == "Username already taken"
    assert everything() == before


def test_a_referral_code_counts_in_any_case(stranger):
    referrer = sign_up("ann").user
    success(
        send(
            stranger, SIGNUP, form("bob", email="bob@example.com", referralCode=f" {referrer.referral_code.lower()} ")
        ),
        201,
    )
    referrer.refresh_from_db()
    assert referrer.referral_count == 1
    assert User.objects.get(username="bob").referred_by == referrer


@pytest.mark.parametrize("code", ["", None, "  ", ...])
def test_no_referral_code_is_fine(stranger, code):
    success(send(stranger, SIGNUP, form(referralCode=code)), 201)
    assert User.objects.get().referred_by is None


@pytest.mark.parametrize(
    "code", ["AAAAAAAA", "nonsense", "'; DROP TABLE users; --", "\uff41\uff42\uff43\uff44\uff45\uff46\uff47\uff48"]
)
def test_an_unknown_referral_code_is_refused_and_nobody_is_made(stranger, code):
    body = refusal(send(stranger, SIGNUP, form(referralCode=code)), 400, "invalid_referral_code")
    assert body["error"] == "Invalid referral code"
    assert everything() == ([], [])


@pytest.mark.parametrize("field", ["username", "email", "password", "name"])
@pytest.mark.parametrize(
    ("value", "code"),
    [(..., "required"), (None, "null"), ("", "blank"), (7, "invalid"), (["x"], "invalid"), (True, "invalid")],
)
def test_fields_that_are_missing_or_not_text_are_named(stranger, field, value, code):
    assert faults(send(stranger, SIGNUP, form(**{field: value}))) == {field: code}
    assert everything() == ([], [])


def test_every_wrong_field_is_named_at_once(stranger):
    assert faults(send(stranger, SIGNUP, {"username": "a b", "email": "nobody"})).keys() == {
        "username",
        "email",
        "password",
        "name",
    }


@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("ab", "min_length"),
        ("a" * 51, "max_length"),
        ("a b", "invalid_username"),
        ("ann-b", "invalid_username"),
        ("ann\nb", "invalid_username"),
        ("änn", "invalid_username"),
        ("ann\u0000", "null_characters_not_allowed"),
    ],
)
def test_a_username_is_three_to_fifty_letters_digits_and_underscores(stranger, username, code):
    assert faults(send(stranger, SIGNUP, form(username=username, email="ann@example.com"))) == {"username": code}
    assert everything() == ([], [])


@pytest.mark.parametrize("username", ["abc", "A_1", "___", "a" * 50])
def test_usernames_at_the_bounds_are_fine(stranger, username):
    assert success(send(stranger, SIGNUP, form(username, email="ann@example.com")), 201)["user"]["username"] == username


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("tr41n!", "password_too_short"),
        ("password1", "password_too_common"),
        ("8412907356", "password_entirely_numeric"),
        ("ann_example", "password_too_similar"),
        ("x" * 129, "max_length"),
        ("1234", "password_too_short"),
    ],
)
def test_a_weak_password_is_refused_with_the_reasons(stranger, password, code):
    response = send(stranger, SIGNUP, form(username="ann_example", password=password))
    assert faults(response) == {"password": code}
    assert password.encode() not in response.content
    assert everything() == ([], [])


def test_all_reasons_against_a_password_are_told_in_one_entry(stranger):
    (detail,) = refusal(send(stranger, SIGNUP, form(password="1234")), 400, "validation_error")["details"]
    for reason in ("too short", "too common", "entirely numeric"):
        assert reason in detail["message"]


def test_spaces_of_a_password_count(stranger):
    success(send(stranger, SIGNUP, form(password="  a long way home  ")), 201)
    login = {"email": "ann@example.com", "password": "a long way home"}
    refusal(send(stranger, f"{AUTH}/login", login), 401, "invalid_credentials")
    success(send(stranger, f"{AUTH}/login", login | {"password": "  a long way home  "}))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (" Ann \u0000\u0007 Example\n", "Ann Example"),
        ("Zoë", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("安", "安"),
        ("👩\u200d👩", "👩\u200d👩"),
    ],
)
def test_a_name_keeps_its_letters_and_loses_control_characters(stranger, name, kept):
    assert success(send(stranger, SIGNUP, form(name=name)), 201)["user"]["name"] == kept


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x" * 101, "max_length"),
        ("ann\u202egnp.exe", "direction"),
        ("\u2066ann", "direction"),
        ("\u200b", "invisible"),
        ("\u3164", "invisible"),
        ("\u0007", "blank"),
    ],
)
def test_a_name_that_deceives_is_refused(stranger, name, code):
    assert faults(send(stranger, SIGNUP, form(name=name))) == {"name": code}


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_a_body_that_is_not_an_object_is_refused(stranger, body):
    assert send(stranger, SIGNUP, body).status_code == 400
    assert everything() == ([], [])


def test_a_body_that_is_not_json_is_refused(stranger):
    refusal(stranger.post(SIGNUP, "{", content_type="application/json"), 400, "parse_error")
    refusal(
        stranger.post(SIGNUP, "a=b", content_type="application/x-www-form-urlencoded"), 415, "unsupported_media_type"
    )
    refusal(stranger.get(SIGNUP), 405, "method_not_allowed")


def test_a_bad_access_token_does_not_keep_anybody_from_signing_up(stranger):
    success(send(stranger, SIGNUP, form(), Authorization="Bearer nonsense"), 201)


def test_only_the_hash_of_the_refresh_token_is_kept(stranger):
    token = success(send(stranger, SIGNUP, form()), 201)["refreshToken"]
    row = RefreshToken.objects.values().get()
    assert len(token) == 43
    assert len(bytes(row["token_hash"])) == 32
    assert token not in str(row)


def test_a_weak_password_is_reported_together_with_the_other_fields_errors(stranger):
    body = {"username": "a!b", "email": "nowhere", "password": "12345", "name": ""}
    details = refusal(stranger.post(SIGNUP, body, content_type="application/json"), 400, "validation_error")["details"]
    assert [each["field"] for each in details] == ["username", "email", "name", "password"]
    assert details[-1]["code"] == "password_too_short"


def test_a_password_is_compared_with_names_that_are_wrong_themselves(stranger):
    body = {"username": "marmalade!", "email": "ann@example.com", "password": "marmalade!", "name": "Ann"}
    details = refusal(stranger.post(SIGNUP, body, content_type="application/json"), 400, "validation_error")["details"]
    assert {each["field"]: each["code"] for each in details} == {
        "username": "invalid_username",
        "password": "password_too_similar",
    }


def test_without_a_password_only_that_is_said_of_it(stranger):
    for sent in ({}, {"password": None}, {"password": 7}):
        body = {"username": "ann", "email": "ann@example.com", "name": "Ann", **sent}
        response = stranger.post(SIGNUP, body, content_type="application/json")
        assert [each["field"] for each in refusal(response, 400, "validation_error")["details"]] == ["password"]
