"""POST /auth/email/verify and /auth/email/resend, and PATCH /users/me with another `email`."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.email_tokens import Purpose, make_token
from accounts.models import User
from accounts.tokens import access_token
from core.db.sql import new_id
from devtools.simulators.providers import ProviderUser
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    USERS,
    bearer,
    everything,
    faults,
    refusal,
    send,
    sign_up,
    sign_up_verified,
    success,
    suspend,
)
from tests.accounts.mail.conftest import NEW, change_address, log_in, me, verify
from tests.accounts.providers.conftest import browser, new_browser, simulator, there
from tests.concurrently import all_at_once
from tests.economy.factories import booked

__all__ = ["browser", "new_browser", "simulator", "there"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def provider():
    return "x"


def shown(http, who):
    user = success(me(http, who))["user"]
    return user["email"], user["emailVerified"], user["pendingEmail"]


class TestSigningUp:
    def test_a_mail_verifies_the_address(self, stranger, mail, ann):
        assert shown(stranger, ann) == ("ann@example.com", False, None)
        success(verify(stranger, mail.token_to("ann@example.com")))
        assert shown(stranger, ann) == ("ann@example.com", True, None)

    def test_a_token_is_good_once(self, stranger, mail, ann):
        token = mail.token_to("ann@example.com")
        success(verify(stranger, token))
        before = everything()
        refusal(verify(stranger, token), 400, "invalid_token")
        assert everything() == before

    def test_a_token_is_good_for_as_long_as_the_setting_says(self, stranger, settings, ann, now):
        settings.EMAIL_VERIFICATION_LIFETIME = timedelta(days=2)
        made = now - timedelta(days=2)
        refusal(verify(stranger, make_token(ann.user, Purpose.EMAIL_VERIFICATION, now=made)), 400, "invalid_token")
        made += timedelta(minutes=1)
        success(verify(stranger, make_token(ann.user, Purpose.EMAIL_VERIFICATION, now=made)))

    def test_what_nobody_made_is_no_token(self, stranger, ann, now):
        for token in ("x", make_token(ann.user, Purpose.PASSWORD_RESET, now=now), "é", "a:b"):
            refusal(verify(stranger, token), 400, "invalid_token")
        assert faults(send(stranger, f"{AUTH}/email/verify", {"token": 5})) == {"token": "invalid"}
        assert shown(stranger, ann)[1] is False

    def test_a_suspended_user_verifies_nothing(self, stranger, ann, now):
        token = make_token(ann.user, Purpose.EMAIL_VERIFICATION, now=now)
        suspend(ann.user, now=now)
        refusal(verify(stranger, token), 403, "account_suspended")

    def test_who_signs_in_with_x_counts_as_verified_and_gets_no_mail(self, browser, mail):
        browser.sign_in(**{"as": "ada_l"})
        assert User.objects.get(username="ada_l").email_verified_at is not None
        mail.send_queued()
        assert mail.received == []


class TestResending:
    def resend(self, http, who):
        return send(http, f"{AUTH}/email/resend", None, **(bearer(who) if who else {}))

    def test_a_mail_comes_again(self, stranger, mail, ann):
        mail.send_queued()
        success(self.resend(stranger, ann))
        mail.send_queued()
        assert mail.subjects_to("ann@example.com") == ["Confirm your e-mail address"] * 2

    def test_asked_for_before_it_was_sent_one_does(self, stranger, mail, ann):
        for _ in range(3):
            success(self.resend(stranger, ann))
        mail.send_queued()
        assert len(mail.received) == 1

    def test_who_is_verified_needs_none(self, stranger, mail):
        refusal(self.resend(stranger, sign_up_verified("ann")), 409, "already_verified")
        refusal(self.resend(stranger, None), 401, "not_authenticated")

    def test_one_user_has_so_many_sent_and_no_more(self, stranger, settings, ann):
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"mail_address": "2/hour"}
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
        assert [self.resend(stranger, ann).status_code for _ in range(3)] == [200, 200, 429]


class TestAnotherAddress:
    @pytest.fixture
    def ann(self):
        return sign_up_verified("ann")

    def test_it_counts_once_verified_and_the_old_one_is_told(self, stranger, mail, ann):
        assert "email" not in success(change_address(stranger, ann, "Ann@New.example"))["user"]
        assert shown(stranger, ann) == ("ann@example.com", True, "Ann@new.example")
        success(log_in(stranger, PASSWORD))
        success(verify(stranger, mail.token_to("Ann@new.example")))
        assert shown(stranger, ann) == ("Ann@new.example", True, None)
        success(log_in(stranger, PASSWORD, "ann@new.example"))
        refusal(log_in(stranger, PASSWORD), 401, "invalid_credentials")
        mail.send_queued()
        told = mail.subjects_to("ann@example.com")
        assert told[-2:] == ["Your e-mail address is about to change", "Your e-mail address was changed"]

    def test_the_own_address_takes_it_back(self, stranger, mail, ann):
        success(change_address(stranger, ann, "ann@new.example"))
        token = mail.token_to("ann@new.example")
        success(change_address(stranger, ann, "ann@example.com"))
        assert shown(stranger, ann) == ("ann@example.com", True, None)
        refusal(verify(stranger, token), 400, "invalid_token")

    def test_a_new_password_takes_it_back(self, stranger, mail, ann):
        """Who finds a thief in the account changes the password, and the thief's address must not come after that."""
        success(change_address(stranger, ann, "thief@new.example"))
        token = mail.token_to("thief@new.example")
        change = {"currentPassword": PASSWORD, "newPassword": NEW}
        body = success(send(stranger, f"{AUTH}/password/change", change, **bearer(ann)))
        assert body["user"]["pendingEmail"] is None
        refusal(verify(stranger, token), 400, "invalid_token")

    def test_a_token_for_one_new_address_does_not_verify_another(self, stranger, mail, ann):
        success(change_address(stranger, ann, "mine@new.example"))
        token = mail.token_to("mine@new.example")
        success(change_address(stranger, ann, "victim@new.example"))
        refusal(verify(stranger, token), 400, "invalid_token")

    def test_one_that_is_taken_has_the_same_response_and_its_owner_is_told(self, stranger, mail, ann):
        sign_up_verified("bob")
        taken, free = (change_address(stranger, ann, f"{name}@example.com") for name in ("Bob", "free"))
        assert (taken.status_code, taken.content) == (free.status_code, free.content)
        success(change_address(stranger, ann, "BOB@example.com"))
        mail.send_queued()
        (message,) = mail.to("Bob@example.com")
        assert "You have an account already" in message["Subject"]
        assert "token" not in message.as_string()

    def test_one_that_was_taken_meanwhile_is_refused_when_verified(self, stranger, mail, ann):
        success(change_address(stranger, ann, "wanted@example.com"))
        token = mail.token_to("wanted@example.com")
        sign_up("wanted")
        before = everything()
        refusal(verify(stranger, token), 409, "email_taken")
        assert everything() == before

    def test_bad_input_is_named_and_nothing_changes(self, stranger, ann):
        stranger.get(f"{AUTH}/me", headers=bearer(ann))
        before = everything()
        for email, code in (("no address", "invalid"), ("5@x.oauth", "invalid"), (None, "null"), ("", "blank")):
            assert faults(change_address(stranger, ann, email)) == {"email": code}
        refusal(send(stranger, f"{USERS}/me", {"email": "a@b.example"}, method="PATCH"), 401, "not_authenticated")
        assert everything() == before

    def test_other_changes_of_a_profile_are_not_counted_as_mails(self, stranger, settings, ann):
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"mail": "1/hour"}
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
        for bio in ("one", "two", "three"):
            success(send(stranger, f"{USERS}/me", {"bio": bio}, method="PATCH", **bearer(ann)))
        assert [change_address(stranger, ann, "a@new.example").status_code for _ in range(2)] == [200, 429]

    def test_somebody_who_came_by_x_can_have_one_and_then_a_password(self, there, new_browser, stranger, mail):
        there.users.add(ProviderUser("77", "grace_h", "Grace"))
        new_browser().sign_in(**{"as": "grace_h"})
        grace = User.objects.get(username="grace_h")
        success(change_address(stranger, str(token_of(grace)), "grace@example.com"))
        success(verify(stranger, mail.token_to("grace@example.com")))
        success(send(stranger, f"{AUTH}/password/forgot", {"email": "grace@example.com"}))
        token = mail.token_to("grace@example.com")
        success(send(stranger, f"{AUTH}/password/reset", {"token": token, "password": NEW}))
        success(log_in(stranger, NEW, "grace@example.com"))
        assert {message["To"] for message in mail.received} == {"grace@example.com"}


def token_of(user):
    return access_token(user_id=user.pk, session_id=new_id(), now=user.created_at, sessions_ended=user.sessions_ended)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_of_ten_requests_with_one_token_one_verifies_and_the_referrer_is_paid_once(self, now):
        ann = sign_up_verified("ann").user
        bob = sign_up("bob", referral_code=ann.referral_code).user
        token = make_token(bob, Purpose.EMAIL_VERIFICATION, now=now)
        statuses = all_at_once(lambda: verify(Client(), token).status_code, 10)
        assert sorted(statuses) == [200] + [400] * 9
        assert booked(ann)["referral_credits_earned"] == 200

    def test_of_two_users_who_verify_one_address_one_has_it(self, now):
        users = [sign_up_verified(name) for name in ("ann", "bob")]
        for who in users:
            success(change_address(Client(), who, "wanted@example.com"))
            who.user.refresh_from_db()
        tokens = [make_token(who.user, Purpose.EMAIL_VERIFICATION, now=now) for who in users]
        statuses = all_at_once(lambda: verify(Client(), tokens.pop()).status_code, 2)
        assert sorted(statuses) == [200, 409]
        assert User.objects.with_email("wanted@example.com").count() == 1
