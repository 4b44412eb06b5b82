"""What the e-mail address of a provider's account is good for: a new user's own, and never somebody else's account."""

import pytest

from accounts.models import Mail, User
from accounts.providers.models import OAuthAccount
from devtools.simulators.providers import ProviderUser
from tests.accounts.factories import PASSWORD, sign_up, sign_up_verified, success
from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import SUCCESS, assert_fails

WITH_EMAIL = pytest.mark.parametrize("provider", ["google", "discord"])
ADDRESS = "ada@engines.example"


def sign_in_user(browser, name: str = "ada_l") -> User:
    response = browser.sign_in(**{"as": name})
    assert target(response) == SUCCESS
    return User.objects.get(pk=told(response)["userId"])


@WITH_EMAIL
def test_a_verified_address_becomes_a_new_users_and_counts_as_verified(browser):
    user = sign_in_user(browser)
    assert (user.email, user.email_verified_at is not None) == (ADDRESS, True)
    assert not Mail.objects.exists()


@WITH_EMAIL
def test_an_address_that_is_not_verified_there_is_nobodys(browser, provider):
    user = sign_in_user(browser, "alan_t")
    assert (user.email, user.email_verified_at) == (f"1003@{provider}.oauth", None)
    assert OAuthAccount.objects.get().email == "alan@machines.example"
    assert User.objects.with_email("alan@machines.example").first() is None
    # Nor is a mail sent where a stranger's name may have been given.
    assert not Mail.objects.exists()


@WITH_EMAIL
@pytest.mark.parametrize("address", [ADDRESS, "ADA@Engines.Example"])
def test_a_verified_address_of_somebody_who_verified_it_here_makes_no_second_account_and_opens_none(
    browser, provider, address
):
    owner = sign_up_verified("ada_k", email=address).user
    assert_fails(browser.sign_in(**{"as": "ada_l"}), provider, "oauth_failed", reason="email_taken")
    assert User.objects.get() == owner
    assert not OAuthAccount.objects.exists()


@WITH_EMAIL
def test_the_frontend_that_finishes_is_told_the_same(browser, new_browser):
    sign_up_verified("ada_k", email=ADDRESS)
    begun = browser.begin()
    handed_on = told(new_browser().get(browser.choose(begun["url"], **{"as": "ada_l"})))
    response = browser.finish(begun["finishCode"], handed_on)
    assert (response.status_code, response.json()["code"]) == (409, "email_taken")


@WITH_EMAIL
def test_its_owner_links_the_account_while_signed_in_and_then_signs_in_with_it(browser):
    owner = sign_up_verified("ada_k", email=ADDRESS)
    success(browser.link(owner.tokens.access, **{"as": "ada_l"}))
    assert sign_in_user(browser) == owner.user


@WITH_EMAIL
def test_who_signed_up_with_anothers_address_neither_gets_their_sign_in_nor_keeps_them_out(browser, provider):
    """An account that waits for its victim: they may have signed up with the address, but never verified it."""
    squatter = sign_up("squatter", email=ADDRESS).user
    user = sign_in_user(browser)
    assert user != squatter
    assert (user.email, user.email_verified_at is not None) == (f"1001@{provider}.oauth", True)
    squatter.refresh_from_db()
    assert (squatter.email, squatter.email_verified_at) == (ADDRESS, None)


@WITH_EMAIL
def test_an_address_that_is_not_verified_there_opens_nothing_here(browser):
    owner = sign_up_verified("ada_k", email="alan@machines.example").user
    assert sign_in_user(browser, "alan_t") != owner


@WITH_EMAIL
def test_linking_verifies_no_address_and_changes_none(browser):
    """Else one account at a provider would verify any number of users, one after the other."""
    for address in ("other@example.com", ADDRESS):
        who = sign_up(email=address)
        success(browser.link(who.tokens.access, **{"as": "ada_l"}))
        who.user.refresh_from_db()
        assert (who.user.email, who.user.email_verified_at) == (address, None)
        success(browser.unlink(who.tokens.access))


@WITH_EMAIL
def test_an_address_that_changes_there_changes_nothing_here(there, browser):
    user = sign_in_user(browser)
    somebody = sign_up_verified("somebody", email="victim@example.com").user
    there.users.add(ProviderUser("1001", "ada_l", "Ada", email="victim@example.com"))
    assert sign_in_user(browser) == user
    user.refresh_from_db()
    assert user.email == ADDRESS
    assert User.objects.with_email("victim@example.com").get() == somebody


@pytest.mark.parametrize("provider", ["discord"])
def test_no_password_opens_an_account_without_one(browser):
    """A user without a password signs in with the provider alone."""
    user = sign_in_user(browser)
    body = {"email": user.email, "password": PASSWORD}
    assert browser.send("/auth/login", body).status_code == 401
