"""DELETE /api/v1/users/me: an account that its user deleted, and the ways back to it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import errors, rules, services, suspension
from accounts.models import Mail, User
from accounts.providers import sign_in as providers
from accounts.providers.profiles import Profile
from accounts.staff import COMMAND_LINE
from economy.rewards import claim_daily_reward, reward_active_users
from leaderboard.services import update_leaderboard
from tests.accounts import hashers
from tests.accounts.factories import (
    AUTH,
    PASSWORD,
    SOMEWHERE,
    USERS,
    bearer,
    everything,
    faults,
    form,
    live_tokens,
    refusal,
    restore,
    send,
    sign_up,
    sign_up_verified,
    success,
    suspend,
)
from tests.accounts.mail.conftest import log_in, me, request_reset, reset, verify
from tests.betting.factories import Player, assert_audit_passes
from tests.economy.factories import booked
from tests.leaderboard.factories import names
from tests.mail_server import mail, text_of
from tests.markets.factories import add_market

__all__ = ["mail"]
pytestmark = pytest.mark.django_db
ME = f"{USERS}/me"


@pytest.fixture
def ann():
    return sign_up_verified("ann")


@pytest.fixture
def left(stranger, ann):
    """Ann, who has just deleted her account."""
    success(leave(stranger, ann))
    return ann


def leave(http, who, password=PASSWORD, **headers):
    body = {} if password is ... else {"password": password}
    return send(http, ME, body, method="DELETE", **(bearer(who) if who else {}), **headers)


def state_of(user):
    return User.objects.values_list("is_active", "deletion_due_at").get(pk=user.pk)


class TestLeaving:
    def test_says_when_the_account_is_erased(self, stranger, ann):
        before = timezone.now()
        body = success(leave(stranger, ann))
        due_at = datetime.fromisoformat(body["deletionDueAt"])
        assert timedelta() <= due_at - before - rules.ACCOUNT_DELETION_PERIOD < timedelta(minutes=1)
        is_active, stored = state_of(ann.user)
        assert not is_active
        assert abs(stored - due_at) < timedelta(milliseconds=1)

    def test_ends_all_sessions_and_access_tokens_at_once(self, stranger, ann, now):
        phone = services.log_in(email="ann@example.com", password=PASSWORD, client=SOMEWHERE, now=now)
        success(leave(stranger, ann))
        for session in (ann, phone):
            refusal(me(stranger, session), 401, "invalid_token")
            token = {"refreshToken": session.tokens.refresh}
            refusal(send(stranger, f"{AUTH}/refresh", token), 401, "invalid_refresh_token")
            refusal(leave(stranger, session), 401, "invalid_token")
        assert live_tokens(ann.user) == 0

    def test_needs_the_password_of_a_user_who_has_one(self, stranger, ann):
        success(me(stranger, ann))
        before = everything()
        assert faults(leave(stranger, ann, ...)) == {"password": "required"}
        assert faults(leave(stranger, ann, None)) == {"password": "required"}
        assert faults(leave(stranger, ann, 7)) == {"password": "invalid"}
        refusal(leave(stranger, ann, "not the password"), 400, "wrong_password")
        refusal(leave(stranger, None), 401, "not_authenticated")
        assert everything() == before
        assert not Mail.objects.filter(kind="deletion_requested").exists()

    def test_needs_none_of_a_user_who_has_none(self, stranger, now):
        demo = services.create_demo_user(now=now)
        success(stranger.delete(ME, headers=bearer(demo)))
        assert not state_of(demo.user)[0]

    def test_is_not_for_staff_so_that_a_superuser_is_left(self, stranger, now):
        boss = User.objects.create_superuser("boss@example.com", "boss", PASSWORD)
        signed_in = services.log_in(email=boss.email, password=PASSWORD, client=SOMEWHERE, now=now)
        refusal(leave(stranger, signed_in), 409, "staff_cannot_leave")
        assert state_of(boss) == (True, None)

    def test_is_not_for_a_suspended_user(self, stranger, ann, now):
        suspend(ann.user, now=now)
        refusal(leave(stranger, ann), 403, "account_suspended")
        assert state_of(ann.user) == (False, None)

    def test_a_second_time_changes_nothing(self, ann, now):
        def again(later):
            return services.leave(user_id=ann.user.pk, password=PASSWORD, now=now + later)

        assert again(timedelta()) == again(timedelta(days=1)) == now + rules.ACCOUNT_DELETION_PERIOD
        assert Mail.objects.filter(kind="deletion_requested").count() == 1

    def test_others_stay_as_they_are(self, stranger, left):
        bob = sign_up("bob")
        success(me(stranger, bob))
        assert state_of(bob.user) == (True, None)

    def test_keeps_the_username_and_the_address(self, stranger, left):
        refusal(send(stranger, f"{AUTH}/signup", form("ann", email="other@example.com")), 409, "username_taken")
        refusal(send(stranger, f"{AUTH}/signup", form("other", email="ann@example.com")), 409, "email_taken")

    def test_is_possible_with_a_row_of_a_user_in_one_state_alone(self, left, now):
        for change in ({"is_active": True}, {"erased_at": now}):
            with pytest.raises(IntegrityError, match="users_leaving_not_active"), transaction.atomic():
                User.objects.filter(pk=left.user.pk).update(**change)


class TestWhileLeaving:
    def test_nobody_sees_the_user(self, stranger, ann, now):
        Player(ann.user, ann.tokens.access).bet(add_market(), 100)
        update_leaderboard(now=now)
        assert names("volume") == ["ann"]
        success(stranger.get(f"{USERS}/{ann.user.pk}"))
        success(leave(stranger, ann))
        refusal(stranger.get(f"{USERS}/{ann.user.pk}"), 404, "not_found")
        # Another page than the one that is remembered for some seconds.
        assert names("volume", limit=7) == names("pnl", limit=7) == []

    def test_open_bets_stay_and_the_audit_passes(self, stranger, ann):
        player = Player(ann.user, ann.tokens.access)
        player.bet(add_market(), 100)
        before = player.booked()
        success(leave(stranger, ann))
        assert player.booked() == before
        assert before["locked_credits"] == 100
        assert_audit_passes()

    def test_no_day_is_rewarded_until_the_user_is_back(self, stranger, left, now):
        tomorrow = now + timedelta(days=1)
        assert reward_active_users(now=tomorrow).users == 0
        with pytest.raises(errors.AccountSuspended):
            claim_daily_reward(user_id=left.user.pk, now=now)
        success(log_in(stranger, PASSWORD))
        # That of the day on which the user was active, and that of the claim.
        claim_daily_reward(user_id=left.user.pk, now=tomorrow)
        assert booked(left.user)["credit_balance"] == 1_000 + 1_000 + 1_500
        assert_audit_passes()

    def test_nobody_is_paid_for_a_referral(self, stranger, left):
        sign_up_verified("bob", referral_code=left.user.referral_code)
        assert booked(left.user)["referral_credits_earned"] == 0
        assert_audit_passes()

    def test_a_ticket_of_a_stream_is_void(self, stranger, ann):
        ticket = success(send(stranger, "/api/v1/stream/ticket", None, **bearer(ann)))["ticket"]
        success(leave(stranger, ann))
        refusal(stranger.get("/api/v1/stream", {"ticket": ticket}), 401, "invalid_ticket")

    def test_an_address_is_not_verified_until_the_user_is_back(self, stranger, mail):
        ann = sign_up("ann")
        token = mail.token_to("ann@example.com")
        success(leave(stranger, ann))
        refusal(verify(stranger, token), 403, "account_leaving")
        success(log_in(stranger, PASSWORD))
        success(verify(stranger, token))

    def test_a_password_is_not_changed_by_a_request_that_came_too_late(self, left, now):
        user = User.objects.get(pk=left.user.pk)
        with pytest.raises(errors.AccountLeaving):
            services.change_own_password(
                user_id=user.pk,
                session_id=None,
                current_password=PASSWORD,
                new_password="staple paper clip 9",
                client=SOMEWHERE,
                now=now,
            )
        assert User.objects.get(pk=user.pk).password == user.password


class TestComingBack:
    def test_a_login_restores_everything_and_says_so(self, stranger, ann):
        before = success(me(stranger, ann))["user"]
        success(leave(stranger, ann))
        body = success(log_in(stranger, PASSWORD))
        assert body["restored"] is True
        after = success(me(stranger, body["accessToken"]))["user"]
        assert after | {"lastLoginAt": None} == before | {"lastLoginAt": None}
        success(stranger.get(f"{USERS}/{ann.user.pk}"))
        assert state_of(ann.user) == (True, None)
        assert success(log_in(stranger, PASSWORD))["restored"] is False
        # What was signed in before stays signed out.
        refusal(me(stranger, ann), 401, "invalid_token")

    def test_a_sign_in_with_x_restores_it(self, stranger, now):
        profile = Profile("77", "ann_x", "Ann")

        def sign_in():
            return providers.sign_in("x", profile, referral_code="", client=SOMEWHERE, now=now)

        first = sign_in()
        assert not first.tokens.restored
        success(stranger.delete(ME, headers=bearer(first.tokens)))
        assert sign_in().tokens.restored
        assert state_of(User.objects.get(pk=first.user.pk)) == (True, None)

    def test_a_new_password_restores_it_for_who_forgot_the_old_one(self, stranger, left, mail):
        success(request_reset(stranger))
        body = success(reset(stranger, mail.token_to("ann@example.com")))
        assert body["restored"] is True
        success(me(stranger, body["accessToken"]))

    def test_a_wrong_password_does_not(self, stranger, left):
        before = everything()
        refusal(log_in(stranger, "not the password"), 401, "invalid_credentials")
        assert everything() == before

    def test_a_token_from_before_does_not(self, stranger, left):
        before = everything()
        refusal(send(stranger, f"{AUTH}/refresh", {"refreshToken": left.tokens.refresh}), 401, "invalid_refresh_token")
        refusal(me(stranger, left), 401, "invalid_token")
        assert everything() == before

    def test_a_suspended_user_does_not_come_back_by_it(self, stranger, left, now):
        """Whom staff suspend meanwhile is suspended, and no longer leaving."""
        suspend(left.user, now=now)
        assert state_of(left.user) == (False, None)
        refusal(log_in(stranger, PASSWORD), 403, "account_suspended")
        restore(left.user, now=now)
        assert success(log_in(stranger, PASSWORD))["restored"] is False
        assert_audit_passes()

    def test_staff_cannot_restore_as_suspended_who_is_leaving(self, left, now):
        with pytest.raises(errors.NotSuspended):
            restore(left.user, now=now)
        assert_audit_passes()

    def test_staff_may_cancel_the_deletion_once(self, stranger, left, now):
        def cancel():
            return suspension.cancel_deletion(user_id=left.user.pk, by=COMMAND_LINE, reason="By phone.", now=now)

        cancel()
        assert success(log_in(stranger, PASSWORD))["restored"] is False
        with pytest.raises(errors.NotLeaving):
            cancel()


class TestMail:
    def test_it_names_the_date_and_the_way_back(self, stranger, mail, ann, settings, monkeypatch):
        success(leave(stranger, ann))
        User.objects.update(deletion_due_at=datetime(2026, 3, 5, 8, 7, tzinfo=UTC))
        mail.send_queued()
        (message,) = [each for each in mail.received if "deleted" in each["Subject"]]
        assert message["To"] == "ann@example.com"
        for body in (text_of(message), text_of(message, "html")):
            assert "5 March 2026, 08:07 UTC" in body
            assert settings.FRONTEND_URL in body

    def test_nobody_gets_it_whose_address_is_not_verified(self, stranger, mail):
        success(leave(stranger, sign_up("ann")))
        mail.send_queued()
        assert mail.received == []

    def test_it_is_not_sent_to_who_is_back_already(self, stranger, mail, left):
        success(log_in(stranger, PASSWORD))
        mail.send_queued()
        assert [each["Subject"] for each in mail.received if "deleted" in each["Subject"]] == []


class TestGuessing:
    def test_the_password_of_a_user_is_tried_so_often_from_wherever(self, stranger, ann, rates):
        rates(own_password="3/min")
        for _ in range(3):
            refusal(leave(stranger, ann, "not the password"), 400, "wrong_password")
        response = leave(stranger, ann)
        refusal(response, 429, "throttled")
        assert 1 <= int(response["Retry-After"]) <= 60
        assert state_of(ann.user)[0]

    def test_another_user_is_not_held_up(self, stranger, ann, rates):
        rates(own_password="1/min")
        leave(stranger, ann, "not the password")
        success(leave(stranger, sign_up("bob")))

    def test_one_address_tries_so_often_whosever_tokens_it_has(self, stranger, ann, rates):
        rates(login="1/min")
        refusal(leave(stranger, ann, "not the password"), 400, "wrong_password")
        refusal(leave(stranger, sign_up("bob"), "not the password"), 429, "throttled")

    def test_a_change_of_the_password_counts_with_it(self, stranger, ann, rates):
        rates(own_password="1/min")
        leave(stranger, ann, "not the password")
        words = {"currentPassword": PASSWORD, "newPassword": "staple paper clip 9"}
        refusal(send(stranger, f"{AUTH}/password/change", words, **bearer(ann)), 429, "throttled")

    def test_changes_of_the_profile_do_not_count(self, stranger, ann, rates):
        rates(own_password="1/min", login="1/min")
        for name in ("Ann", "Anna", "Anne"):
            success(send(stranger, ME, {"name": name}, method="PATCH", **bearer(ann)))

    @pytest.mark.parametrize("kind", ["active", "leaving", "erased", "nobody"])
    def test_a_refused_login_does_not_tell_who_is_leaving(self, stranger, ann, settings, now, kind):
        """The same words, status, statements and hashes: with equal work the time tells nothing."""
        settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingHasher"]
        email = "nobody@example.com" if kind == "nobody" else "ann@example.com"
        sign_up("bob")
        user = User.objects.get(pk=ann.user.pk)
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
        if kind == "leaving":
            services.leave(user_id=user.pk, password=PASSWORD, now=now)
        if kind == "erased":
            with transaction.atomic():
                services.erase_personal_data(user=user, now=now)
        hashers.runs.clear()
        with CaptureQueriesContext(connection) as asked:
            response = log_in(stranger, "not the password", email)
        assert response.json() == {
            "success": False,
            "error": "Invalid email or password",
            "code": "invalid_credentials",
        }
        assert (response.status_code, hashers.runs, len(asked)) == (401, ["encode"], 1)

    @pytest.mark.parametrize("is_leaving", [False, True], ids=["active", "leaving"])
    def test_a_wrong_password_costs_the_same_hash_as_the_right_one(self, ann, settings, now, is_leaving):
        settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingArgon2Hasher"]
        bob = sign_up("bob")
        if is_leaving:
            services.leave(user_id=bob.user.pk, password=PASSWORD, now=now)
        for password in ("not the password", PASSWORD):
            hashers.argon2_costs.clear()
            try:
                services.leave(user_id=bob.user.pk, password=password, now=now)
            except errors.WrongPassword:
                assert password != PASSWORD
            assert hashers.argon2_costs == [(2, 19_456, 1)]
