"""GET /api/v1/auth/me, and what every request with an access token leaves behind."""

from datetime import timedelta

import pytest

from accounts import services, tokens
from accounts.models import User
from core.db.sql import new_id
from tests.accounts.factories import (
    AUTH,
    ME_FIELDS,
    PASSWORD,
    SOMEWHERE,
    TIME,
    bearer,
    leaver,
    refusal,
    restore,
    sign_up,
    success,
    suspend,
)
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
ME = f"{AUTH}/me"


@pytest.fixture
def ann():
    return sign_up("ann")


def test_users_see_themselves(stranger, ann):
    response = stranger.get(ME, headers=bearer(ann))
    user = success(response)["user"]
    assert set(user) == ME_FIELDS
    assert user["id"] == str(ann.user.pk)
    assert user["email"] == "ann@example.com"
    assert user["referralCode"] == ann.user.referral_code
    assert TIME.fullmatch(user["createdAt"])
    assert response["Cache-Control"] == "no-store"


def test_credits_are_numbers_exact_to_their_decimals(stranger, ann):
    User.objects.update(total_volume="12345678901234.56", overall_pnl="-0.10", referral_credits_earned="66.60")
    response = stranger.get(ME, headers=bearer(ann))
    for text in (b'"totalVolume":12345678901234.56', b'"overallPnL":-0.10', b'"referralCreditsEarned":66.60'):
        assert text in response.content
    user = success(response)["user"]
    assert user["availableCredits"] == user["creditBalance"]


def test_without_a_token_nobody_is_seen(stranger, ann):
    refusal(stranger.get(ME), 401, "not_authenticated")


def test_an_expired_token_is_refused_as_such_and_never_fails(stranger, ann, now):
    old = tokens.access_token(user_id=ann.user.pk, session_id=new_id(), now=now - timedelta(minutes=15, seconds=2))
    body = refusal(stranger.get(ME, headers=bearer(old)), 401, "invalid_token")
    assert body["error"] == "Invalid or expired access token"


def test_a_suspended_user_is_refused_though_the_token_is_good(stranger, ann, now):
    suspend(ann.user, now=now)
    refusal(stranger.get(ME, headers=bearer(ann)), 403, "account_suspended")
    restore(ann.user, now=now)
    refusal(stranger.get(ME, headers=bearer(ann)), 401, "invalid_token")
    again = services.log_in(email=ann.user.email, password=PASSWORD, client=SOMEWHERE, now=now)
    success(stranger.get(ME, headers=bearer(again)))


def test_a_deleted_user_is_refused_though_the_token_is_good(stranger):
    gone = leaver()
    with as_owner():
        gone.user.delete()
    refusal(stranger.get(ME, headers=bearer(gone)), 401, "invalid_token")


def test_a_request_is_remembered_as_activity(stranger, ann):
    User.objects.update(last_active_at=None)
    stranger.get(ME, headers=bearer(ann))
    ann.user.refresh_from_db()
    assert ann.user.last_active_at is not None


def test_activity_lately_costs_a_request_no_write(stranger, ann, now, django_assert_num_queries):
    recent = now + timedelta(hours=1)
    User.objects.update(last_active_at=recent)
    with django_assert_num_queries(3):
        success(stranger.get(ME, headers=bearer(ann)))
    User.objects.update(last_active_at=now - timedelta(minutes=5))
    with django_assert_num_queries(4):
        success(stranger.get(ME, headers=bearer(ann)))
    ann.user.refresh_from_db()
    assert now <= ann.user.last_active_at < recent


def test_a_refused_request_is_no_activity(stranger, ann, now):
    User.objects.update(last_active_at=None)
    suspend(ann.user, now=now)
    stranger.get(ME, headers=bearer(ann))
    ann.user.refresh_from_db()
    assert ann.user.last_active_at is None
