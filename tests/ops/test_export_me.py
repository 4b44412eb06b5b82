"""GET /api/v1/users/me/export: all that is kept about the user, by the user."""

import json
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts import rules
from accounts.models import User
from ops.personal_data import SECTIONS, as_field
from tests.accounts.factories import USERS, bearer, refusal, send, sign_up, success, suspend
from tests.betting.factories import Player
from tests.markets.factories import add_market

EXPORT = f"{USERS}/me/export"
pytestmark = pytest.mark.django_db(transaction=True)


def export(http, who):
    return http.get(EXPORT, headers=bearer(who))


def test_it_has_a_list_for_each_table_and_no_secret(api):
    ann = sign_up("ann")
    Player(ann.user, ann.tokens.access).bet(add_market(), "100.50")
    response = export(api, ann)
    data = success(response)["data"]
    assert data.keys() == {"exportedAt", "user", "staffActions", *(as_field(section.name) for section in SECTIONS)}
    assert (data["user"]["email"], data["user"]["creditBalance"]) == ("ann@example.com", Decimal("899.5"))
    assert [bet["amount"] for bet in data["bets"]] == [Decimal("100.5")]
    assert sum(entry["amount"] for entry in data["ledgerEntries"]) == data["user"]["creditBalance"]
    assert len(data["sessions"]) == 1
    text = response.content.decode()
    assert User.objects.get().password not in text
    assert ann.tokens.refresh not in text
    assert not any("_" in name for name in (*data, *data["user"], *data["bets"][0]))


def test_it_is_a_file_that_no_cache_keeps(api):
    response = export(api, sign_up("ann"))
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"] == 'attachment; filename="thisthat-export.json"'
    assert response["Cache-Control"] == "no-store"


def test_it_is_the_users_own_alone(api):
    ann = sign_up("ann")
    sign_up("bea_swordfish", referral_code=ann.user.referral_code)
    assert "swordfish" not in export(api, ann).content.decode()
    refusal(api.get(EXPORT), 401, "not_authenticated")
    refusal(export(api, "nonsense"), 401, "invalid_token")


def test_a_suspended_user_gets_none(api):
    ann = sign_up("ann")
    suspend(ann.user, now=timezone.now())
    refusal(export(api, ann), 403, "account_suspended")


def test_it_changes_nothing(api):
    ann = sign_up("ann")
    success(api.get("/api/v1/auth/me", headers=bearer(ann)))
    before = list(User.objects.values())
    success(export(api, ann))
    assert list(User.objects.values()) == before
    refusal(send(api, EXPORT, {}, **bearer(ann)), 405, "method_not_allowed")


def test_it_is_made_so_often_and_no_more(api, settings):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"export": "1/hour"}
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
    ann = sign_up("ann")
    success(export(api, ann))
    refusal(export(api, ann), 429, "throttled")
    success(export(api, sign_up("bob")))


def test_what_is_too_large_for_a_response_is_refused(api, monkeypatch):
    ann = sign_up("ann")
    size = len(json.dumps(export(api, ann).json()))
    monkeypatch.setattr(rules, "EXPORT_MAX_BYTES", size // 2)
    refusal(export(api, ann), 400, "export_too_large")
