"""Every way in which a sign-in can fail, over HTTP: what the frontend is told, and that nothing was made."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.errors import X_SIGN_IN_DETAILS, XSignInError
from accounts.models import RefreshToken, User
from accounts.x.models import OAuthState
from tests.accounts.x.browser import target, told
from tests.accounts.x.conftest import FRONTEND
from tests.concurrently import wait_until
from tests.roles import as_owner, as_superuser

IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


def assert_refused(response, error: str, **more: str) -> None:
    assert target(response) == f"{FRONTEND}/"
    assert told(response) == {"error": error, "details": X_SIGN_IN_DETAILS[XSignInError(error)], **more}
    assert not User.objects.exists()
    assert not RefreshToken.objects.exists()


def test_a_person_who_denies_it_has_cancelled(browser):
    assert_refused(browser.sign_in(deny="1"), "oauth_cancelled")


def test_an_error_that_x_reports_is_a_failure_of_the_sign_in(browser):
    assert_refused(browser.sign_in(failure="error"), "oauth_failed")


def test_what_x_or_an_attacker_says_about_an_error_is_not_passed_on(browser):
    response = browser.callback("?error=evil&error_description=Call+0900+now&state=x")
    assert_refused(response, "oauth_failed")


def test_a_callback_without_a_code_says_so(browser):
    assert_refused(browser.callback("?state=abc"), "oauth_failed", reason="missing_code")
    assert_refused(browser.callback("?code=&state=abc"), "oauth_failed", reason="missing_code")
    assert_refused(browser.callback(""), "oauth_failed", reason="missing_code")


def test_a_callback_without_a_state_says_so(browser):
    assert_refused(browser.callback("?code=abc"), "oauth_failed", reason="missing_state")
    assert_refused(browser.callback("?code=abc&state="), "oauth_failed", reason="missing_state")


@pytest.mark.parametrize("failure", ["bad_code", "token_500", "token_html", "token_garbage", "token_redirect"])
def test_a_token_that_x_does_not_give_ends_the_sign_in(x, browser, failure):
    assert_refused(browser.sign_in(failure=failure), "token_exchange_failed")
    assert "GET /2/users/me" not in x.requests
    assert "POST /elsewhere" not in x.requests


@pytest.mark.parametrize("failure", ["user_429", "user_html", "user_garbage", "user_huge"])
def test_a_person_whom_x_does_not_describe_is_not_signed_in(browser, failure):
    assert_refused(browser.sign_in(failure=failure), "user_info_failed")


@pytest.mark.parametrize("failure", ["token_hang", "token_drip", "user_hang", "user_drip"])
def test_an_x_that_does_not_come_to_an_end_is_given_up_in_time(browser, settings, failure):
    settings.X_TIMEOUT_SECONDS = 0.5
    callback = browser.back_from_x(failure=failure)
    started = time.monotonic()
    response = browser.get(callback)
    assert 0.4 < time.monotonic() - started < 3
    assert_refused(response, "token_exchange_failed" if failure.startswith("token") else "user_info_failed")


def test_an_x_that_cannot_be_reached_ends_the_sign_in(browser, settings):
    callback = browser.back_from_x()
    settings.X_TOKEN_URL = "http://127.0.0.1:1/token"
    assert_refused(browser.get(callback), "token_exchange_failed")


def test_while_x_thinks_the_service_holds_no_transaction(x, browser, settings):
    settings.X_TIMEOUT_SECONDS = 2
    callback = browser.back_from_x(failure="token_hang")
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(browser.get, callback)
        wait_until(lambda: "POST /2/oauth2/token" in x.requests)
        with as_superuser(), connection.cursor() as cursor:
            cursor.execute(IN_TRANSACTION)
            assert cursor.fetchone() == (0,)
        assert not response.done()
    assert_refused(response.result(), "token_exchange_failed")


def test_a_failed_sign_in_can_be_begun_again(browser):
    assert_refused(browser.sign_in(failure="token_500"), "token_exchange_failed")
    assert target(browser.sign_in()) == f"{FRONTEND}/auth/callback"


def test_without_a_client_the_frontend_is_told_at_once(x, browser, settings):
    providers = settings.SOCIALACCOUNT_PROVIDERS
    settings.SOCIALACCOUNT_PROVIDERS = {"twitter_oauth2": providers["twitter_oauth2"] | {"APPS": []}}
    assert_refused(browser.start(), "oauth_not_configured")
    assert_refused(browser.callback("?code=a&state=b"), "oauth_not_configured")
    assert x.requests == []
    assert not OAuthState.objects.exists()


def test_in_production_a_client_without_a_way_back_is_not_configured(browser, settings):
    settings.X_REDIRECT_URI = ""
    assert_refused(browser.start(), "oauth_not_configured")


def test_a_suspended_user_gets_no_tokens(browser):
    browser.sign_in()
    User.objects.update(is_active=False, name="Kept")
    RefreshToken.objects.all().delete()
    response = browser.sign_in()
    assert target(response) == f"{FRONTEND}/"
    assert told(response)["error"] == "account_suspended"
    assert not RefreshToken.objects.exists()
    assert User.objects.get().name == "Kept"


@pytest.fixture
def broken_table(request, x):
    """A table that the database doesn't find, until the test is over."""

    def rename(table: str) -> None:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        request.addfinalizer(lambda: restore(table))

    def restore(table: str) -> None:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")

    return rename


@pytest.mark.parametrize("table", ["oauth_states", "refresh_tokens"])
def test_a_failing_database_is_told_and_leaves_no_half_user(browser, broken_table, table):
    callback = browser.back_from_x()
    broken_table(table)
    response = browser.get(callback)
    assert target(response) == f"{FRONTEND}/"
    assert told(response)["error"] == "database_error"
    assert not User.objects.exists()


def test_a_database_that_fails_before_x_is_told_too(browser, broken_table):
    broken_table("oauth_states")
    response = browser.start()
    assert target(response) == f"{FRONTEND}/"
    assert told(response)["error"] == "database_error"


def test_no_secret_code_token_or_verifier_is_ever_logged(x, new_browser, settings, caplog):
    caplog.set_level("DEBUG")
    caplog.handler.setFormatter(None)
    secrets = {settings.SOCIALACCOUNT_PROVIDERS["twitter_oauth2"]["APPS"][0]["secret"]}
    for failure in ("", "bad_code", "token_garbage", "token_500", "user_429", "user_garbage"):
        browser = new_browser()
        callback = browser.back_from_x(failure=failure)
        secrets |= set(OAuthState.objects.values_list("verifier", flat=True))
        # Codes and states that arrived have been used; the client's own log of this test isn't ours.
        response = browser.get(callback)
        secrets |= {value for name, value in told(response).items() if name in {"accessToken", "refreshToken"}}
    secrets |= x.endpoints.grants._tokens.keys()
    assert len(secrets) >= 9
    ours = [record for record in caplog.records if not is_of_the_test(record)]
    assert any(record.name.startswith("accounts.x") for record in ours)
    for record in ours:
        text = caplog.handler.format(record)
        assert not [secret for secret in secrets if secret in text], record.name


def is_of_the_test(record) -> bool:
    """The test's own browser is in the same process; it logs addresses only at the lowest level."""
    return record.threadName == "MainThread"
