"""What a first sign-in makes of what a provider says, and that it makes it once. Lesson 13: a referral comes through."""

import pytest

from accounts.models import User
from accounts.providers.models import OAuthAccount
from accounts.providers.profiles import read_discord, read_google, read_x
from accounts.providers.sign_in import clean_username
from devtools.simulators.providers import ProviderUser
from tests.accounts.providers.browser import target, told
from tests.accounts.providers.conftest import SUCCESS
from tests.concurrently import all_at_once

ONLY_X = pytest.mark.parametrize("provider", ["x"])


def somebody(username: str = "somebody", **fields) -> User:
    return User.objects.create_user(email=f"{username}@example.com", username=username, **fields)


class TestUsername:
    @ONLY_X
    def test_one_that_is_taken_in_another_case_gets_digits(self, browser):
        somebody("ADA_L")
        browser.sign_in(**{"as": "ada_l"})
        made = User.objects.exclude(username="ADA_L").get()
        assert made.username.startswith("ada_l")
        assert made.username[5:].isdigit()
        assert made.x_username == "ada_l"

    @ONLY_X
    def test_many_who_want_the_same_all_get_one(self, there, live_browsers):
        for number in range(4):
            # X would give each a handle of its own; here they all come with one.
            there.users.add(ProviderUser(str(5000 + number), "wanted", "Same"), known_as=f"same{number}")
        pairs = [(tab, tab.back(**{"as": f"same{number}"})) for number, tab in enumerate(live_browsers)]
        responses = all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 4)
        assert {target(response) for response in responses} == {SUCCESS}
        assert User.objects.count() == 4
        assert User.objects.filter(username="wanted").count() == 1
        assert all(name.startswith("wanted") for name in User.objects.values_list("username", flat=True))

    @pytest.mark.parametrize(
        ("handle", "username"),
        [
            ("Ada_Lovelace", "Ada_Lovelace"),
            ("zoë.käse", "zoekase"),
            ("日本語", "x_user"),
            ("\u0430dmin", "dmin"),
            ("ab", "x_ab"),
            ("", "x_user"),
            ("a" * 80, "a" * 50),
            ("a\x00b\ud800c", "abc"),
        ],
    )
    def test_it_is_cleaned_to_what_a_username_may_be(self, handle, username):
        assert clean_username(handle, "x") == username

    @ONLY_X
    def test_a_full_length_one_that_is_taken_makes_room_for_digits(self, there, browser):
        somebody("a" * 50)
        there.users.add(ProviderUser("77", "a" * 60, "Long"))
        browser.sign_in(**{"as": "a" * 60})
        made = User.objects.exclude(username="a" * 50).get()
        assert len(made.username) == 50

    def test_it_makes_nobody_the_owner_of_an_account(self, browser):
        victim = somebody("ada_l", password="a long password")
        assert told(browser.sign_in(**{"as": "ada_l"}))["userId"] != str(victim.pk)
        assert not OAuthAccount.objects.filter(user=victim).exists()


@ONLY_X
def test_a_placeholder_email_that_somebody_signed_up_with_gives_them_nothing_and_keeps_nobody_out(browser):
    squatter = User.objects.create_user(email="1001@x.oauth", username="squatter", password="a long password")
    response = browser.sign_in(**{"as": "ada_l"})
    assert target(response) == SUCCESS
    assert told(response)["userId"] != str(squatter.pk)
    assert User.objects.get(username="ada_l").email.endswith("@x.oauth")


def test_one_person_signing_in_twice_at_once_becomes_one_user(live_browsers):
    pairs = [(tab, tab.back(**{"as": "ada_l"})) for tab in live_browsers]
    responses = all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 4)
    assert {target(response) for response in responses} == {SUCCESS}
    assert len({told(response)["userId"] for response in responses}) == 1
    assert (User.objects.count(), OAuthAccount.objects.count()) == (1, 1)


class TestReferral:
    def test_it_survives_the_way_to_x_and_counts_for_the_new_user(self, browser):
        referrer = somebody()
        browser.sign_in(f"?ref={referrer.referral_code.lower()}", **{"as": "ada_l"})
        referrer.refresh_from_db()
        assert User.objects.exclude(pk=referrer.pk).get().referred_by == referrer
        assert referrer.referral_count == 1

    def test_it_does_not_count_for_somebody_who_has_an_account(self, new_browser):
        new_browser().sign_in(**{"as": "ada_l"})
        referrer = somebody()
        response = new_browser().sign_in(f"?ref={referrer.referral_code}", **{"as": "ada_l"})
        assert target(response) == SUCCESS
        referrer.refresh_from_db()
        assert referrer.referral_count == 0
        assert User.objects.exclude(pk=referrer.pk).get().referred_by is None

    @ONLY_X
    def test_two_first_sign_ins_at_once_count_once(self, live_browsers):
        referrer = somebody()
        pairs = [(tab, tab.back(f"?ref={referrer.referral_code}", **{"as": "ada_l"})) for tab in live_browsers[:3]]
        all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 3)
        referrer.refresh_from_db()
        assert referrer.referral_count == 1

    @ONLY_X
    @pytest.mark.parametrize("code", ["NOBODYS8", "%00", "x" * 200, "%F0%9F%98%80", "' OR 1=1", ""])
    def test_an_unknown_referral_code_keeps_nobody_from_signing_in(self, browser, code):
        assert target(browser.sign_in(f"?ref={code}", **{"as": "ada_l"})) == SUCCESS
        assert User.objects.get().referred_by is None

    def test_one_that_is_ignored_is_seen_in_the_log(self, browser, caplog):
        browser.sign_in("?ref=NOBODYS8")
        assert [record for record in caplog.records if "NOBODYS8" in record.getMessage()]


X = {"id": "1", "username": "ada", "name": "Ada", "profile_image_url": "https://x.example/a_normal.png"}
GOOGLE = {
    "sub": "1",
    "name": "Ada",
    "picture": "https://g.example/a.png",
    "email": "a@g.example",
    "email_verified": True,
}
DISCORD = {
    "id": "1",
    "username": "ada",
    "global_name": "Ada",
    "avatar": "a_b1",
    "email": "a@d.example",
    "verified": True,
}
READERS = {"x": (read_x, X, "id"), "google": (read_google, GOOGLE, "sub"), "discord": (read_discord, DISCORD, "id")}
BAD_IDS = [1, "1@evil.example", "", "9" * 70, "١٢", None, ["1"], "1\n"]


class TestProfile:
    @pytest.mark.parametrize("data", [None, [], {}, "text", 7], ids=str)
    def test_what_is_not_a_profile_is_refused(self, provider, data):
        with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
            READERS[provider][0](data)

    @pytest.mark.parametrize("account_id", BAD_IDS, ids=ascii)
    def test_what_is_no_id_of_the_provider_is_refused(self, provider, account_id):
        read, good, field = READERS[provider]
        assert read(good).account_id == "1"
        with pytest.raises((LookupError, TypeError, ValueError)):
            read(good | {field: account_id})

    def test_names_that_are_no_text_are_refused(self, provider):
        read, good, _ = READERS[provider]
        for field in {"username", "name", "global_name"} & good.keys():
            with pytest.raises(TypeError):
                read(good | {field: ["Ada"]})

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("  Ada \n\t Lovelace  ", "Ada Lovelace"),
            ("Ada\x00\ud83d", "Ada"),
            ("\u202eadA", "adA"),
            ("🎲 Ada", "🎲 Ada"),
            ("", "ada"),
            ("\u200b", "ada"),
            ("n" * 200, "n" * 100),
        ],
    )
    def test_a_name_is_made_fit_to_be_shown_and_stored(self, name, shown):
        assert read_x(X | {"name": name}).name == shown
        assert read_discord(DISCORD | {"global_name": name}).name == shown
        assert read_google(GOOGLE | {"name": name}).name == ("Google user" if shown == "ada" else shown)

    @pytest.mark.parametrize("avatar", [None, "", 7, "../../evil", "javascript:alert(1)", "a?b"], ids=str)
    def test_an_avatar_is_optional_and_one_of_the_providers(self, avatar):
        assert read_x(X | {"profile_image_url": avatar}).avatar_url == ""
        assert read_google(GOOGLE | {"picture": avatar}).avatar_url == ""
        assert read_discord(DISCORD | {"avatar": avatar}).avatar_url == ""

    @pytest.mark.parametrize(
        "email", [None, 7, "", "no address", "ada@x.oauth", "\u212a@g.example", "a" * 250 + "@g.example"]
    )
    def test_an_address_that_nobody_could_sign_up_with_is_none(self, email):
        for profile in (read_google(GOOGLE | {"email": email}), read_discord(DISCORD | {"email": email})):
            assert (profile.email, profile.is_verified) == ("", False)

    @pytest.mark.parametrize("verified", [False, None, "true", 1], ids=repr)
    def test_only_true_says_that_an_address_is_verified(self, verified):
        assert not read_google(GOOGLE | {"email_verified": verified}).is_verified
        assert not read_discord(DISCORD | {"verified": verified}).is_verified
