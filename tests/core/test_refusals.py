"""A refused request is logged once with its code, and the last ones of a user are kept for the staff."""

import logging

import pytest
from django.core.cache import cache
from rest_framework_simplejwt.tokens import AccessToken

from core.api.errors import delete_refusals, recent_refusals
from core.rules import REFUSALS_KEPT

BETS = "/api/v1/bets"
BAD = {"marketId": "no market", "side": "this", "amount": 1}


@pytest.fixture
def bearer(user):
    return {"Authorization": f"Bearer {AccessToken.for_user(user)}"}


def refusals_in(caplog):
    return [record for record in caplog.records if record.name.startswith(("core.api", "django.request"))]


def test_a_refusal_is_logged_once_at_info_with_code_user_and_request_id(api, user, bearer, caplog):
    caplog.set_level(logging.INFO)
    response = api.post(BETS, BAD, content_type="application/json", headers={**bearer, "X-Request-ID": "abc"})
    assert response.status_code == 400
    (record,) = refusals_in(caplog)
    assert record.levelname == "INFO"
    assert (record.code, record.userId, record.path) == (response.json()["code"], user.pk, BETS)
    (kept,) = recent_refusals(user.pk)
    assert (kept["code"], kept["error"]) == (response.json()["code"], response.json()["error"])
    assert (kept["method"], kept["path"], kept["status"], kept["requestId"]) == ("POST", BETS, 400, "abc")


def test_the_last_ones_are_kept_newest_first(api, user, bearer):
    for number in range(REFUSALS_KEPT + 3):
        api.get(f"{BETS}/{number}", headers=bearer)
    paths = [refusal["path"] for refusal in recent_refusals(user.pk)]
    assert paths == [f"{BETS}/{number}" for number in range(REFUSALS_KEPT + 2, 2, -1)]
    delete_refusals(user.pk)
    assert recent_refusals(user.pk) == []


def test_strangers_are_logged_but_nothing_of_theirs_is_kept(api, db, caplog):
    caplog.set_level(logging.INFO)
    assert api.post(BETS, BAD, content_type="application/json").status_code == 401
    (record,) = refusals_in(caplog)
    assert (record.code, record.userId) == ("not_authenticated", None)
    assert cache.get("refusals:None") is None


def test_a_successful_request_is_not_recorded_as_a_refusal(api, user, bearer, caplog):
    caplog.set_level(logging.INFO)
    assert api.get(f"{BETS}/me", headers=bearer).status_code == 200
    assert refusals_in(caplog) == []
    assert recent_refusals(user.pk) == []
