"""POST /auth/password/forgot and /auth/password/reset. Lesson 54: no way back in for who forgot the password."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.email_tokens import Purpose, make_token
from accounts.models import Mail
from tests.accounts.factories import (
    AUTH,
    ME_FIELDS,
    PASSWORD,
    bearer,
    everything,
    faults,
    live_tokens,
    refusal,
    send,
    sign_up,
    sign_up_verified,
    success,
    suspend,
)
from tests.accounts.mail.conftest import NEW, log_in, me, request_reset, reset
from tests.concurrently import all_at_once

pytestmark = pytest.mark.django_db


def test_who_forgot_the_password_gets_back_in_with_a_new_one(stranger, mail, ann):
    success(request_reset(stranger, "Ann@Example.com"))
    body = success(reset(stranger, mail.token_to("Ann@Example.com")))
    assert set(body["user"]) == ME_FIELDS
    success(me(stranger, body["accessToken"]))
    refusal(log_in(stranger, PASSWORD), 401, "invalid_credentials")
    success(log_in(stranger, NEW))


def test_all_sessions_end_at_once_and_the_new_one_is_good(stranger, mail, ann):
    success(request_reset(stranger))
    body = success(reset(stranger, mail.token_to("ann@example.com")))
    refusal(me(stranger, ann), 401, "invalid_token")
    refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    assert live_tokens(ann.user) == 1
    success(send(stranger, f"{AUTH}/refresh", {"refreshToken": body["refreshToken"]}))


def test_it_verifies_the_address_that_the_mail_went_to(stranger, mail, ann):
    success(request_reset(stranger))
    assert success(reset(stranger, mail.token_to("ann@example.com")))["user"]["emailVerified"] is True


def test_a_used_token_is_good_no_more(stranger, mail, ann):
    success(request_reset(stranger))
    token = mail.token_to("ann@example.com")
    success(reset(stranger, token))
    before = everything()
    refusal(reset(stranger, token, "yet another sentence"), 400, "invalid_token")
    assert everything() == before


def test_a_token_is_good_for_an_hour(stranger, ann, now):
    just, over = (make_token(ann.user, Purpose.PASSWORD_RESET, now=now - timedelta(minutes=each)) for each in (59, 60))
    refusal(reset(stranger, over), 400, "invalid_token")
    success(reset(stranger, just))


@pytest.mark.parametrize("change", ["password", "address", "sessions"])
def test_a_token_is_good_no_more_once_what_it_is_about_changed(stranger, ann, now, change):
    token = make_token(ann.user, Purpose.PASSWORD_RESET, now=now)
    column = {"password": "password", "address": "email", "sessions": "sessions_ended"}[change]
    ann.user.__dict__[column] = 7 if change == "sessions" else "other@example.com"
    ann.user.save(update_fields=[column])
    refusal(reset(stranger, token), 400, "invalid_token")


def test_what_nobody_made_is_no_token(stranger, ann, now):
    good = make_token(ann.user, Purpose.PASSWORD_RESET, now=now)
    other = make_token(sign_up("bob").user, Purpose.PASSWORD_RESET, now=now)
    stranger.get(f"{AUTH}/me", headers=bearer(ann))
    before = everything()
    body, _, signature = good.rpartition(":")
    forged = [
        f"{other.rpartition(':')[0]}:{signature}",
        f"{body}x:{signature}",
        good[:-1],
        f"{good} x",
        "x",
        make_token(ann.user, Purpose.EMAIL_VERIFICATION, now=now),
    ]
    for token in forged:
        refusal(reset(stranger, token), 400, "invalid_token")
    assert everything() == before


def test_bad_input_is_named_and_leaves_the_token_good(stranger, ann, now):
    token = make_token(ann.user, Purpose.PASSWORD_RESET, now=now)
    before = everything()
    assert faults(send(stranger, f"{AUTH}/password/reset", {})) == {"token": "required", "password": "required"}
    assert faults(reset(stranger, token, "12345678"))["password"] == "password_too_common"
    assert faults(reset(stranger, token, "ann@example.com")) == {"password": "password_too_similar"}
    assert faults(reset(stranger, "x" * 501)) == {"token": "max_length"}
    assert faults(request_reset(stranger, "no address")) == {"email": "invalid"}
    assert everything() == before
    success(reset(stranger, token))


def test_a_suspended_user_gets_no_mail_and_stays_out(stranger, mail, ann, now):
    token = make_token(ann.user, Purpose.PASSWORD_RESET, now=now)
    suspend(ann.user, now=now)
    success(request_reset(stranger))
    mail.send_queued()
    assert mail.received == []
    refusal(reset(stranger, token), 400, "invalid_token")


def test_who_was_suspended_with_a_good_token_is_told_so(stranger, ann, now):
    suspend(ann.user, now=now)
    ann.user.refresh_from_db()
    before = ann.user.password
    refusal(reset(stranger, make_token(ann.user, Purpose.PASSWORD_RESET, now=now)), 403, "account_suspended")
    ann.user.refresh_from_db()
    assert ann.user.password == before


@pytest.mark.django_db(transaction=True)
def test_of_ten_requests_with_one_token_at_once_one_sets_the_password(now):
    ann = sign_up("ann").user
    token = make_token(ann, Purpose.PASSWORD_RESET, now=now)
    statuses = all_at_once(lambda: reset(Client(), token).status_code, 10)
    assert sorted(statuses) == [200] + [400] * 9
    assert live_tokens(ann) == 1


class TestNothingIsRevealed:
    """An address that is somebody's and one that is nobody's: the same in every way."""

    def ask(self, http, email):
        with CaptureQueriesContext(connection) as asked:
            response = request_reset(http, email)
        statements = [statement["sql"].partition(" ")[0] for statement in asked.captured_queries]
        return response.status_code, response.content, statements

    def test_both_have_the_same_response_after_the_same_statements(self, stranger, mail, ann):
        known, unknown = (self.ask(stranger, f"{name}@example.com") for name in ("ann", "nobody"))
        assert known == unknown
        # Asked again, too, while the first mail waits.
        assert self.ask(stranger, "ann@example.com") == self.ask(stranger, "nobody@example.com") == known

    def test_nothing_is_kept_of_an_address_that_is_nobodys(self, stranger, mail):
        success(request_reset(stranger, "nobody@example.com"))
        mail.send_queued()
        assert (mail.received, Mail.objects.count()) == ([], 0)

    def test_both_are_limited_alike(self, stranger, settings, ann):
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"mail_address": "2/hour"}
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
        for email in ("ann@example.com", "nobody@example.com"):
            statuses = [
                send(stranger, f"{AUTH}/password/forgot", {"email": each}, **{"X-Forwarded-For": "x"}).status_code
                for each in (email, email.upper(), email)
            ]
            assert statuses == [200, 200, 429]

    def test_one_client_has_so_many_mails_sent_and_no_more(self, stranger, settings):
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"mail": "3/hour"}
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
        statuses = [request_reset(stranger, f"user{number}@example.com").status_code for number in range(4)]
        assert statuses == [200, 200, 200, 429]


def test_an_account_of_x_has_no_address_to_mail(stranger, mail):
    assert faults(request_reset(stranger, "12345@x.oauth")) == {"email": "invalid"}


def test_the_owner_of_a_verified_address_is_told_that_the_password_changed(stranger, mail):
    ann = sign_up_verified("ann")
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    success(send(stranger, f"{AUTH}/password/change", change, **bearer(ann)))
    mail.send_queued()
    assert "Your password was changed" in mail.subjects_to("ann@example.com")
