"""The whole way over HTTP: to X, back, and to the frontend with tokens."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib import admin

from accounts import rules
from accounts.models import RefreshToken, User
from accounts.x.models import OAuthState
from devtools.simulators.x import XUser
from tests.accounts.x.browser import target, told
from tests.accounts.x.conftest import CLIENT_ID, FRONTEND, with_app


def test_a_first_sign_in_makes_a_user_with_tokens_that_work(browser):
    response = browser.sign_in(**{"as": "ada_l"})
    assert target(response) == f"{FRONTEND}/auth/callback"
    assert told(response).keys() == {"accessToken", "refreshToken", "userId"}
    user = User.objects.get()
    assert told(response)["userId"] == str(user.pk)
    assert (user.username, user.name, user.email) == ("ada_l", "Ada Lovelace", "1001@x.oauth")
    assert (user.x_username, user.has_usable_password()) == ("ada_l", False)
    assert user.last_login_at is not None
    me = browser.me(told(response)["accessToken"])
    assert me.status_code == 200
    assert me.json()["user"]["id"] == str(user.pk)
    assert RefreshToken.objects.get().user_agent == "A browser"


def test_the_avatar_is_the_larger_variant(x, browser):
    x.users.add(XUser("77", "pic", "Pic", "https://pbs.twimg.com/profile_images/1/abc_normal.jpg"))
    browser.sign_in(**{"as": "pic"})
    assert User.objects.get().avatar_url == "https://pbs.twimg.com/profile_images/1/abc_400x400.jpg"


@pytest.mark.parametrize("url", ["http://pbs.twimg.com/a_normal.jpg", "javascript:alert(1)", "https://", "x" * 600])
def test_an_avatar_that_is_no_https_address_is_left_out(x, browser, url):
    x.users.add(XUser("77", "pic", "Pic", url))
    browser.sign_in(**{"as": "pic"})
    assert User.objects.get().avatar_url == ""


def test_a_later_sign_in_updates_name_avatar_and_x_username_but_never_the_username(x, new_browser):
    x.users.add(XUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    first = told(new_browser().sign_in(**{"as": "before"}))
    x.users.add(XUser("77", "after", "After", "https://pbs.twimg.com/2_normal.jpg"))
    second = told(new_browser().sign_in(**{"as": "after"}))
    assert first["userId"] == second["userId"]
    user = User.objects.get()
    assert (user.username, user.x_username, user.name) == ("before", "after", "After")
    assert user.avatar_url == "https://pbs.twimg.com/2_400x400.jpg"


def test_a_sign_in_restores_a_deleted_account_and_says_so(live_server, new_browser):
    tokens = told(new_browser().sign_in(**{"as": "ada_l"}))
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    assert requests.delete(f"{live_server.url}/api/v1/users/me", headers=headers, timeout=30).status_code == 200
    assert User.objects.get().is_leaving
    again = told(new_browser().sign_in(**{"as": "ada_l"}))
    assert (again["userId"], again["restored"]) == (tokens["userId"], "true")
    assert User.objects.get().is_active
    assert "restored" not in told(new_browser().sign_in(**{"as": "ada_l"}))


@pytest.mark.parametrize("avatar", ["https://example.com/own.png", ""], ids=["replaced", "removed"])
def test_a_later_sign_in_keeps_what_the_person_edited(x, new_browser, avatar):
    x.users.add(XUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    tokens = told(new_browser().sign_in(**{"as": "before"}))
    edited = {"name": "My Own", "avatarUrl": avatar, "username": "my_own"}
    new_browser().edit(tokens["accessToken"], **edited)
    x.users.add(XUser("77", "after", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "after"})
    user = User.objects.get()
    assert (user.name, user.avatar_url, user.username, user.x_username) == ("My Own", avatar, "my_own", "after")


def test_a_form_that_sends_everything_back_chooses_nothing(x, new_browser):
    x.users.add(XUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    browser = new_browser()
    tokens = told(browser.sign_in(**{"as": "before"}))
    shown = browser.me(tokens["accessToken"]).json()["user"]
    browser.edit(tokens["accessToken"], name=shown["name"], avatarUrl=shown["avatarUrl"], bio="Now with a bio.")
    x.users.add(XUser("77", "before", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "before"})
    user = User.objects.get()
    assert (user.name, user.avatar_url) == ("After", "https://pbs.twimg.com/2_400x400.jpg")


def test_what_the_person_did_not_edit_is_still_taken_over(x, new_browser):
    x.users.add(XUser("77", "before", "Before"))
    new_browser().edit(told(new_browser().sign_in(**{"as": "before"}))["accessToken"], name="My Own")
    x.users.add(XUser("77", "before", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "before"})
    user = User.objects.get()
    assert (user.name, user.avatar_url) == ("My Own", "https://pbs.twimg.com/2_400x400.jpg")


def test_a_handle_that_is_reserved_gets_digits(x, browser):
    x.users.add(XUser("77", "Supp0rt", "Support"))
    browser.sign_in(**{"as": "Supp0rt"})
    assert re.fullmatch(r"Supp0rt\d+", User.objects.get().username)


def test_a_handle_with_a_refused_word_is_left_out(x, browser, monkeypatch):
    monkeypatch.setattr(rules, "REFUSED_USERNAME_WORDS", ["darn"])
    x.users.add(XUser("77", "DARN_it", "Somebody"))
    browser.sign_in(**{"as": "DARN_it"})
    assert re.fullmatch(r"x_\d{12}", User.objects.get().username)


def test_x_is_asked_for_the_scopes_and_the_challenge_of_the_contract(browser, settings):
    page = urlsplit(browser.start().headers["Location"])
    assert f"{page.scheme}://{page.netloc}{page.path}" == settings.X_AUTHORIZE_URL
    asked = dict(parse_qsl(page.query))
    assert set(asked.pop("scope").split()) == {"tweet.read", "users.read", "offline.access"}
    assert len(asked.pop("state")) == 43
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": settings.X_REDIRECT_URI,
        "code_challenge_method": "S256",
    }


def test_the_verifier_that_x_checks_against_the_challenge_never_passes_through_the_browser(browser):
    page = browser.start().headers["Location"]
    verifier = OAuthState.objects.get().verifier
    assert len(verifier) >= 43
    assert verifier not in page
    assert verifier not in str(list(browser.cookies))


def test_a_verifier_that_does_not_fit_the_challenge_is_refused_by_x(browser):
    callback = browser.back_from_x()
    OAuthState.objects.update(verifier="w" * 64)
    assert told(browser.get(callback))["error"] == "token_exchange_failed"


def test_the_database_holds_neither_the_state_nor_the_cookie_nor_xs_tokens(browser):
    page = browser.start().headers["Location"]
    row = OAuthState.objects.get()
    state, cookie = dict(parse_qsl(urlsplit(page).query))["state"], next(iter(browser.cookies)).value
    assert not {state, cookie} & {row.state_hash, row.browser_hash}
    browser.get(browser.choose(page, **{"as": "ada_l"}))
    account = SocialAccount.objects.get()
    assert (account.provider, account.uid, account.extra_data) == ("twitter_oauth2", "1001", {})
    assert not SocialToken.objects.exists()
    assert not OAuthState.objects.exists()


def test_the_service_speaks_to_x_just_twice(x, browser):
    browser.sign_in()
    ours = [asked for asked in x.requests if "oauth2/authorize" not in asked]
    assert ours == ["POST /2/oauth2/token", "GET /2/users/me"]


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(browser):
    cookie = browser.start().headers["Set-Cookie"]
    assert cookie.startswith("x-sign-in=")
    for flag in ("HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"):
        assert flag in cookie
    assert "Secure" not in cookie


def test_in_production_the_cookie_is_secure_and_no_other_host_can_set_it(browser, settings):
    settings.SESSION_COOKIE_SECURE = True
    cookie = browser.start().headers["Set-Cookie"]
    assert cookie.startswith("__Host-x-sign-in=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_two_sign_ins_in_two_tabs_of_one_browser_both_work(browser):
    first, second = (browser.start().headers["Location"] for _ in range(2))
    responses = [browser.get(browser.choose(page, **{"as": "ada_l"})) for page in (first, second)]
    assert {target(response) for response in responses} == {f"{FRONTEND}/auth/callback"}


def test_neither_response_may_be_cached_or_named_to_the_next_site(browser):
    started = browser.start()
    back = browser.get(browser.choose(started.headers["Location"]))
    for response in (started, back, browser.callback("?error=access_denied")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_looking_with_head_uses_nothing_up(browser):
    callback = browser.back_from_x()
    assert browser.head(callback).status_code == 405
    assert target(browser.get(callback)) == f"{FRONTEND}/auth/callback"


def test_a_client_without_a_secret_names_itself_in_the_body(x, browser, settings):
    x.endpoints._client_secret = ""
    settings.SOCIALACCOUNT_PROVIDERS = with_app(settings, client_id=CLIENT_ID, secret="")
    assert target(browser.sign_in()) == f"{FRONTEND}/auth/callback"


def test_no_page_of_allauth_is_served(browser, live_server):
    for path in ("accounts/login/", "accounts/signup/", "twitter_oauth2/login/", "accounts/twitter_oauth2/login/"):
        assert browser.get(f"{live_server.url}/{path}").status_code == 404


def test_the_admin_shows_none_of_allauths_models():
    assert not [model for model in admin.site._registry if model.__module__.startswith("allauth.")]
