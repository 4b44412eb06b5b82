"""The whole way: to the provider, back, and to the frontend with tokens."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from allauth.socialaccount.models import SocialToken
from django.contrib import admin
from django.utils import timezone

from accounts import rules, services
from accounts.models import RefreshToken, User
from accounts.providers.models import OAuthAccount, OAuthState
from devtools.simulators.providers import ProviderUser
from tests.accounts.providers.browser import set_cookie, target, told
from tests.accounts.providers.conftest import SUCCESS

ONLY_X = pytest.mark.parametrize("provider", ["x"])
SCOPES = {
    "x": {"tweet.read", "users.read", "offline.access"},
    "google": {"openid", "email", "profile"},
    "discord": {"identify", "email"},
}
# What each makes of the simulator's Ada: username, e-mail and avatar.
ADA = {
    "x": ("ada_l", "1001@x.oauth", "https://abs.twimg.com/sticky/default_profile_images/default_profile_400x400.png"),
    "google": (
        "AdaLovelace",
        "ada@engines.example",
        "https://abs.twimg.com/sticky/default_profile_images/default_profile_normal.png",
    ),
    "discord": (
        "ada_l",
        "ada@engines.example",
        "https://cdn.discordapp.com/avatars/1001/default_profile_normal.png",
    ),
}


def test_a_first_sign_in_makes_a_user_with_tokens_that_work(browser, provider):
    response = browser.sign_in(**{"as": "ada_l"})
    assert target(response) == SUCCESS
    assert told(response).keys() == {"accessToken", "refreshToken", "userId"}
    user = User.objects.get()
    assert told(response)["userId"] == str(user.pk)
    assert (user.username, user.email, user.avatar_url) == ADA[provider]
    assert (user.name, user.has_usable_password()) == ("Ada Lovelace", False)
    assert user.x_username == ("ada_l" if provider == "x" else "")
    assert user.last_login_at is not None
    assert user.email_verified_at is not None
    me = browser.me(told(response)["accessToken"])
    assert me.status_code == 200
    assert me.json()["user"]["id"] == str(user.pk)
    assert RefreshToken.objects.get().user_agent == "A browser"


def test_a_sign_in_restores_a_deleted_account_and_says_so(new_browser):
    tokens = told(new_browser().sign_in(**{"as": "ada_l"}))
    user = User.objects.get()
    services.leave(user_id=user.pk, password="", now=timezone.now())
    assert User.objects.get().is_leaving
    again = told(new_browser().sign_in(**{"as": "ada_l"}))
    assert (again["userId"], again["restored"]) == (tokens["userId"], "true")
    assert User.objects.get().is_active
    assert "restored" not in told(new_browser().sign_in(**{"as": "ada_l"}))


def test_what_the_provider_said_is_kept_as_last_seen_and_none_of_its_tokens(there, new_browser, provider):
    page = new_browser().start().headers["Location"]
    first = OAuthState.objects.get()
    browser = new_browser()
    page = browser.start().headers["Location"]
    row = OAuthState.objects.exclude(pk=first.pk).get()
    state = dict(parse_qsl(urlsplit(page).query))["state"]
    assert not {state, browser.cookie} & {row.state_hash, row.browser_hash}
    browser.get(browser.choose(page, **{"as": "ada_l"}))
    made = OAuthAccount.objects.get()
    assert (made.provider, made.provider_account_id, made.name) == (provider, "1001", "Ada Lovelace")
    assert made.username == ("" if provider == "google" else "ada_l")
    assert made.email == ("" if provider == "x" else "ada@engines.example")
    there.users.add(ProviderUser("1001", "ada_new", "Ada King", email="king@engines.example"))
    new_browser().sign_in(**{"as": "ada_new"})
    seen = OAuthAccount.objects.get()
    assert (seen.name, seen.linked_at) == ("Ada King", made.linked_at)
    assert seen.email == ("" if provider == "x" else "king@engines.example")
    assert seen.last_used_at > made.last_used_at
    assert User.objects.get().email == ADA[provider][1]
    assert not SocialToken.objects.exists()
    assert OAuthState.objects.get() == first


@ONLY_X
@pytest.mark.parametrize("url", ["http://pbs.twimg.com/a_normal.jpg", "javascript:alert(1)", "https://", "x" * 600])
def test_an_avatar_that_is_no_https_address_is_left_out(there, browser, url):
    there.users.add(ProviderUser("77", "pic", "Pic", url))
    browser.sign_in(**{"as": "pic"})
    assert User.objects.get().avatar_url == ""


@ONLY_X
def test_a_later_sign_in_updates_name_avatar_and_x_username_but_never_the_username(there, new_browser):
    there.users.add(ProviderUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    first = told(new_browser().sign_in(**{"as": "before"}))
    there.users.add(ProviderUser("77", "after", "After", "https://pbs.twimg.com/2_normal.jpg"))
    second = told(new_browser().sign_in(**{"as": "after"}))
    assert first["userId"] == second["userId"]
    user = User.objects.get()
    assert (user.username, user.x_username, user.name) == ("before", "after", "After")
    assert user.avatar_url == "https://pbs.twimg.com/2_400x400.jpg"


@pytest.mark.parametrize("avatar", ["https://example.com/own.png", ""], ids=["replaced", "removed"])
def test_a_later_sign_in_keeps_what_the_person_edited(there, new_browser, avatar):
    there.users.add(ProviderUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    tokens = told(new_browser().sign_in(**{"as": "before"}))
    edited = {"name": "My Own", "avatarUrl": avatar, "username": "my_own"}
    new_browser().edit(tokens["accessToken"], **edited)
    there.users.add(ProviderUser("77", "after", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "after"})
    user = User.objects.get()
    assert (user.name, user.avatar_url, user.username) == ("My Own", avatar, "my_own")


def test_a_form_that_sends_everything_back_chooses_nothing(there, new_browser):
    there.users.add(ProviderUser("77", "before", "Before", "https://pbs.twimg.com/1_normal.jpg"))
    browser = new_browser()
    tokens = told(browser.sign_in(**{"as": "before"}))
    shown = browser.me(tokens["accessToken"]).json()["user"]
    browser.edit(tokens["accessToken"], name=shown["name"], avatarUrl=shown["avatarUrl"], bio="Now with a bio.")
    there.users.add(ProviderUser("77", "before", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "before"})
    user = User.objects.get()
    assert user.name == "After"
    assert "/2_" in user.avatar_url


def test_what_the_person_did_not_edit_is_still_taken_over(there, new_browser):
    there.users.add(ProviderUser("77", "before", "Before"))
    new_browser().edit(told(new_browser().sign_in(**{"as": "before"}))["accessToken"], name="My Own")
    there.users.add(ProviderUser("77", "before", "After", "https://pbs.twimg.com/2_normal.jpg"))
    new_browser().sign_in(**{"as": "before"})
    user = User.objects.get()
    assert user.name == "My Own"
    assert "/2_" in user.avatar_url


@ONLY_X
def test_a_handle_that_is_reserved_gets_digits(there, browser):
    there.users.add(ProviderUser("77", "Supp0rt", "Support"))
    browser.sign_in(**{"as": "Supp0rt"})
    assert re.fullmatch(r"Supp0rt\d+", User.objects.get().username)


def test_a_handle_with_a_refused_word_is_left_out(there, browser, provider, monkeypatch):
    monkeypatch.setattr(rules, "REFUSED_USERNAME_WORDS", ["darn"])
    there.users.add(ProviderUser("77", "DARN_it", "Darn it"))
    browser.sign_in(**{"as": "DARN_it"})
    assert re.fullmatch(provider + r"_\d{12}", User.objects.get().username)


def test_the_provider_is_asked_for_its_scopes_and_with_a_challenge(browser, provider, settings):
    page = urlsplit(browser.start().headers["Location"])
    assert f"{page.scheme}://{page.netloc}{page.path}" == getattr(settings, f"{provider.upper()}_AUTHORIZE_URL")
    asked = dict(parse_qsl(page.query))
    assert set(asked.pop("scope").split()) == SCOPES[provider]
    assert len(asked.pop("state")) == 43
    assert len(asked.pop("code_challenge")) == 43
    assert len(asked.pop("nonce", "")) == (64 if provider == "google" else 0)
    assert asked == {
        "response_type": "code",
        "client_id": "simulator",
        "redirect_uri": f"http://localhost/api/v1/auth/{provider}/callback",
        "code_challenge_method": "S256",
    }


def test_the_verifier_that_is_checked_against_the_challenge_never_passes_through_the_browser(browser):
    page = browser.start().headers["Location"]
    verifier = OAuthState.objects.get().verifier
    assert len(verifier) >= 43
    assert verifier not in page
    assert verifier != browser.cookie


def test_a_verifier_that_does_not_fit_the_challenge_is_refused_by_the_provider(browser):
    callback = browser.back()
    OAuthState.objects.update(verifier="w" * 64)
    assert told(browser.get(callback))["error"] == "token_exchange_failed"


def test_the_service_speaks_to_the_provider_no_more_than_it_must(simulator, there, browser):
    browser.sign_in()
    ours = [asked for asked in simulator.requests if there.dialect.authorize not in asked]
    user = [] if there.dialect.has_id_token else [f"GET {there.dialect.user}"]
    assert ours == [f"POST {there.dialect.token}", *user]


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(browser, provider):
    cookie = set_cookie(browser.start())
    assert cookie.startswith(f"{provider}-sign-in=")
    for flag in ("HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"):
        assert flag in cookie
    assert "Secure" not in cookie


def test_in_production_the_cookie_is_secure_and_no_other_host_can_set_it(browser, provider, settings):
    settings.SESSION_COOKIE_SECURE = True
    cookie = set_cookie(browser.start())
    assert cookie.startswith(f"__Host-{provider}-sign-in=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_two_sign_ins_in_two_tabs_of_one_browser_both_work(browser):
    first, second = (browser.start().headers["Location"] for _ in range(2))
    responses = [browser.get(browser.choose(page, **{"as": "ada_l"})) for page in (first, second)]
    assert {target(response) for response in responses} == {SUCCESS}


def test_neither_response_may_be_cached_or_named_to_the_next_site(browser):
    started = browser.start()
    back = browser.get(browser.choose(started.headers["Location"]))
    for response in (started, back, browser.callback("?error=access_denied")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_looking_with_head_uses_nothing_up(browser):
    callback = browser.back()
    assert browser.get(callback, method="HEAD").status_code == 405
    assert target(browser.get(callback)) == SUCCESS


@ONLY_X
def test_a_client_of_x_without_a_secret_names_itself_in_the_body(there, browser, settings):
    there._client_secret = settings.X_CLIENT_SECRET = ""
    assert target(browser.sign_in()) == SUCCESS


@pytest.mark.parametrize("provider", ["google", "discord"])
def test_a_client_of_others_without_a_secret_is_not_configured(browser, provider, settings):
    setattr(settings, f"{provider.upper()}_CLIENT_SECRET", "")
    assert told(browser.start())["error"] == "oauth_not_configured"


def test_no_page_of_allauth_is_served(browser, provider):
    for path in ("/accounts/login/", "/accounts/signup/", f"/{provider}/login/", f"/accounts/{provider}/login/"):
        assert browser.get(path).status_code == 404


def test_the_admin_shows_none_of_allauths_models():
    assert not [model for model in admin.site._registry if model.__module__.startswith("allauth.")]


@ONLY_X
def test_providers_are_listed_with_whether_they_are_configured(browser, settings):
    settings.GOOGLE_CLIENT_ID = ""
    response = browser.get("/api/v1/auth/providers")
    assert response.json()["providers"] == [
        {"id": "x", "name": "X", "configured": True},
        {"id": "google", "name": "Google", "configured": False},
        {"id": "discord", "name": "Discord", "configured": True},
    ]
    assert response.headers["ETag"]


@ONLY_X
def test_a_provider_that_there_is_none_of_is_not_found(browser):
    for path in ("/auth/github", "/auth/github/callback", "/auth/X", "/auth/x/elsewhere"):
        assert browser.get(f"/api/v1{path}").status_code == 404
