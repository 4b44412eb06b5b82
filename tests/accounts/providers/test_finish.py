"""A sign-in that comes back in another browser, as on phones: who began it finishes it, and nobody else does.

POST /auth/{provider} gives the frontend a code, which POST /auth/{provider}/finish takes together with what came back.
"""

from datetime import UTC, datetime

import pytest

from accounts.models import RefreshToken, User
from accounts.providers.models import OAuthState
from tests.accounts.factories import faults, refusal, success
from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import FAILURE, SUCCESS
from tests.concurrently import all_at_once

ONLY_X = pytest.mark.parametrize("provider", ["x"])


@pytest.fixture
def phone(new_browser):
    """The browser with the frontend in it, where the person begins."""
    return new_browser()


@pytest.fixture
def other(new_browser):
    """The browser that the provider's app comes back in."""
    return new_browser()


def assert_nobody_is_signed_in() -> None:
    assert not User.objects.exists()
    assert not RefreshToken.objects.exists()


def test_the_frontend_that_began_finishes_what_came_back_in_another_browser(phone, other, provider):
    begun = phone.begin()
    assert begun["expiresIn"] == 600
    back = other.get(phone.choose(begun["url"], **{"as": "grace_h"}))
    assert target(back) == FAILURE
    handed_on = told(back)
    assert (handed_on["error"], handed_on["reason"], handed_on["provider"]) == (
        "state_expired",
        "other_browser",
        provider,
    )
    assert "another browser" in handed_on["details"]
    assert_nobody_is_signed_in()
    signed_in = success(phone.finish(begun["finishCode"], handed_on))
    assert signed_in["user"]["name"] == "Grace Hopper"
    assert phone.me(signed_in["accessToken"]).json()["user"]["id"] == signed_in["user"]["id"]
    assert RefreshToken.objects.count() == 1


def test_the_browser_that_began_needs_no_code(phone):
    begun = phone.begin()
    assert target(phone.get(phone.choose(begun["url"]))) == SUCCESS


def test_a_sign_in_without_a_code_hands_nothing_on(phone, other):
    handed_on = told(other.get(phone.back()))
    assert handed_on.keys() == {"error", "details", "reason"}


def test_a_victim_who_opens_an_attackers_address_is_not_signed_in_as_the_attacker_nor_the_attacker_as_them(
    phone, other, new_browser
):
    """The attacker has the code and not what came back; the victim's frontend has what came back and not the code."""
    attacker, victim = phone, other
    begun = attacker.begin()
    handed_on = told(victim.get(victim.choose(begun["url"], **{"as": "grace_h"})))
    for guess in ("code", "state"):
        assert guess not in begun
    # The attacker knows the state, which is in the address, and has a code of their own.
    own = told(new_browser().get(attacker.choose(attacker.begin()["url"], **{"as": "ada_l"})))
    refusal(attacker.finish(begun["finishCode"], own), 400, "state_expired")
    refusal(attacker.finish(begun["finishCode"], handed_on | {"code": "guessed"}), 400, "token_exchange_failed")
    mine = victim.begin()["finishCode"]
    refusal(victim.finish(mine, handed_on), 400, "state_expired")
    assert_nobody_is_signed_in()


def test_a_code_of_another_start_an_invented_one_and_none_finish_nothing(phone, other):
    begun = phone.begin()
    handed_on = told(other.get(phone.choose(begun["url"])))
    for code in (phone.begin()["finishCode"], "a" * 43, begun["finishCode"][:-1], "é", begun["url"][-43:]):
        refusal(phone.finish(code, handed_on), 400, "state_expired")
    assert faults(phone.finish("", handed_on)) == {"finishCode": "blank"}
    assert_nobody_is_signed_in()
    success(phone.finish(begun["finishCode"], handed_on))


def test_a_sign_in_that_began_without_a_code_is_finished_by_none(phone, other):
    callback = phone.back()
    other.get(callback)
    came_back = dict(pair.split("=") for pair in callback.partition("?")[2].split("&"))
    for code in ("a" * 43, phone.cookie):
        refusal(phone.finish(code, came_back), 400, "state_expired")
    assert_nobody_is_signed_in()


def test_it_is_finished_once(simulator, there, phone, other):
    begun = phone.begin()
    callback = phone.choose(begun["url"])
    handed_on = told(other.get(callback))
    success(phone.finish(begun["finishCode"], handed_on))
    exchanged = simulator.requests.count(f"POST {there.dialect.token}")
    refusal(phone.finish(begun["finishCode"], handed_on), 400, "state_expired")
    assert told(phone.get(callback))["error"] == "state_expired"
    assert simulator.requests.count(f"POST {there.dialect.token}") == exchanged
    assert RefreshToken.objects.count() == 1


def test_after_ten_minutes_it_is_over(phone, other):
    begun = phone.begin()
    handed_on = told(other.get(phone.choose(begun["url"])))
    OAuthState.objects.update(expires_at=datetime.now(UTC))
    refusal(phone.finish(begun["finishCode"], handed_on), 400, "state_expired")
    assert_nobody_is_signed_in()


@ONLY_X
def test_it_is_finished_for_its_provider_alone(phone, other, new_browser):
    begun = phone.begin()
    handed_on = told(other.get(phone.choose(begun["url"])))
    refusal(new_browser("google").finish(begun["finishCode"], handed_on), 400, "state_expired")
    success(phone.finish(begun["finishCode"], handed_on))


@pytest.mark.parametrize(
    ("provider", "failure", "code"),
    [
        ("x", "token_500", "token_exchange_failed"),
        ("x", "user_429", "user_info_failed"),
        ("google", "id_token_nonce", "user_info_failed"),
        ("discord", "user_html", "user_info_failed"),
    ],
)
def test_what_the_provider_refuses_is_told(phone, other, failure, code):
    begun = phone.begin()
    handed_on = told(other.get(phone.choose(begun["url"], failure=failure)))
    refusal(phone.finish(begun["finishCode"], handed_on), 400, code)
    assert_nobody_is_signed_in()


def test_a_person_who_denies_it_comes_back_with_that(phone, other):
    begun = phone.begin()
    assert told(other.get(phone.choose(begun["url"], deny="1")))["error"] == "oauth_cancelled"


def test_a_suspended_user_gets_no_tokens(phone, other):
    phone.sign_in()
    User.objects.update(is_active=False)
    RefreshToken.objects.all().delete()
    begun = phone.begin()
    handed_on = told(other.get(phone.choose(begun["url"])))
    refusal(phone.finish(begun["finishCode"], handed_on), 403, "account_suspended")
    assert not RefreshToken.objects.exists()


@ONLY_X
def test_a_referral_code_counts_as_with_a_start_in_the_browser(phone, other):
    referrer = User.objects.create_user(email="ann@example.com", username="ann")
    begun = phone.begin(ref=f" {referrer.referral_code.lower()} ")
    handed_on = told(other.get(phone.choose(begun["url"])))
    signed_in = success(phone.finish(begun["finishCode"], handed_on))
    assert User.objects.get(pk=signed_in["user"]["id"]).referred_by == referrer


@ONLY_X
def test_nothing_that_is_sent_makes_a_failure_of_ours(phone):
    path = "/auth/x/finish"
    for body in ({}, {"finishCode": 5, "code": None, "state": []}, {"finishCode": "a", "code": "b", "state": "\x00"}):
        refusal(phone.send(path, body), 400, "validation_error")
    refusal(phone.send(path, {"finishCode": "x" * 2001, "code": "b", "state": "c"}), 400, "validation_error")
    refusal(phone.send("/auth/x", {"ref": ["a"]}), 400, "validation_error")
    assert phone.send(path, method="GET").status_code == 405


@ONLY_X
def test_the_database_holds_neither_the_code_nor_the_state(phone):
    begun = phone.begin()
    row = OAuthState.objects.get()
    assert begun["finishCode"] not in str(vars(row))
    assert row.finish_hash
    assert begun["finishCode"] not in begun["url"]


@ONLY_X
def test_finished_at_once_from_two_places_it_signs_in_once(live_browsers):
    phone = live_browsers[0]
    begun = phone.begin()
    handed_on = told(live_browsers[1].get(phone.choose(begun["url"])))
    statuses = all_at_once(lambda: phone.finish(begun["finishCode"], handed_on).status_code, 4)
    assert sorted(statuses) == [200, 400, 400, 400]
    assert (User.objects.count(), RefreshToken.objects.count()) == (1, 1)
