"""POST /api/v1/auth/refresh: the rotation of refresh tokens."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from accounts import services
from accounts.models import RefreshToken, User
from tests.accounts.factories import (
    AUTH,
    SOMEWHERE,
    bearer,
    everything,
    faults,
    leaver,
    live_tokens,
    refresh,
    refusal,
    restore,
    send,
    sign_up,
    stored,
    success,
    suspend,
)
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
REFRESH = f"{AUTH}/refresh"
Reason = RefreshToken.Reason


@pytest.fixture
def ann():
    return sign_up("ann")


@pytest.fixture
def rotated(stranger):
    """Refreshes over HTTP, and returns the new refresh token."""

    def over_http(token):
        return success(send(stranger, REFRESH, {"refreshToken": token}))["refreshToken"]

    return over_http


def test_a_refresh_gives_new_tokens_that_work(stranger, ann):
    response = send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh})
    body = success(response)
    assert set(body) == {"success", "accessToken", "refreshToken"}
    assert body["refreshToken"] != ann.tokens.refresh
    assert response["Cache-Control"] == "no-store"
    me = success(stranger.get(f"{AUTH}/me", headers=bearer(body["accessToken"])))
    assert me["user"]["id"] == str(ann.user.pk)


def test_the_new_token_knows_its_family_its_parent_and_where_it_was_issued(stranger, ann):
    new = success(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}, **{"User-Agent": "x" * 300}))[
        "refreshToken"
    ]
    old, new = stored(ann.tokens.refresh), stored(new)
    assert (new.family, new.parent_id) == (old.family, old.pk)
    assert (new.user_agent, new.ip) == ("x" * 200, "127.0.0.1")
    assert new.first_used_at is None
    assert old.first_used_at is not None


def test_lifetimes_are_as_configured(ann, settings, now):
    settings.REFRESH_TOKEN_LIFETIME = timedelta(days=3)
    pair = refresh(ann.tokens.refresh, now=now)
    assert stored(pair.refresh).expires_at == now + timedelta(days=3)
    claims = jwt.decode(pair.access, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert claims["userId"] == str(ann.user.pk)
    assert jwt.get_unverified_header(pair.access)["alg"] == "HS256"


def test_a_client_that_lost_the_response_goes_on_with_the_old_token(rotated, ann):
    for _ in range(5):
        latest = rotated(ann.tokens.refresh)
    rotated(latest)


def test_an_unused_successor_is_replaced(stranger, rotated, ann):
    lost = rotated(ann.tokens.refresh)
    kept = rotated(ann.tokens.refresh)
    assert stored(lost).revoked_reason == Reason.REPLACED
    refusal(send(stranger, REFRESH, {"refreshToken": lost}), 401, "invalid_refresh_token")
    rotated(kept)


def test_an_old_token_that_comes_back_after_its_successor_was_used_revokes_all_of_the_family(stranger, rotated, ann):
    first = ann.tokens.refresh
    second = rotated(first)
    third = rotated(second)
    refusal(send(stranger, REFRESH, {"refreshToken": first}), 401, "token_reused")
    assert live_tokens(ann.user) == 0
    assert stored(third).revoked_reason == Reason.REUSED
    for token in (first, second, third):
        refusal(send(stranger, REFRESH, {"refreshToken": token}), 401, "invalid_refresh_token")


def test_the_token_before_the_latest_stays_good_while_the_latest_is_unused(rotated, ann):
    second = rotated(ann.tokens.refresh)
    third = rotated(second)
    third_again = rotated(second)
    assert stored(third).revoked_reason == Reason.REPLACED
    rotated(third_again)


def test_a_grandparent_that_comes_back_revokes_the_family_too(stranger, ann, rotated):
    tokens = [ann.tokens.refresh]
    for _ in range(4):
        tokens.append(rotated(tokens[-1]))
    refusal(send(stranger, REFRESH, {"refreshToken": tokens[1]}), 401, "token_reused")
    assert live_tokens(ann.user) == 0


def test_a_replaced_token_that_comes_back_while_another_holds_its_place_revokes_the_family(stranger, ann, rotated):
    """The first token was stolen before its successor was used: the thief goes on, until its owner comes back."""
    owners = rotated(ann.tokens.refresh)
    thiefs = rotated(ann.tokens.refresh)
    thiefs_next = rotated(thiefs)
    refusal(send(stranger, REFRESH, {"refreshToken": owners}), 401, "token_reused")
    refusal(send(stranger, REFRESH, {"refreshToken": thiefs_next}), 401, "invalid_refresh_token")


def test_other_sign_ins_of_the_user_outlive_a_revoked_family(ann, stranger, rotated, now):
    other = services.log_in(email=ann.user.email, password="correct horse battery", client=SOMEWHERE, now=now)
    rotated(rotated(ann.tokens.refresh))
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 401, "token_reused")
    rotated(other.tokens.refresh)


def test_a_token_is_good_until_the_moment_at_which_it_expires(ann, now):
    token = stored(ann.tokens.refresh)
    pair = refresh(ann.tokens.refresh, now=token.expires_at - timedelta(microseconds=1))
    with pytest.raises(services.DomainError, match="Invalid or expired refresh token"):
        refresh(ann.tokens.refresh, now=token.expires_at)
    refresh(pair.refresh, now=token.expires_at)


def test_an_expired_token_is_refused(stranger):
    long_ago = sign_up("ann", now=datetime.now(UTC) - timedelta(days=7, seconds=1))
    before = everything()
    body = refusal(send(stranger, REFRESH, {"refreshToken": long_ago.tokens.refresh}), 401, "invalid_refresh_token")
    assert body["error"] == "Invalid or expired refresh token"
    assert everything() == before


@pytest.mark.parametrize(
    "token", ["x", "a" * 43, "ä", "\u0000", "' OR 1=1 --", "x" * 60_000, "eyJhbGciOiJIUzI1NiJ9.e30.x"]
)
def test_an_unknown_token_is_refused(stranger, ann, token):
    before = everything()
    response = send(stranger, REFRESH, {"refreshToken": token})
    assert response.status_code in (400, 401), response.content
    assert everything() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"refreshToken": None}, "null"),
        ({"refreshToken": ""}, "blank"),
        ({"refreshToken": 7}, "invalid"),
        ({"refreshToken": ["x"]}, "invalid"),
    ],
)
def test_a_missing_token_is_a_bad_request(stranger, body, code):
    assert faults(send(stranger, REFRESH, body)) == {"refreshToken": code}


def test_an_expired_access_token_does_not_keep_a_client_from_refreshing(stranger, ann):
    success(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}, Authorization="Bearer expired"))


def test_a_suspended_user_gets_no_new_tokens(stranger, ann, now):
    suspend(ann.user, now=now)
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    restore(ann.user, now=now)
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")


def test_a_suspended_user_gets_none_either_with_a_token_that_nobody_revoked(stranger, ann):
    """Services that suspend revoke the tokens, too; whoever else sets the column need not."""
    User.objects.filter(pk=ann.user.pk).update(is_active=False)
    before = everything()
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 403, "account_suspended")
    assert everything() == before


def test_a_deleted_user_gets_no_new_tokens(stranger):
    gone = leaver()
    with as_owner():
        gone.user.delete()
    refusal(send(stranger, REFRESH, {"refreshToken": gone.tokens.refresh}), 401, "invalid_refresh_token")
    assert RefreshToken.objects.count() == 0


def test_refreshing_takes_a_few_indexed_statements_however_long_the_family(ann, django_assert_max_num_queries):
    token = ann.tokens.refresh
    for _ in range(20):
        token = refresh(token).refresh
    with django_assert_max_num_queries(8):
        refresh(token)
