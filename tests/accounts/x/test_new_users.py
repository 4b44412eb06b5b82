"""What a first sign-in makes of what X says, and that it makes it once. Lesson 13: a referral comes through."""

import pytest
from allauth.socialaccount.models import SocialAccount

from accounts.models import User
from accounts.x.protocol import read_profile
from accounts.x.sign_in import clean_username
from devtools.simulators.x import XUser
from tests.accounts.x.browser import target, told
from tests.accounts.x.conftest import FRONTEND
from tests.concurrently import all_at_once

SUCCESS = f"{FRONTEND}/auth/callback"


def somebody(username: str = "somebody", **fields) -> User:
    return User.objects.create_user(email=f"{username}@example.com", username=username, **fields)


class TestUsername:
    def test_one_that_is_taken_in_another_case_gets_digits(self, browser):
        somebody("ADA_L")
        browser.sign_in(**{"as": "ada_l"})
        made = User.objects.exclude(username="ADA_L").get()
        assert made.username.startswith("ada_l")
        assert made.username[5:].isdigit()
        assert made.x_username == "ada_l"

    def test_many_who_want_the_same_all_get_one(self, x, new_browser):
        users = [XUser(str(5000 + number), f"same{number}", "Same") for number in range(4)]
        for user in users:
            # X would give each a handle of its own; here they all come with one.
            x.users._known[user.username] = XUser(user.x_id, "wanted", "Same")
        callbacks = iter([(tab := new_browser(), tab.back_from_x(**{"as": user.username})) for user in users])
        pairs = list(callbacks)
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
        assert clean_username(handle) == username

    def test_a_full_length_one_that_is_taken_makes_room_for_digits(self, x, browser):
        somebody("a" * 50)
        x.users.add(XUser("77", "a" * 60, "Long"))
        browser.sign_in(**{"as": "a" * 60})
        made = User.objects.exclude(username="a" * 50).get()
        assert len(made.username) == 50

    def test_it_makes_nobody_the_owner_of_an_account(self, browser):
        victim = somebody("ada_l", password="a long password")
        assert told(browser.sign_in(**{"as": "ada_l"}))["userId"] != str(victim.pk)
        assert not SocialAccount.objects.filter(user=victim).exists()


def test_a_placeholder_email_that_somebody_signed_up_with_gives_them_nothing_and_keeps_nobody_out(browser):
    squatter = User.objects.create_user(email="1001@x.oauth", username="squatter", password="a long password")
    response = browser.sign_in(**{"as": "ada_l"})
    assert target(response) == SUCCESS
    assert told(response)["userId"] != str(squatter.pk)
    assert User.objects.get(username="ada_l").email.endswith("@x.oauth")


def test_one_person_signing_in_twice_at_once_becomes_one_user(new_browser):
    tabs = [new_browser() for _ in range(4)]
    pairs = [(tab, tab.back_from_x(**{"as": "ada_l"})) for tab in tabs]
    responses = all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 4)
    assert {target(response) for response in responses} == {SUCCESS}
    assert len({told(response)["userId"] for response in responses}) == 1
    assert (User.objects.count(), SocialAccount.objects.count()) == (1, 1)


class TestReferral:
    def test_it_survives_the_way_to_x_and_counts_for_the_new_user(self, browser):
        referrer = somebody()
        browser.sign_in(f"?ref={referrer.referral_code.lower()}", **{"as": "ada_l"})
        referrer.refresh_from_db()
        assert User.objects.get(username="ada_l").referred_by == referrer
        assert referrer.referral_count == 1

    def test_it_does_not_count_for_somebody_who_has_an_account(self, new_browser):
        new_browser().sign_in(**{"as": "ada_l"})
        referrer = somebody()
        response = new_browser().sign_in(f"?ref={referrer.referral_code}", **{"as": "ada_l"})
        assert target(response) == SUCCESS
        referrer.refresh_from_db()
        assert referrer.referral_count == 0
        assert User.objects.get(username="ada_l").referred_by is None

    def test_two_first_sign_ins_at_once_count_once(self, new_browser):
        referrer = somebody()
        tabs = [new_browser() for _ in range(3)]
        pairs = [(tab, tab.back_from_x(f"?ref={referrer.referral_code}", **{"as": "ada_l"})) for tab in tabs]
        all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 3)
        referrer.refresh_from_db()
        assert referrer.referral_count == 1

    @pytest.mark.parametrize("code", ["NOBODYS8", "%00", "x" * 200, "%F0%9F%98%80", "' OR 1=1", ""])
    def test_an_unknown_referral_code_keeps_nobody_from_signing_in(self, browser, code):
        assert target(browser.sign_in(f"?ref={code}", **{"as": "ada_l"})) == SUCCESS
        assert User.objects.get().referred_by is None

    def test_one_that_is_ignored_is_seen_in_the_log(self, browser, caplog):
        browser.sign_in("?ref=NOBODYS8")
        assert [record for record in caplog.records if "NOBODYS8" in record.getMessage()]


class TestProfile:
    GOOD = {"id": "1", "username": "ada", "name": "Ada", "profile_image_url": "https://x.example/a_normal.png"}

    @pytest.mark.parametrize(
        "data",
        [
            None,
            [],
            {},
            "text",
            GOOD | {"id": 1},
            GOOD | {"id": "1@evil.example"},
            GOOD | {"id": ""},
            GOOD | {"id": "9" * 40},
            GOOD | {"id": "١٢"},
            GOOD | {"username": None},
            GOOD | {"name": ["Ada"]},
        ],
    )
    def test_what_is_not_a_profile_is_refused(self, data):
        with pytest.raises((LookupError, TypeError, ValueError)):
            read_profile(data)

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
        assert read_profile(self.GOOD | {"name": name}).name == shown

    def test_an_avatar_is_optional(self):
        without = {name: value for name, value in self.GOOD.items() if name != "profile_image_url"}
        assert read_profile(without).avatar_url == ""
