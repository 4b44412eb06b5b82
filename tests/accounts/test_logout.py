"""POST /api/v1/auth/logout."""

import pytest

from tests.accounts.factories import AUTH, everything, live_tokens, refresh, refusal, send, sign_up, success

pytestmark = pytest.mark.django_db
LOGOUT = f"{AUTH}/logout"


@pytest.fixture
def ann():
    return sign_up("ann")


def tokens_of_a_while(ann):
    tokens = [ann.tokens.refresh]
    for _ in range(2):
        tokens.append(refresh(tokens[-1]).refresh)
    return tokens


def test_logging_out_ends_the_token(stranger, ann):
    body = success(send(stranger, LOGOUT, {"refreshToken": ann.tokens.refresh}))
    assert body == {"success": True, "message": "Logged out successfully"}
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_logging_out_with_any_token_of_a_sign_in_ends_all_of_them(stranger, ann, which):
    tokens = tokens_of_a_while(ann)
    success(send(stranger, LOGOUT, {"refreshToken": tokens[which]}))
    assert live_tokens(ann.user) == 0
    for token in tokens:
        refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": token}), 401, "invalid_refresh_token")


def test_logging_out_twice_is_fine_and_changes_nothing(stranger, ann):
    success(send(stranger, LOGOUT, {"refreshToken": ann.tokens.refresh}))
    before = everything()
    success(send(stranger, LOGOUT, {"refreshToken": ann.tokens.refresh}))
    assert everything() == before


@pytest.mark.parametrize(
    "body", [{"refreshToken": "unknown"}, {"refreshToken": "\u00e4"}, {"refreshToken": ""}, {"refreshToken": None}, {}]
)
def test_there_need_be_no_such_token(stranger, ann, body):
    before = everything()
    assert success(send(stranger, LOGOUT, body))["message"] == "Logged out successfully"
    assert everything() == before


def test_values_that_are_not_text_are_refused(stranger):
    refusal(send(stranger, LOGOUT, {"refreshToken": 7}), 400, "validation_error")


def test_an_expired_access_token_does_not_keep_anybody_from_logging_out(stranger, ann):
    success(send(stranger, LOGOUT, {"refreshToken": ann.tokens.refresh}, Authorization="Bearer expired"))
    assert live_tokens(ann.user) == 0


def test_other_users_stay_signed_in(stranger, ann):
    bob = sign_up("bob")
    success(send(stranger, LOGOUT, {"refreshToken": ann.tokens.refresh}))
    assert live_tokens(bob.user) == 1
