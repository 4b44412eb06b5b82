"""Linked accounts: GET, POST and DELETE of /users/me/connections, by the signed-in user alone."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.models import Mail, User
from accounts.providers.models import FormerOAuthAccount, OAuthAccount, OAuthState
from devtools.simulators.providers import ProviderUser
from tests.accounts.factories import USERS, bearer, faults, refusal, sign_up, sign_up_verified, success
from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import FRONTEND, SUCCESS
from tests.concurrently import all_at_once

ONLY_X = pytest.mark.parametrize("provider", ["x"])


@pytest.fixture
def ann(db):
    """Who signed up with a password."""
    return sign_up_verified("ann")


@pytest.fixture
def token(ann) -> str:
    return ann.tokens.access


def linked() -> list[tuple]:
    return list(OAuthAccount.objects.order_by("provider").values_list("user__username", "provider"))


class TestLinking:
    def test_a_linked_account_signs_the_user_in(self, browser, new_browser, ann, token, provider):
        connection = success(browser.link(token, **{"as": "grace_h"}))["connection"]
        assert (connection["provider"], connection["name"]) == (provider, "Grace Hopper")
        assert connection["canBeRemoved"] is True
        assert linked() == [("ann", provider)]
        response = new_browser().sign_in(**{"as": "grace_h"})
        assert (target(response), told(response)["userId"]) == (SUCCESS, str(ann.user.pk))
        assert User.objects.count() == 1

    def test_the_owner_of_a_verified_address_is_told_of_it_and_of_the_end(self, browser, ann, token):
        told_by_mail = Mail.objects.filter(kind=Mail.Kind.LINKED_ACCOUNTS_CHANGED)
        success(browser.link(token))
        assert told_by_mail.get().address == ann.user.email
        told_by_mail.delete()
        success(browser.unlink(token))
        assert told_by_mail.get().address == ann.user.email

    def test_it_changes_nothing_of_the_profile_now_or_later(self, browser, new_browser, ann, token, provider):
        success(browser.link(token, **{"as": "grace_h"}))
        new_browser().sign_in(**{"as": "grace_h"})
        shown = (ann.user.name, ann.user.username, ann.user.email, ann.user.avatar_url)
        ann.user.refresh_from_db()
        assert (ann.user.name, ann.user.username, ann.user.email, ann.user.avatar_url) == shown
        assert ann.user.x_username == ("grace_h" if provider == "x" else "")

    def test_the_callback_leads_to_the_frontend_in_any_browser_and_links_nothing_itself(
        self, browser, new_browser, token, provider
    ):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        back = new_browser().get(browser.choose(begun["url"]))
        assert target(back) == f"{FRONTEND}/auth/connect"
        assert told(back).keys() == {"provider", "code", "state"}
        assert linked() == []
        success(browser.finish_linking(token, begun["finishCode"], told(back)))
        assert linked() == [("ann", provider)]

    def test_a_victim_who_opens_an_attackers_address_links_nothing(self, browser, new_browser, token, provider):
        """Else the victim's sign-ins would end in the attacker's account, or the attacker's in the victim's."""
        victim = sign_up("victim")
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        handed_on = told(new_browser().get(browser.choose(begun["url"], **{"as": "grace_h"})))
        finish = begun["finishCode"]
        mine = success(browser.send(f"/users/me/connections/{provider}", token=victim.tokens.access))["finishCode"]
        for who, code in ((victim.tokens.access, mine), (victim.tokens.access, finish), (token, mine)):
            refusal(browser.finish_linking(who, code, handed_on), 400, "state_expired")
        assert linked() == []

    def test_nothing_of_it_signs_anybody_in_and_nothing_of_a_sign_in_links(self, browser, new_browser, token, provider):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        handed_on = told(new_browser().get(browser.choose(begun["url"])))
        refusal(browser.finish(begun["finishCode"], handed_on), 400, "state_expired")
        signing_in = browser.begin()
        handed_on = told(new_browser().get(browser.choose(signing_in["url"])))
        refusal(browser.finish_linking(token, signing_in["finishCode"], handed_on), 400, "state_expired")
        assert (linked(), User.objects.count()) == ([], 1)

    def test_it_is_finished_once_and_within_ten_minutes(self, browser, token, provider):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        handed_on = told(browser.get(browser.choose(begun["url"])))
        OAuthState.objects.update(expires_at=datetime.now(UTC))
        refusal(browser.finish_linking(token, begun["finishCode"], handed_on), 400, "state_expired")
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        handed_on = told(browser.get(browser.choose(begun["url"])))
        success(browser.finish_linking(token, begun["finishCode"], handed_on))
        refusal(browser.finish_linking(token, begun["finishCode"], handed_on), 400, "state_expired")

    def test_an_account_of_another_user_is_refused(self, browser, new_browser, token, provider):
        new_browser().sign_in(**{"as": "grace_h"})
        before = list(OAuthAccount.objects.values())
        refusal(browser.link(token, **{"as": "grace_h"}), 409, "connection_taken")
        assert list(OAuthAccount.objects.values()) == before

    def test_there_is_one_of_each_provider(self, browser, token, provider):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        success(browser.link(token, **{"as": "grace_h"}))
        refusal(browser.send(f"/users/me/connections/{provider}", token=token), 409, "already_connected")
        handed_on = told(browser.get(browser.choose(begun["url"], **{"as": "ada_l"})))
        refusal(browser.finish_linking(token, begun["finishCode"], handed_on), 409, "already_connected")
        assert OAuthAccount.objects.get().name == "Grace Hopper"

    def test_the_same_account_again_is_brought_up_to_date(self, there, browser, token, provider):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        success(browser.link(token, **{"as": "grace_h"}))
        there.users.add(ProviderUser("1002", "grace_h", "Rear Admiral Hopper", email="grace@ships.example"))
        handed_on = told(browser.get(browser.choose(begun["url"], **{"as": "grace_h"})))
        connection = success(browser.finish_linking(token, begun["finishCode"], handed_on))["connection"]
        assert connection["name"] == "Rear Admiral Hopper"

    def test_who_denies_it_comes_back_with_that(self, browser, token, provider):
        begun = success(browser.send(f"/users/me/connections/{provider}", token=token))
        assert told(browser.get(browser.choose(begun["url"], deny="1")))["error"] == "oauth_cancelled"
        assert linked() == []

    @pytest.mark.parametrize("failure", ["token_500", "token_garbage"])
    def test_what_the_provider_refuses_is_told(self, browser, token, failure):
        refusal(browser.link(token, failure=failure), 400, "token_exchange_failed")
        assert linked() == []

    def test_a_provider_that_is_not_configured_is_said_to_be_that(self, browser, token, provider, settings):
        setattr(settings, f"{provider.upper()}_CLIENT_ID", "")
        refusal(browser.send(f"/users/me/connections/{provider}", token=token), 400, "oauth_not_configured")

    @ONLY_X
    def test_of_two_users_who_link_one_account_at_once_one_has_it(self, live_browsers):
        users = [sign_up(f"user_{number}") for number in range(4)]
        begun = [
            (tab, who, success(tab.send("/users/me/connections/x", token=who.tokens.access)))
            for tab, who in zip(live_browsers, users, strict=True)
        ]
        ready = [(tab, who, each, told(tab.get(tab.choose(each["url"])))) for tab, who, each in begun]

        def finish() -> int:
            tab, who, each, handed_on = ready.pop()
            return tab.finish_linking(who.tokens.access, each["finishCode"], handed_on).status_code

        assert sorted(all_at_once(finish, 4)) == [200, 409, 409, 409]
        assert OAuthAccount.objects.count() == 1


class TestList:
    def test_it_says_who_one_is_there_and_when_it_was_used(self, browser, new_browser, token, provider):
        assert browser.connections(token)["connections"] == []
        success(browser.link(token, **{"as": "grace_h"}))
        new_browser().sign_in(**{"as": "grace_h"})
        found = browser.connections(token)
        (connection,) = found["connections"]
        assert connection["username"] == ("" if provider == "google" else "grace_h")
        assert connection["email"] == ("" if provider == "x" else "grace@ships.example")
        assert connection["lastUsedAt"] > connection["linkedAt"]
        assert found["hasPassword"] is True

    @ONLY_X
    def test_it_is_ones_own_in_the_order_of_linking_at_a_constant_number_of_statements(
        self, new_browser, token, django_assert_max_num_queries
    ):
        new_browser().sign_in(**{"as": "ada_l"})
        for provider in ("google", "x", "discord"):
            success(new_browser(provider).link(token, **{"as": "grace_h"}))
        with django_assert_max_num_queries(2):
            found = new_browser().connections(token)["connections"]
        assert [each["provider"] for each in found] == ["google", "x", "discord"]
        assert {each["name"] for each in found} == {"Grace Hopper"}


class TestUnlinking:
    def test_the_account_signs_the_user_in_no_more(self, browser, new_browser, ann, token, provider):
        success(browser.link(token, **{"as": "grace_h"}))
        success(browser.unlink(token))
        assert linked() == []
        ann.user.refresh_from_db()
        assert ann.user.x_username == ""
        assert told(new_browser().sign_in(**{"as": "grace_h"}))["userId"] != str(ann.user.pk)
        assert browser.me(token).status_code == 200

    def test_it_may_be_linked_again(self, browser, token, provider):
        for _ in range(2):
            success(browser.link(token, **{"as": "grace_h"}))
            success(browser.unlink(token))
        assert FormerOAuthAccount.objects.count() == 1
        assert "1002" not in str(FormerOAuthAccount.objects.values())

    def test_a_new_user_of_an_account_that_was_unlinked_does_not_count_as_verified(self, browser, new_browser, token):
        success(browser.link(token, **{"as": "grace_h"}))
        success(browser.unlink(token))
        again = told(new_browser().sign_in(**{"as": "grace_h"}))["userId"]
        assert User.objects.get(pk=again).email_verified_at is None

    def test_the_last_way_to_sign_in_stays(self, browser, provider):
        token = told(browser.sign_in(**{"as": "grace_h"}))["accessToken"]
        found = browser.connections(token)
        assert (found["connections"][0]["canBeRemoved"], found["hasPassword"]) == (False, False)
        refusal(browser.unlink(token), 409, "last_sign_in_method")
        assert OAuthAccount.objects.count() == 1
        assert target(browser.sign_in(**{"as": "grace_h"})) == SUCCESS

    def test_another_account_is_another_way_as_long_as_its_provider_is_offered(
        self, browser, new_browser, provider, settings
    ):
        other = "google" if provider == "x" else "x"
        token = told(browser.sign_in(**{"as": "grace_h"}))["accessToken"]
        success(new_browser(other).link(token, **{"as": "ada_l"}))
        setattr(settings, f"{other.upper()}_CLIENT_ID", "")
        refusal(browser.unlink(token), 409, "last_sign_in_method")
        setattr(settings, f"{other.upper()}_CLIENT_ID", "simulator")
        success(browser.unlink(token))
        refusal(new_browser(other).unlink(token), 409, "last_sign_in_method")

    def test_none_of_that_provider_is_not_found_nor_is_anothers(self, browser, new_browser, token):
        new_browser().sign_in(**{"as": "grace_h"})
        refusal(browser.unlink(token), 404, "connection_not_found")
        assert OAuthAccount.objects.count() == 1

    @ONLY_X
    def test_of_two_accounts_unlinked_at_once_one_stays(self, live_browsers, simulator):
        browser = live_browsers[0]
        token = told(browser.sign_in(**{"as": "grace_h"}))["accessToken"]
        user = User.objects.get()
        now = datetime.now(UTC)
        OAuthAccount.objects.create(
            user=user, provider="google", provider_account_id="1", linked_at=now, last_used_at=now
        )
        paths = ["x", "google"] * 2

        def unlink() -> int:
            headers = bearer(token)
            return Client().delete(f"{USERS}/me/connections/{paths.pop()}", headers=headers).status_code

        assert min(all_at_once(unlink, 4)) == 200
        assert OAuthAccount.objects.count() == 1


@ONLY_X
def test_who_is_not_signed_in_sees_and_does_nothing(browser, provider):
    path = f"/users/me/connections/{provider}"
    for method, where in (
        ("GET", "/users/me/connections"),
        ("POST", path),
        ("DELETE", path),
        ("POST", f"{path}/finish"),
    ):
        for token in ("", "nonsense"):
            assert browser.send(where, {}, method=method, token=token).status_code == 401
    assert not OAuthState.objects.exists()


@ONLY_X
def test_bad_input_is_named(browser, token):
    assert faults(browser.send("/users/me/connections/x/finish", {}, token=token)) == {
        "finishCode": "required",
        "code": "required",
        "state": "required",
    }
    assert browser.send("/users/me/connections/github", token=token).status_code == 404
