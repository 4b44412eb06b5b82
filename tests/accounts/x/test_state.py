"""The state: for one browser, once, for ten minutes, and on the server."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.db import connection

from accounts.models import RefreshToken, User
from accounts.x.models import OAuthState
from tests.accounts.x.browser import target, told
from tests.accounts.x.conftest import FRONTEND
from tests.concurrently import all_at_once
from tests.databases import with_database

TAKE_IN_ANOTHER_PROCESS = """
import sys, django
django.setup()
from django.utils import timezone
from accounts.x.models import OAuthState
taken = OAuthState.objects.consume(state=sys.argv[1], browser=sys.argv[2], now=timezone.now())
print("43 or more" if len(taken.verifier) >= 43 else taken)
"""
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SUCCESS, FAILURE = f"{FRONTEND}/auth/callback", f"{FRONTEND}/"


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def start(*, browser: str = "b", now: datetime = NOW, referral_code: str = "") -> str:
    return OAuthState.objects.start(verifier="v" * 43, referral_code=referral_code, browser=browser, now=now)


def test_a_replayed_callback_signs_nobody_in(x, browser):
    callback = browser.back_from_x()
    assert target(browser.get(callback)) == SUCCESS
    exchanges = x.requests.count("POST /2/oauth2/token")
    again = browser.get(callback)
    assert told(again)["error"] == "state_expired"
    assert x.requests.count("POST /2/oauth2/token") == exchanges
    assert RefreshToken.objects.count() == 1


def test_a_state_with_a_new_code_is_not_good_again(browser):
    callback = browser.back_from_x()
    browser.get(callback)
    fresh = query_of(browser.back_from_x())["code"]
    mixed = urlencode({"code": fresh, "state": query_of(callback)["state"]})
    assert told(browser.callback(f"?{mixed}"))["error"] == "state_expired"


def test_a_state_of_more_than_ten_minutes_ago_is_refused(x, browser):
    callback = browser.back_from_x()
    OAuthState.objects.update(expires_at=datetime.now(UTC))
    response = browser.get(callback)
    assert (target(response), told(response)["error"]) == (FAILURE, "state_expired")
    assert "POST /2/oauth2/token" not in x.requests
    assert not User.objects.exists()


def test_an_invented_state_is_refused(x, browser):
    browser.start()
    for invented in ("a" * 43, "%00", "é", "' OR 1=1 --", "x" * 5000):
        assert told(browser.callback(f"?code=c&state={invented}"))["error"] == "state_expired"
    assert "POST /2/oauth2/token" not in x.requests


def test_another_browsers_callback_signs_nobody_in_and_stays_good_for_its_own(new_browser):
    victim, attacker = new_browser(), new_browser()
    callback = victim.back_from_x()
    for cookie in ("none", "its own"):
        if cookie == "its own":
            attacker.start()
        response = attacker.get(callback)
        assert (target(response), told(response)["error"]) == (FAILURE, "state_expired")
    assert not User.objects.exists()
    assert target(victim.get(callback)) == SUCCESS


def test_a_state_that_an_attacker_fixed_does_not_sign_the_victim_in_as_the_attacker(new_browser):
    """RFC 6749, 10.12: the attacker's own callback, opened in the victim's browser."""
    victim, attacker = new_browser(), new_browser()
    victim.start()
    prepared = attacker.back_from_x(**{"as": "grace_h"})
    response = victim.get(prepared)
    assert (target(response), told(response)["error"]) == (FAILURE, "state_expired")
    assert not User.objects.exists()


def test_a_state_cannot_be_chosen_by_a_parameter_or_a_header(browser):
    chosen = "c" * 43
    response = browser.start(f"?state={chosen}&code_verifier={chosen}&process=connect", headers={"X-State": chosen})
    assert chosen not in response.headers["Location"]
    assert OAuthState.objects.get().verifier != chosen


def test_a_cookie_that_is_no_random_text_is_replaced(browser):
    response = browser.start(headers={"Cookie": "x-sign-in=guessable"})
    assert "guessable" not in response.headers["Set-Cookie"]
    assert len(next(iter(browser.cookies)).value) == 43


def test_one_callback_opened_twice_at_once_signs_in_once(x, browser):
    callback = browser.back_from_x()
    responses = all_at_once(lambda: browser.get(callback), 4)
    assert sorted(map(target, responses)) == sorted([SUCCESS, *[FAILURE] * 3])
    assert x.requests.count("POST /2/oauth2/token") == 1
    assert (User.objects.count(), RefreshToken.objects.count()) == (1, 1)


def test_another_process_knows_the_state(x, browser):
    came_back = query_of(browser.back_from_x())
    cookie = next(iter(browser.cookies)).value
    database = with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
    command = [sys.executable, "-c", TAKE_IN_ANOTHER_PROCESS, came_back["state"], cookie]
    environment = os.environ | {"DATABASE_URL": database}
    taken = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert taken.stdout == "43 or more\n"
    assert told(browser.callback(f"?{urlencode(came_back)}"))["error"] == "state_expired"


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
        assert OAuthState.objects.consume(state=sent, browser="b", now=NOW + timedelta(minutes=10)) is None
        taken = OAuthState.objects.consume(state=sent, browser="b", now=NOW + timedelta(minutes=9, seconds=59))
        assert (taken.verifier, taken.referral_code) == ("v" * 43, "")

    def test_a_state_is_accepted_once(self):
        sent = start()
        assert OAuthState.objects.consume(state=sent, browser="b", now=NOW)
        assert OAuthState.objects.consume(state=sent, browser="b", now=NOW) is None

    def test_another_browser_neither_takes_it_nor_spoils_it(self):
        sent = start()
        for other in ("", "c", "b "):
            assert OAuthState.objects.consume(state=sent, browser=other, now=NOW) is None
        assert OAuthState.objects.consume(state=sent, browser="b", now=NOW)

    def test_expired_ones_go_away_as_new_ones_come(self):
        for minute in range(25):
            start(now=NOW - timedelta(hours=1, minutes=minute))
        assert OAuthState.objects.count() == 25
        for _ in range(3):
            start()
        assert OAuthState.objects.count() == 3

    @pytest.mark.parametrize("code", ["x" * 33, "a b", "<script>", "\x00", "ÄÖÜ"])
    def test_what_cannot_be_a_referral_code_is_dropped(self, code):
        sent = start(referral_code=code)
        assert OAuthState.objects.consume(state=sent, browser="b", now=NOW).referral_code == ""
