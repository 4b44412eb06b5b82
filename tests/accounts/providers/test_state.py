"""The state: for one provider and one browser, once, for ten minutes, and on the server."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.db import connection

from accounts.models import RefreshToken, User
from accounts.providers.models import OAuthState
from tests.accounts.providers.browser import set_cookie, target, told
from tests.accounts.providers.conftest import FAILURE, SUCCESS, assert_fails
from tests.concurrently import all_at_once
from tests.databases import with_database

TAKE_IN_ANOTHER_PROCESS = """
import sys, django
django.setup()
from django.utils import timezone
from accounts.providers.models import OAuthState
proves = lambda pending: pending.began_in(sys.argv[2])
taken = OAuthState.objects.take(provider="x", state=sys.argv[1], proves=proves, now=timezone.now())
print("43 or more" if taken.is_taken and len(taken.pending.verifier) >= 43 else taken)
"""
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONLY_X = pytest.mark.parametrize("provider", ["x"])


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def exchanges(simulator, there) -> int:
    return simulator.requests.count(f"POST {there.dialect.token}")


def start(*, now: datetime = NOW, referral_code: str = "") -> str:
    given = {"browser": "b", "finish_code": "f", "referral_code": referral_code}
    return OAuthState.objects.start(provider="x", verifier="v" * 43, **given, now=now)


def take(state: str, *, browser: str = "b", provider: str = "x", now: datetime = NOW) -> OAuthState | None:
    proves = lambda pending: pending.began_in(browser)  # noqa: E731
    pending, is_taken = OAuthState.objects.take(provider=provider, state=state, proves=proves, now=now)
    return pending if is_taken else None


def test_a_replayed_callback_signs_nobody_in(simulator, there, browser, provider):
    callback = browser.back()
    assert target(browser.get(callback)) == SUCCESS
    assert_fails(browser.get(callback), provider, "state_expired")
    assert exchanges(simulator, there) == 1
    assert RefreshToken.objects.count() == 1


def test_a_state_with_a_new_code_is_not_good_again(browser):
    callback = browser.back()
    browser.get(callback)
    fresh = query_of(browser.back())["code"]
    mixed = urlencode({"code": fresh, "state": query_of(callback)["state"]})
    assert told(browser.callback(f"?{mixed}"))["error"] == "state_expired"


def test_a_state_of_more_than_ten_minutes_ago_is_refused(simulator, there, browser):
    callback = browser.back()
    OAuthState.objects.update(expires_at=datetime.now(UTC))
    response = browser.get(callback)
    assert (target(response), told(response)["error"]) == (FAILURE, "state_expired")
    assert exchanges(simulator, there) == 0
    assert not User.objects.exists()


def test_an_invented_state_is_refused(simulator, there, browser):
    browser.start()
    for invented in ("a" * 43, "%00", "é", "' OR 1=1 --", "x" * 5000):
        assert told(browser.callback(f"?code=c&state={invented}"))["error"] == "state_expired"
    assert exchanges(simulator, there) == 0


def test_another_browsers_callback_signs_nobody_in_and_stays_good_for_its_own(new_browser, provider):
    victim, attacker = new_browser(), new_browser()
    callback = victim.back()
    for cookie in ("none", "its own"):
        if cookie == "its own":
            attacker.start()
        assert_fails(attacker.get(callback), provider, "state_expired", reason="other_browser")
    assert not User.objects.exists()
    assert target(victim.get(callback)) == SUCCESS


def test_a_state_that_an_attacker_fixed_does_not_sign_the_victim_in_as_the_attacker(new_browser, provider):
    """RFC 6749, 10.12: the attacker's own callback, opened in the victim's browser."""
    victim, attacker = new_browser(), new_browser()
    victim.start()
    prepared = attacker.back(**{"as": "grace_h"})
    assert_fails(victim.get(prepared), provider, "state_expired", reason="other_browser")
    assert not User.objects.exists()


def test_a_state_cannot_be_chosen_by_a_parameter_or_a_header(browser):
    chosen = "c" * 43
    response = browser.start(f"?state={chosen}&code_verifier={chosen}&process=connect", headers={"X-State": chosen})
    assert chosen not in response.headers["Location"]
    assert OAuthState.objects.get().verifier != chosen


def test_a_cookie_that_is_no_random_text_is_replaced(browser, provider):
    response = browser.start(headers={"Cookie": f"{provider}-sign-in=guessable"})
    assert "guessable" not in set_cookie(response)
    assert len(browser.cookie) == 43


def test_a_state_of_one_provider_is_nothing_to_the_others(new_browser, provider):
    """Else a code that one gave could be brought to the address of another (RFC 9700, 4.4)."""
    callback = new_browser().back()
    for other in {"x", "google", "discord"} - {provider}:
        assert_fails(new_browser(other).callback(f"?{urlsplit(callback).query}"), other, "state_expired")
    assert OAuthState.objects.count() == 1


@ONLY_X
def test_one_callback_opened_twice_at_once_signs_in_once(simulator, there, live_browsers):
    browser = live_browsers[0]
    callback = browser.back()
    responses = all_at_once(lambda: browser.get(callback), 4)
    assert sorted(map(target, responses)) == sorted([SUCCESS, *[FAILURE] * 3])
    assert exchanges(simulator, there) == 1
    assert (User.objects.count(), RefreshToken.objects.count()) == (1, 1)


@ONLY_X
def test_another_process_knows_the_state(live_browsers):
    browser = live_browsers[0]
    came_back = query_of(browser.back())
    database = with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
    command = [sys.executable, "-c", TAKE_IN_ANOTHER_PROCESS, came_back["state"], browser.cookie]
    environment = os.environ | {"DATABASE_URL": database}
    taken = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert taken.stdout == "43 or more\n"
    assert told(browser.callback(f"?{urlencode(came_back)}"))["error"] == "state_expired"


@ONLY_X
def test_one_address_may_begin_thirty_sign_ins_a_minute(browser):
    responses = [browser.start() for _ in range(31)]
    assert {response.status_code for response in responses[:30]} == {302}
    refused = responses[30]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["code"] == "throttled"
    assert OAuthState.objects.count() == 30


@pytest.mark.django_db
class TestPendingSignIns:
    def test_it_is_good_until_ten_minutes_have_passed(self):
        sent = start()
        assert take(sent, now=NOW + timedelta(minutes=10)) is None
        taken = take(sent, now=NOW + timedelta(minutes=9, seconds=59))
        assert (taken.verifier, taken.referral_code) == ("v" * 43, "")

    def test_a_state_is_accepted_once(self):
        sent = start()
        assert take(sent)
        assert take(sent) is None

    def test_another_browser_neither_takes_it_nor_spoils_it(self):
        sent = start()
        for other in ("", "c", "b ", "f"):
            assert take(sent, browser=other) is None
        assert take(sent, provider="google") is None
        assert take(sent)

    def test_one_that_has_no_cookie_or_no_code_is_not_taken_without_them(self):
        sent = OAuthState.objects.start(provider="x", verifier="v" * 43, now=NOW)
        assert take(sent, browser="") is None
        pending = OAuthState.objects.get()
        assert not pending.has_code("")

    def test_expired_ones_go_away_as_new_ones_come(self):
        for minute in range(25):
            start(now=NOW - timedelta(hours=1, minutes=minute))
        assert OAuthState.objects.count() == 25
        for _ in range(3):
            start()
        assert OAuthState.objects.count() == 3

    @pytest.mark.parametrize("code", ["x" * 33, "a b", "<script>", "\x00", "ÄÖÜ"])
    def test_what_cannot_be_a_referral_code_is_dropped(self, code):
        assert take(start(referral_code=code)).referral_code == ""
