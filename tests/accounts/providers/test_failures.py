"""Every way in which a sign-in can fail: what the frontend is told, and that nothing was made."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import RefreshToken, User
from accounts.providers.models import OAuthState
from tests.accounts.factories import refusal
from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import SECRET, SUCCESS, assert_fails
from tests.concurrently import wait_until
from tests.roles import as_owner, as_superuser

ONLY_X = pytest.mark.parametrize("provider", ["x"])
FINISH = {"finishCode": "f", "code": "c", "state": "s"}
WITH_USER_ENDPOINT = pytest.mark.parametrize("provider", ["x", "discord"])
IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""


@pytest.fixture
def assert_refused(provider):
    """Whether the frontend is told why, and nothing was made."""

    def check(response, error: str, **more: str) -> None:
        assert_fails(response, provider, error, **more)
        assert not User.objects.exists()
        assert not RefreshToken.objects.exists()

    return check


def test_a_person_who_denies_it_has_cancelled(browser, assert_refused):
    assert_refused(browser.sign_in(deny="1"), "oauth_cancelled")


def test_an_error_that_the_provider_reports_is_a_failure_of_the_sign_in(browser, assert_refused):
    assert_refused(browser.sign_in(failure="error"), "oauth_failed")


def test_what_a_provider_or_an_attacker_says_about_an_error_is_not_passed_on(browser, assert_refused):
    response = browser.callback("?error=evil&error_description=Call+0900+now&state=x")
    assert_refused(response, "oauth_failed")


def test_a_callback_without_a_code_says_so(browser, assert_refused):
    for query in ("?state=abc", "?code=&state=abc", ""):
        assert_refused(browser.callback(query), "oauth_failed", reason="missing_code")


def test_a_callback_without_a_state_says_so(browser, assert_refused):
    for query in ("?code=abc", "?code=abc&state="):
        assert_refused(browser.callback(query), "oauth_failed", reason="missing_state")


@pytest.mark.parametrize("failure", ["bad_code", "token_500", "token_html", "token_garbage", "token_redirect"])
def test_a_token_that_is_not_given_ends_the_sign_in(simulator, there, browser, assert_refused, failure):
    assert_refused(browser.sign_in(failure=failure), "token_exchange_failed")
    assert f"GET {there.dialect.user}" not in simulator.requests
    assert "POST /elsewhere" not in simulator.requests


@WITH_USER_ENDPOINT
@pytest.mark.parametrize("failure", ["user_429", "user_html", "user_garbage", "user_huge"])
def test_a_person_whom_the_provider_does_not_describe_is_not_signed_in(browser, assert_refused, failure):
    assert_refused(browser.sign_in(failure=failure), "user_info_failed")


ID_TOKENS = ["missing", "garbage", "nonce", "no_nonce", "audience", "party", "issuer", "expired", "endless"]


@pytest.mark.parametrize("provider", ["google"])
@pytest.mark.parametrize("failure", ID_TOKENS)
def test_an_id_token_that_is_not_of_this_sign_in_signs_nobody_in(browser, assert_refused, failure):
    """OpenID Connect Core, 3.1.3.7 and 15.5.2."""
    assert_refused(browser.sign_in(failure=f"id_token_{failure}"), "user_info_failed")


@pytest.mark.parametrize(
    ("provider", "failure"),
    [
        ("x", "token_hang"),
        ("x", "token_drip"),
        ("x", "user_hang"),
        ("discord", "user_drip"),
        ("google", "token_hang"),
    ],
)
def test_a_provider_that_does_not_come_to_an_end_is_given_up_in_time(browser, settings, assert_refused, failure):
    settings.OAUTH_TIMEOUT_SECONDS = 0.2
    callback = browser.back(failure=failure)
    started = time.monotonic()
    response = browser.get(callback)
    assert 0.15 < time.monotonic() - started < 3
    assert_refused(response, "token_exchange_failed" if failure.startswith("token") else "user_info_failed")


def test_a_provider_that_cannot_be_reached_ends_the_sign_in(browser, settings, provider, assert_refused):
    callback = browser.back()
    setattr(settings, f"{provider.upper()}_TOKEN_URL", "http://127.0.0.1:1/token")
    assert_refused(browser.get(callback), "token_exchange_failed")


@ONLY_X
def test_while_the_provider_thinks_the_service_holds_no_transaction(simulator, live_browsers, settings, assert_refused):
    settings.OAUTH_TIMEOUT_SECONDS = 1
    browser = live_browsers[0]
    callback = browser.back(failure="token_hang")
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(browser.get, callback)
        wait_until(lambda: "POST /2/oauth2/token" in simulator.requests)
        with as_superuser(), connection.cursor() as cursor:
            cursor.execute(IN_TRANSACTION)
            assert cursor.fetchone() == (0,)
        assert not response.done()
    assert_refused(response.result(), "token_exchange_failed")


def test_a_failed_sign_in_can_be_begun_again(browser, assert_refused):
    assert_refused(browser.sign_in(failure="token_500"), "token_exchange_failed")
    assert target(browser.sign_in()) == SUCCESS


def test_without_a_client_the_frontend_is_told_at_once(simulator, browser, settings, provider, assert_refused):
    setattr(settings, f"{provider.upper()}_CLIENT_ID", "")
    assert_refused(browser.start(), "oauth_not_configured")
    assert_refused(browser.callback("?code=a&state=b"), "oauth_not_configured")
    for path, body in ((f"/auth/{provider}", {}), (f"/auth/{provider}/finish", FINISH)):
        refusal(browser.send(path, body), 400, "oauth_not_configured")
    assert simulator.requests == []
    assert not OAuthState.objects.exists()


def test_in_production_a_client_without_a_way_back_is_not_configured(browser, settings, provider, assert_refused):
    setattr(settings, f"{provider.upper()}_REDIRECT_URI", "")
    assert_refused(browser.start(), "oauth_not_configured")


def test_a_suspended_user_gets_no_tokens(browser, provider):
    browser.sign_in()
    User.objects.update(is_active=False, name="Kept")
    RefreshToken.objects.all().delete()
    assert_fails(browser.sign_in(), provider, "account_suspended")
    assert not RefreshToken.objects.exists()
    assert User.objects.get().name == "Kept"


def hide(table: str) -> None:
    """The database doesn't find the table until the test's transaction is taken back."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")


@ONLY_X
@pytest.mark.parametrize("table", ["oauth_states", "refresh_tokens", "oauth_accounts"])
def test_a_failing_database_is_told_and_leaves_no_half_user(browser, assert_refused, provider, table):
    callback = browser.back()
    hide(table)
    assert_fails(browser.get(callback), provider, "database_error")
    assert not User.objects.exists()


@ONLY_X
def test_a_database_that_fails_before_the_provider_is_told_too(browser, provider):
    hide("oauth_states")
    assert_fails(browser.start(), provider, "database_error")


def test_no_secret_code_token_or_verifier_is_ever_logged(there, new_browser, caplog):
    caplog.set_level("DEBUG")
    caplog.handler.setFormatter(None)
    secrets = {SECRET}
    for failure in ("", "bad_code", "token_garbage", "token_500", "user_429", "user_garbage", "id_token_nonce"):
        browser = new_browser()
        callback = browser.back(failure=failure)
        secrets |= set(OAuthState.objects.values_list("verifier", flat=True))
        response = browser.get(callback)
        secrets |= {value for name, value in told(response).items() if name in {"accessToken", "refreshToken"}}
    secrets |= there.grants._tokens.keys()
    assert len(secrets) >= 10
    assert any(record.name.startswith("accounts.providers") for record in caplog.records)
    for record in caplog.records:
        text = caplog.handler.format(record)
        assert not [secret for secret in secrets if secret in text], record.name
