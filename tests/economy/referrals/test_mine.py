"""GET /referrals/me: the user's code, and the newest of those who came with it."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from tests.accounts.factories import sign_up, sign_up_verified, suspend

pytestmark = pytest.mark.django_db
MINE = "/api/v1/referrals/me"
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def ask(api, user):
    response = api.get(MINE, headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"})
    assert response.status_code == 200, response.content
    body = json.loads(response.content, parse_float=Decimal)
    assert list(body) == ["success", "referralCode", "referralCount", "referralCreditsEarned", "referredUsers"]
    return body


@pytest.fixture
def ann(db):
    return sign_up("ann").user


def bring(referrer, count, *, first=NOW):
    code = referrer.referral_code
    return [sign_up_verified(referral_code=code, now=first + timedelta(minutes=i)).user for i in range(count)]


def test_somebody_new_has_a_code_and_brought_nobody(api, ann):
    body = ask(api, ann)
    assert re.fullmatch("[ABCDEFGHJKLMNPQRSTUVWXYZ23456789]{8}", body["referralCode"])
    assert (body["referralCount"], body["referralCreditsEarned"], body["referredUsers"]) == (0, 0, [])


def test_who_signed_up_with_the_code_is_listed_and_paid_for(api, ann):
    (bob,) = bring(ann, 1)
    body = ask(api, ann)
    assert (body["referralCount"], body["referralCreditsEarned"]) == (1, 200)
    assert body["referredUsers"] == [
        {"id": str(bob.pk), "username": bob.username, "joinedAt": "2026-03-05T12:00:00.000Z"}
    ]


def test_the_twenty_five_newest_are_listed_newest_first_and_all_are_counted(api, ann):
    newcomers = bring(ann, 30)
    body = ask(api, ann)
    assert [user["id"] for user in body["referredUsers"]] == [str(user.pk) for user in newcomers[:4:-1]]
    assert (body["referralCount"], body["referralCreditsEarned"]) == (30, 6000)


def test_nobody_elses_are_listed(api, ann):
    eve = sign_up("eve").user
    bring(eve, 2)
    assert ask(api, ann)["referredUsers"] == []


def test_an_email_is_nobodys_business(api, ann):
    bring(ann, 1)
    assert "@" not in str(ask(api, ann))


def test_it_takes_two_queries_however_many_there_are(api, ann, django_assert_num_queries):
    ask(api, ann)  # notes when the user was last active
    for count in (0, 3, 9):
        bring(ann, count)
        with django_assert_num_queries(2):
            ask(api, ann)


def test_the_newest_are_found_by_an_index_in_their_order(ann):
    query = User.objects.filter(referred_by_id=ann.pk).order_by("-created_at", "-pk").values_list("pk")[:25]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = query.explain()
    assert "users_by_referrer" in plan
    assert "Sort" not in plan


def test_nobody_sees_any_unknown(api, db):
    response = api.get(MINE)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_a_suspended_user_sees_none(api, ann):
    token = AccessToken.for_user(ann)
    suspend(ann, now=NOW)
    response = api.get(MINE, headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (403, "account_suspended")
