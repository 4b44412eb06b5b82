"""What staff see of users who are leaving, and do about them; and of what ends their sessions."""

import pytest
from django.utils import timezone

from accounts import services
from accounts.models import Mail, RefreshToken, User
from tests.accounts.factories import AUTH, PASSWORD, bearer, refusal, send, sign_up, sign_up_verified, success, verify
from tests.mail_server import mail
from tests.staff.pages import WHY, act, everything, page, records, text_of

__all__ = ["mail"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(db):
    """Who has just deleted her account."""
    signed_in = sign_up_verified("ann")
    services.leave(user_id=signed_in.user.pk, password=PASSWORD, now=timezone.now())
    return signed_in


@pytest.fixture
def sue(member, browser):
    """The browser of somebody of the support."""
    return browser(member("sue", role="support"))


def log_in(http):
    return send(http, f"{AUTH}/login", {"email": "ann@example.com", "password": PASSWORD})


def test_the_page_says_until_when_and_what_was_mailed(sue, ann, mail):
    mail.send_queued()
    due_at = User.objects.get(pk=ann.user.pk).deletion_due_at
    read = text_of(sue.get(page(ann.user)))
    assert f"Deleted by the user: is erased after {due_at:%Y-%m-%d %H:%M:%S} UTC." in read
    assert "Deletion requested" in read
    assert "leaving" in read.lower()


def test_the_table_finds_who_is_leaving_and_calls_nobody_of_them_suspended(sue, ann):
    sign_up("bob")
    table = "/admin/accounts/user/"
    leaving, suspended = (text_of(sue.get(f"{table}?state={state}")) for state in ("leaving", "suspended"))
    assert ("@ann" in leaving, "@bob" in leaving) == (True, False)
    assert "@ann" not in suspended


def test_support_cancels_a_deletion_on_the_record(sue, api, ann):
    assert "Cancel the deletion of" in text_of(sue.get(act("cancel-deletion", ann.user)))
    assert sue.post(act("cancel-deletion", ann.user), WHY)["Location"] == page(ann.user)
    assert success(log_in(api))["restored"] is False
    (record,) = records("cancel_deletion")
    assert (record.before["leaving"], record.after["leaving"], record.reason) == (True, False, WHY["reason"])


def test_it_is_cancelled_only_for_a_reason_and_where_there_is_one(sue, ann):
    bob = sign_up("bob").user
    # What is seen of a user is recorded, the first time in an hour.
    assert act("cancel-deletion", bob) not in sue.get(page(bob)).content.decode()
    before = everything()
    assert sue.post(act("cancel-deletion", ann.user), {"reason": " "}).status_code == 400
    assert sue.post(act("cancel-deletion", bob), WHY).status_code == 409
    assert everything() == before


def test_other_staff_than_support_do_not_cancel_it(member, browser, ann):
    manager = browser(member("max", role="market managers"))
    assert manager.post(act("cancel-deletion", ann.user), WHY).status_code == 403
    assert User.objects.get(pk=ann.user.pk).is_leaving


def test_who_is_leaving_is_suspended_and_not_restored(sue, api, ann):
    assert sue.post(act("restore", ann.user), WHY).status_code == 409
    sue.post(act("suspend", ann.user), WHY)
    refusal(log_in(api), 403, "account_suspended")
    (record,) = records("suspend_user")
    assert (record.before["suspended"], record.before["leaving"]) == (False, True)
    assert (record.after["suspended"], record.after["leaving"]) == (True, False)


class TestEndASession:
    @pytest.fixture
    def bob(self, db):
        return sign_up("bob")

    @staticmethod
    def session_of(signed_in):
        return str(RefreshToken.objects.filter(user=signed_in.user).earliest("created_at").family)

    def test_ends_that_one_at_once_and_no_other_on_the_record(self, sue, api, bob):
        phone = send(api, f"{AUTH}/login", {"email": "bob@example.com", "password": PASSWORD}).json()
        ended = {"session": self.session_of(bob), **WHY}
        assert sue.post(act("end-session", bob.user), ended)["Location"] == page(bob.user)
        refusal(api.get(f"{AUTH}/me", headers=bearer(bob)), 401, "invalid_token")
        refusal(send(api, f"{AUTH}/refresh", {"refreshToken": bob.tokens.refresh}), 401, "invalid_refresh_token")
        success(api.get(f"{AUTH}/me", headers=bearer(phone["accessToken"])))
        (record,) = records("end_session")
        assert (record.before["signed_in"], record.after["signed_in"], record.target_id) == (2, 1, str(bob.user.pk))

    def test_is_chosen_from_the_users_own(self, sue, api, bob):
        carl = sign_up("carl")
        form = sue.get(act("end-session", bob.user)).content.decode()
        assert self.session_of(bob) in form
        assert self.session_of(carl) not in form
        before = everything()
        for session in (self.session_of(carl), "none", ""):
            assert sue.post(act("end-session", bob.user), {"session": session, **WHY}).status_code == 400
        assert everything() == before
        success(api.get(f"{AUTH}/me", headers=bearer(carl)))

    def test_that_has_ended_meanwhile_is_offered_no_more(self, sue, bob):
        sent = {"session": self.session_of(bob), **WHY}
        assert sue.post(act("end-session", bob.user), sent).status_code == 302
        assert sue.post(act("end-session", bob.user), sent).status_code == 400
        assert len(records("end_session")) == 1


class TestPasswordChangedInTheAdmin:
    WORDS = {
        "old_password": "a-long-enough-pass",
        "new_password1": "staple paper clip 9",
        "new_password2": "staple paper clip 9",
    }

    def test_is_told_to_the_user_by_mail(self, boss, browser, mail):
        verify(boss)
        assert browser(boss).post("/admin/password_change/", self.WORDS).status_code == 302
        mail.send_queued()
        assert mail.subjects_to(boss.email) == ["Your password was changed"]

    def test_is_told_only_if_it_was(self, boss, browser):
        verify(boss)
        assert browser(boss).post("/admin/password_change/", self.WORDS | {"old_password": "x"}).status_code == 200
        assert not Mail.objects.filter(kind="password_changed").exists()

    def test_is_not_told_to_an_address_that_nobody_verified(self, boss, browser):
        browser(boss).post("/admin/password_change/", self.WORDS)
        assert not Mail.objects.exists()
