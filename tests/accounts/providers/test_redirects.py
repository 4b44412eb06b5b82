"""Lesson 33: tokens went to wherever `Referer` said. Here no header and no parameter has a say."""

import pytest

from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import FRONTEND

EVIL = "evil.example"
HEADERS = {
    "Host": {"Host": EVIL},
    "X-Forwarded-Host": {"X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "https"},
    "Forwarded": {"Forwarded": f"host={EVIL}"},
    "Referer": {"Referer": f"https://{EVIL}/page"},
    "Origin": {"Origin": f"https://{EVIL}"},
}
PARAMETERS = ("next", "redirect_uri", "redirect", "redirectTo", "return_to", "frontend_url", "url", "callback_url")


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_tokens_go_to_the_frontend_whatever_a_header_says(browser, headers):
    started = browser.start(headers=headers)
    assert EVIL not in started.headers["Location"]
    finished = browser.get(browser.choose(started.headers["Location"]), headers=headers)
    assert target(finished) == f"{FRONTEND}/auth/callback"
    assert "accessToken" in told(finished)
    assert EVIL not in finished.headers["Location"]


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_failures_go_to_the_frontend_whatever_a_header_says(browser, headers):
    response = browser.callback("?error=access_denied", headers=headers)
    assert target(response) == f"{FRONTEND}/"
    assert EVIL not in response.headers["Location"]


def test_tokens_go_to_the_frontend_whatever_a_parameter_says(browser):
    attack = "&".join(f"{name}=https://{EVIL}" for name in PARAMETERS)
    started = browser.start(f"?{attack}&auth_params=redirect_uri%3Dhttps://{EVIL}&scope=tweet.write")
    assert EVIL not in started.headers["Location"]
    assert "tweet.write" not in started.headers["Location"]
    callback = browser.choose(started.headers["Location"])
    finished = browser.get(f"{callback}&{attack}")
    assert target(finished) == f"{FRONTEND}/auth/callback"
    assert EVIL not in finished.headers["Location"]


def test_in_development_without_a_redirect_address_it_is_sent_back_to_the_name_that_is_used(
    browser, settings, provider
):
    settings.DEBUG = True
    setattr(settings, f"{provider.upper()}_REDIRECT_URI", "")
    for headers in HEADERS.values():
        assert EVIL not in browser.start(headers=headers).headers["Location"]
    assert target(browser.sign_in()) == f"{FRONTEND}/auth/callback"


def test_failures_go_to_the_path_that_the_setting_names(browser, settings):
    settings.OAUTH_ERROR_PATH = "/auth/callback"
    response = browser.callback("?error=access_denied")
    assert target(response) == f"{FRONTEND}/auth/callback"
    assert told(response)["error"] == "oauth_cancelled"
