"""The bonus for bringing somebody: once, never for oneself, whichever way the person comes. Lesson 13."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from accounts.services import update_profile
from core.db.sql import new_id
from devtools.simulators.providers import ProviderUser
from economy import rules
from economy.ledger.audit import audit
from tests.accounts.factories import AUTH, form, refusal, send, sign_up, sign_up_verified, success, suspend, verify
from tests.accounts.providers.browser import told
from tests.concurrently import all_at_once
from tests.economy.factories import booked, ledger_entries, make_user

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def earned(user):
    return int(booked(user)["referral_credits_earned"])


def counted(user):
    return User.objects.values_list("referral_count", flat=True).get(pk=user.pk)


class TestByPassword:
    pytestmark = pytest.mark.django_db

    def come(self, api, referrer, name="bob", **fields):
        asked = form(name, email=f"{name}@example.com", referralCode=referrer.referral_code, **fields)
        return send(api, f"{AUTH}/signup", asked)

    def come_and_verify(self, api, referrer, name="bob"):
        body = success(self.come(api, referrer, name), 201)
        return verify(User.objects.get(pk=body["user"]["id"])).pk

    def test_somebody_who_comes_by_password_brings_the_bonus_once_verified(self, api):
        ann = make_user("ann")
        success(self.come(api, ann), 201)
        assert (earned(ann), counted(ann)) == (0, 1)
        bob = verify(User.objects.get(username="bob")).pk
        assert ledger_entries(ann, "transaction_type", "amount", "reference_id") == [("referral_bonus", 200, bob)]
        assert (earned(ann), counted(ann)) == (200, 1)
        assert User.objects.get(referred_by=ann).pk == bob
        assert audit().passed

    def test_who_verifies_days_later_brings_it_then(self):
        ann = make_user("ann")
        bob = sign_up("bob", referral_code=ann.referral_code, now=NOW).user
        verify(bob, now=NOW + timedelta(days=2))
        assert ledger_entries(ann, "created_at") == [(NOW + timedelta(days=2),)]
        assert audit().passed

    def test_another_address_later_brings_no_second_bonus(self, api):
        ann = make_user("ann")
        bob = self.come_and_verify(api, ann)
        update_profile(user_id=bob, changes={}, email="bobby@example.com", now=NOW)
        assert verify(User.objects.get(pk=bob)).email == "bobby@example.com"
        assert (earned(ann), counted(ann)) == (200, 1)

    def test_it_is_for_signing_up_and_not_for_signing_in(self, api):
        ann = make_user("ann")
        self.come_and_verify(api, ann)
        for _ in range(3):
            asked = {"email": "bob@example.com", "password": form()["password"], "referralCode": ann.referral_code}
            success(send(api, f"{AUTH}/login", asked))
        assert (earned(ann), counted(ann)) == (200, 1)

    def test_a_sign_up_that_is_refused_brings_nothing(self, api):
        ann = make_user("ann")
        self.come_and_verify(api, ann)
        refusal(self.come(api, ann), 409, "email_taken")
        assert (earned(ann), counted(ann)) == (200, 1)

    def test_a_suspended_referrer_is_counted_and_earns_nothing(self, api):
        ann = make_user("ann")
        suspend(ann, now=NOW)
        self.come_and_verify(api, ann)
        assert (earned(ann), counted(ann)) == (0, 1)

    def test_beyond_the_daily_cap_users_are_counted_and_not_paid_for(self, api, monkeypatch):
        monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 2)
        ann = make_user("ann")
        for number in range(4):
            sign_up_verified(f"new{number}", referral_code=ann.referral_code, now=NOW)
        assert (earned(ann), counted(ann)) == (400, 4)

    def test_nobody_refers_oneself(self):
        ann = sign_up("ann").user
        own = new_id()
        with pytest.raises(IntegrityError, match="users_not_referred_by_self"), transaction.atomic():
            User.objects.create(pk=own, email="eve@example.com", username="eve", referred_by_id=own)
        # Before there is a user there is no code of the user's: a made-up one is nobody's.
        refused = send(Client(), f"{AUTH}/signup", form("eve", email="eve@example.com", referralCode="22222222"))
        refusal(refused, 400, "invalid_referral_code")
        assert earned(ann) == 0


class TestByX:
    """Here the code was once dropped, and nobody noticed for weeks."""

    def test_somebody_who_comes_by_x_brings_the_bonus(self, browser):
        ann = make_user("ann")
        browser.sign_in(f"?ref={ann.referral_code}", **{"as": "ada_l"})
        ada = User.objects.get(username="ada_l")
        assert ledger_entries(ann, "transaction_type", "amount", "reference_id") == [("referral_bonus", 200, ada.pk)]
        assert ledger_entries(ada, "transaction_type", "amount") == [("signup_bonus", 1000)]
        assert (earned(ann), counted(ann)) == (200, 1)
        assert audit().passed

    def test_coming_again_with_the_code_brings_no_second_bonus(self, new_browser):
        ann = make_user("ann")
        for _ in range(2):
            new_browser().sign_in(f"?ref={ann.referral_code}", **{"as": "ada_l"})
        assert (earned(ann), counted(ann)) == (200, 1)

    def test_one_person_at_once_in_three_tabs_brings_one_bonus(self, live_browsers):
        ann = make_user("ann")
        pairs = [(tab, tab.back(f"?ref={ann.referral_code}", **{"as": "ada_l"})) for tab in live_browsers[:3]]
        all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 3)
        assert (earned(ann), counted(ann)) == (200, 1)

    def test_ones_own_code_brings_nothing(self, new_browser):
        new_browser().sign_in(**{"as": "ada_l"})
        ada = User.objects.get(username="ada_l")
        new_browser().sign_in(f"?ref={ada.referral_code}", **{"as": "ada_l"})
        assert (earned(ada), counted(ada), User.objects.count()) == (0, 0, 1)

    def test_users_who_come_at_once_are_paid_for_up_to_the_cap(self, there, live_browsers, monkeypatch):
        monkeypatch.setattr(rules, "REFERRAL_DAILY_CAP", 2)
        ann = make_user("ann")
        pairs = []
        for number, tab in enumerate(live_browsers):
            person = ProviderUser(str(9000 + number), f"new_{number}", "New")
            there.users.add(person)
            pairs.append((tab, tab.back(f"?ref={ann.referral_code}", **{"as": person.username})))
        all_at_once(lambda: (pair := pairs.pop())[0].get(pair[1]), 4)
        assert (earned(ann), counted(ann)) == (400, 4)
        assert audit().passed

    def test_an_account_that_was_unlinked_brings_no_second_bonus(self, new_browser):
        """Else one account at X would bring a bonus for every user that it makes."""
        ann = make_user("ann")
        token = told(new_browser().sign_in(f"?ref={ann.referral_code}", **{"as": "ada_l"}))["accessToken"]
        User.objects.filter(username="ada_l").update(password=make_password("a long sentence"))
        success(new_browser().unlink(token))
        again = told(new_browser().sign_in(f"?ref={ann.referral_code}", **{"as": "ada_l"}))["userId"]
        assert User.objects.get(pk=again).email_verified_at is None
        assert (earned(ann), counted(ann)) == (200, 2)
