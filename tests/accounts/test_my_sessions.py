"""GET /auth/sessions, DELETE /auth/sessions/{id}, POST /auth/logout-all, and what ends with a session."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client as Browser

from accounts import services, suspension, tokens
from accounts.models import RefreshToken, User
from accounts.staff import COMMAND_LINE
from accounts.tokens import Client
from core.db.sql import new_id
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    bearer,
    everything,
    refresh,
    refusal,
    send,
    sign_up,
    success,
    suspend,
)
from tests.concurrently import all_at_once

pytestmark = pytest.mark.django_db
SESSIONS, ME, LOGOUT_ALL = f"{AUTH}/sessions", f"{AUTH}/me", f"{AUTH}/logout-all"
NEW_PASSWORD = "staple paper clip 9"
PHONE = Client("Phone", "203.0.113.7")


@pytest.fixture
def ann():
    return sign_up("ann")


@pytest.fixture
def phone(ann):
    """Another session of the same user."""
    return services.log_in(email=ann.user.email, password=PASSWORD, client=PHONE, now=datetime.now(UTC))


def listed(stranger, who):
    return success(stranger.get(SESSIONS, headers=bearer(who)))["sessions"]


def is_in(stranger, who):
    return stranger.get(ME, headers=bearer(who)).status_code == 200


def end(stranger, who, session):
    return stranger.delete(f"{SESSIONS}/{session}", headers=bearer(who))


class TestList:
    def test_each_session_is_listed_with_its_device_the_last_refreshed_first(self, stranger, ann, phone):
        newest, oldest = listed(stranger, ann)
        assert (newest["ip"], newest["userAgent"], newest["current"]) == ("203.0.113.7", "Phone", False)
        assert oldest["current"] is True
        assert [session["current"] for session in listed(stranger, phone)] == [True, False]

    def test_a_refreshed_session_is_the_same_one(self, stranger, now):
        ann = sign_up("ann", now=now - timedelta(minutes=10))
        (before,) = listed(stranger, ann)
        pair = refresh(ann.tokens.refresh, now=now)
        (after,) = listed(stranger, pair)
        assert (after["id"], after["createdAt"], after["current"]) == (before["id"], before["createdAt"], True)
        assert after["lastUsedAt"] > before["lastUsedAt"]

    def test_one_that_goes_on_with_the_token_before_is_listed_once(self, stranger, ann):
        """The client lost a response: the successor that it never had is replaced."""
        for _ in range(3):
            pair = refresh(ann.tokens.refresh)
        assert len(listed(stranger, pair)) == 1

    def test_what_has_ended_or_expired_is_not_listed(self, stranger, ann, phone):
        services.log_out(refresh_token=phone.tokens.refresh, now=datetime.now(UTC))
        lost = services.log_in(email=ann.user.email, password=PASSWORD, client=PHONE, now=datetime.now(UTC))
        RefreshToken.objects.filter(token_hash=tokens.digest(lost.tokens.refresh)).update(
            created_at=datetime(2026, 1, 1, tzinfo=UTC), expires_at=datetime(2026, 1, 8, tzinfo=UTC)
        )
        assert [session["current"] for session in listed(stranger, ann)] == [True]

    def test_nobody_elses_are_listed(self, stranger, ann):
        assert len(listed(stranger, sign_up("bob"))) == 1

    def test_it_takes_one_statement_however_many(self, stranger, ann, phone, django_assert_num_queries):
        with django_assert_num_queries(2):
            listed(stranger, ann)

    def test_nobody_unknown_sees_any(self, stranger):
        refusal(stranger.get(SESSIONS), 401, "not_authenticated")


class TestEnding:
    def test_one_ends_at_once_with_all_its_tokens_and_no_other(self, stranger, ann, phone):
        refreshed = refresh(phone.tokens.refresh)
        (session,) = [session["id"] for session in listed(stranger, ann) if not session["current"]]
        success(end(stranger, ann, session))
        for pair in (phone.tokens, refreshed):
            refusal(stranger.get(ME, headers=bearer(pair)), 401, "invalid_token")
            refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": pair.refresh}), 401, "invalid_refresh_token")
        assert is_in(stranger, ann)
        assert len(listed(stranger, ann)) == 1

    def test_ones_own_can_be_ended_too(self, stranger, ann):
        (session,) = listed(stranger, ann)
        success(end(stranger, ann, session["id"]))
        assert not is_in(stranger, ann)

    @pytest.mark.parametrize("session", ["of another", "ended", "unknown", "no-uuid"])
    def test_what_is_no_session_of_mine_is_not_found_and_nothing_changes(self, stranger, ann, phone, session):
        bob = sign_up("bob")
        (of_phone,) = [listed_["id"] for listed_ in listed(stranger, phone) if listed_["current"]]
        services.log_out(refresh_token=phone.tokens.refresh, now=datetime.now(UTC))
        ids = {"of another": listed(stranger, bob)[0]["id"], "ended": of_phone, "unknown": new_id()}
        before = everything()
        refusal(end(stranger, ann, ids.get(session, session)), 404, "session_not_found")
        assert everything() == before
        assert is_in(stranger, bob)

    def test_nobody_unknown_ends_any(self, stranger, ann):
        (session,) = listed(stranger, ann)
        refusal(stranger.delete(f"{SESSIONS}/{session['id']}"), 401, "not_authenticated")
        assert is_in(stranger, ann)

    def test_all_end_at_once_and_nobody_elses(self, stranger, ann, phone):
        bob = sign_up("bob")
        success(stranger.post(LOGOUT_ALL, headers=bearer(phone)))
        assert [is_in(stranger, who) for who in (ann, phone, bob)] == [False, False, True]
        refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
        again = services.log_in(email=ann.user.email, password=PASSWORD, client=PHONE, now=datetime.now(UTC))
        assert is_in(stranger, again)

    def test_nobody_unknown_ends_all(self, stranger):
        refusal(stranger.post(LOGOUT_ALL), 401, "not_authenticated")

    def test_a_browser_in_the_admin_stays_signed_in(self, stranger, ann):
        User.objects.filter(pk=ann.user.pk).update(is_staff=True, is_superuser=True)
        browser = Browser()
        browser.force_login(User.objects.get(pk=ann.user.pk), backend="django.contrib.auth.backends.ModelBackend")
        success(stranger.post(LOGOUT_ALL, headers=bearer(ann)))
        assert browser.get("/admin/password_change/").status_code == 200


class TestAccessTokens:
    """Of a session that has ended none is good for another moment, whatever ended it."""

    def test_logging_out_ends_them(self, stranger, ann, phone):
        refreshed = refresh(ann.tokens.refresh)
        success(send(stranger, f"{AUTH}/logout", {"refreshToken": ann.tokens.refresh}))
        assert [is_in(stranger, pair) for pair in (ann, refreshed, phone)] == [False, False, True]

    def test_a_stolen_refresh_token_that_comes_back_ends_them(self, stranger, ann):
        refreshed = refresh(refresh(ann.tokens.refresh).refresh)
        refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "token_reused")
        assert not is_in(stranger, refreshed)

    def test_a_changed_password_ends_those_of_all_other_sessions(self, stranger, ann, phone):
        body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
        new = success(send(stranger, f"{AUTH}/password/change", body, **bearer(ann)))["accessToken"]
        assert [is_in(stranger, who) for who in (ann, phone, new)] == [True, False, True]

    def test_a_replaced_successor_of_a_session_that_goes_on_keeps_them(self, stranger, ann):
        first, second = refresh(ann.tokens.refresh), refresh(ann.tokens.refresh)
        services.log_out(refresh_token="unknown", now=datetime.now(UTC))
        assert [is_in(stranger, pair) for pair in (first, second)] == [True, True]

    def test_the_list_of_ended_sessions_forgets_those_whose_tokens_have_expired(self, ann, phone, now):
        services.log_out(refresh_token=ann.tokens.refresh, now=now - timedelta(minutes=16))
        services.log_out(refresh_token=phone.tokens.refresh, now=now)
        assert len(User.objects.get(pk=ann.user.pk).ended_sessions) == 1

    def test_a_token_from_before_sessions_were_named_is_good_until_it_expires(self, stranger, ann, phone, now):
        token = tokens.AccessToken(ann.tokens.access)
        del token.payload["sid"]
        services.log_out(refresh_token=phone.tokens.refresh, now=now)
        assert is_in(stranger, str(token))
        assert [session["current"] for session in listed(stranger, str(token))] == [False]

    def test_one_from_before_sessions_were_named_ends_with_all_sessions(self, stranger, ann, now):
        token = tokens.AccessToken(ann.tokens.access)
        del token.payload["sid"]
        suspension.end_sessions(user_id=ann.user.pk, by=COMMAND_LINE, reason="A lost phone", now=now)
        assert not is_in(stranger, str(token))

    def test_no_more_statements_than_before_a_session_ended(self, stranger, ann, phone, now, django_assert_num_queries):
        User.objects.update(last_active_at=now + timedelta(hours=1))
        services.log_out(refresh_token=phone.tokens.refresh, now=now)
        with django_assert_num_queries(3):
            success(stranger.get(ME, headers=bearer(ann)))


class TestClocks:
    """The time of the machine that issues a token may be ahead of the one that accepts it."""

    @pytest.mark.parametrize(("ahead", "status"), [(8, 200), (20, 401)])
    def test_a_token_issued_a_few_seconds_ahead_is_accepted(self, stranger, ann, now, ahead, status):
        token = tokens.AccessToken(ann.tokens.access)
        token.set_iat(at_time=now + timedelta(seconds=ahead))
        token["nbf"] = token["iat"]
        assert stranger.get(ME, headers=bearer(str(token))).status_code == status

    def test_none_lives_longer_for_that(self, stranger, ann, now):
        token = tokens.AccessToken(ann.tokens.access)
        token.set_exp(from_time=now, lifetime=timedelta(seconds=-1))
        refusal(stranger.get(ME, headers=bearer(str(token))), 401, "invalid_token")


def test_a_suspended_user_is_told_so_and_has_no_session(stranger, ann, now):
    suspend(ann.user, now=now)
    refusal(stranger.get(SESSIONS, headers=bearer(ann)), 403, "account_suspended")


@pytest.mark.django_db(transaction=True)
def test_a_refresh_while_the_session_is_ended_leaves_nothing_good(stranger):
    for round_number in range(5):
        ann = sign_up(f"ann_{round_number}")
        moves = iter(["end", *["refresh"] * 3])

        def move(ann=ann, moves=moves):
            if next(moves) == "end":
                services.log_out(refresh_token=ann.tokens.refresh, now=datetime.now(UTC))
                return None
            try:
                return refresh(ann.tokens.refresh)
            except services.DomainError:
                return None

        pairs = [pair for pair in all_at_once(move, 4) if pair]
        assert not any(is_in(stranger, pair) for pair in [ann.tokens, *pairs])
