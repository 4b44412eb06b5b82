"""Staff actions on users: each confirmed on a page, done by a POST, with a reason, and recorded."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts import errors, suspension
from accounts.models import RefreshToken, User
from accounts.staff import COMMAND_LINE, StaffMember
from economy.ledger.audit import audit
from economy.models import Debt
from ops.personal_data import erase_user
from tests.accounts.factories import AUTH, bearer, refresh, refusal, send, sign_up, success
from tests.economy.factories import give
from tests.economy.test_debts import lend
from tests.staff.pages import WHY, act, adjustment, balance, everything, page, records, text_of

pytestmark = pytest.mark.django_db
ME = f"{AUTH}/me"
ALL = ("suspend", "restore", "log-out", "hold", "release", "adjust", "roles")


@pytest.fixture
def ann(db):
    return sign_up("ann")


@pytest.fixture
def sue(member, browser):
    """The browser of somebody of the support."""
    return browser(member("sue", role="support"))


def credits_of(user):
    return User.objects.values_list("credit_balance", "held_credits", "available_credits").get(pk=user.pk)


def test_a_suspended_user_is_out_at_once_and_stays_signed_out_when_restored(sue, api, ann):
    assert sue.post(act("suspend", ann.user), WHY)["Location"] == page(ann.user)
    refusal(api.get(ME, headers=bearer(ann)), 403, "account_suspended")
    assert "Suspended" in text_of(sue.get(page(ann.user))).title()
    sue.post(act("restore", ann.user), WHY)
    refusal(api.get(ME, headers=bearer(ann)), 401, "invalid_token")
    assert [(record.before["suspended"], record.after["suspended"]) for record in records("suspend_user")] == [
        (False, True)
    ]
    assert [(record.before["suspended"], record.after["suspended"]) for record in records("restore_user")] == [
        (True, False)
    ]


def test_logged_out_everywhere_means_every_token_at_once(sue, api, ann):
    other = send(api, f"{AUTH}/login", {"email": "ann@example.com", "password": "correct horse battery"}).json()
    sue.post(act("log-out", ann.user), WHY)
    refusal(api.get(ME, headers=bearer(ann)), 401, "invalid_token")
    refusal(api.get(ME, headers=bearer(other["accessToken"])), 401, "invalid_token")
    refusal(send(api, f"{AUTH}/refresh", {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    assert set(RefreshToken.objects.values_list("revoked_reason", flat=True)) == {"ended_by_staff"}
    again = send(api, f"{AUTH}/login", {"email": "ann@example.com", "password": "correct horse battery"}).json()
    success(api.get(ME, headers=bearer(again["accessToken"])))
    (record,) = records("end_sessions")
    assert (record.before["signed_in"], record.after["signed_in"], record.ip) == (2, 0, "127.0.0.1")


def test_a_refreshed_token_is_as_good_as_a_new_one_after_sessions_were_ended(sue, api, ann):
    sue.post(act("log-out", ann.user), WHY)
    again = send(api, f"{AUTH}/login", {"email": "ann@example.com", "password": "correct horse battery"}).json()
    success(api.get(ME, headers=bearer(refresh(again["refreshToken"]))))


def test_somebody_of_the_staff_who_is_logged_out_everywhere_leaves_the_admin(desk, member, browser):
    mate = member("mate", role="support")
    theirs = browser(mate)
    assert theirs.get("/admin/").status_code == 200
    desk.post(act("log-out", mate), WHY)
    assert theirs.get("/admin/").status_code == 302


def test_credits_on_hold_stay_the_users_and_are_not_to_be_spent(sue, ann):
    sue.post(act("hold", ann.user), {"amount": "400.50", **WHY})
    assert credits_of(ann.user) == (1_000, 400.5, 599.5)
    assert "400.50" in text_of(sue.get(page(ann.user)))
    before = everything()
    response = sue.post(act("hold", ann.user), {"amount": "599.51", **WHY})
    assert response.status_code == 400
    assert "Only 599.50 credits are available." in text_of(response)
    assert everything() == before
    (record,) = records("hold_credits")
    assert (record.before["held"], record.after["held"], record.after["balance"]) == ("0.00", "400.50", "1000.00")


def test_a_hold_is_let_go_in_parts_and_no_more_than_there_is(sue, ann):
    sue.post(act("hold", ann.user), {"amount": "400", **WHY})
    sue.post(act("release", ann.user), {"amount": "150", **WHY})
    assert credits_of(ann.user) == (1_000, 250, 750)
    assert sue.post(act("release", ann.user), {"amount": "250.01", **WHY}).status_code == 400
    assert credits_of(ann.user) == (1_000, 250, 750)
    assert audit().passed


def test_what_is_let_go_repays_debts_first(sue, ann):
    """The user could spend it else, and owe still."""
    sue.post(act("hold", ann.user), {"amount": "1000", **WHY})
    lend(ann.user, 300)
    give(ann.user, 100)
    assert Debt.objects.get().repaid == 100
    assert "repays them first" in text_of(sue.get(act("release", ann.user)))
    sue.post(act("release", ann.user), {"amount": "150", **WHY})
    assert (Debt.objects.get().repaid, credits_of(ann.user)) == (250, (850, 850, 0))
    sue.post(act("release", ann.user), {"amount": "850", **WHY})
    assert (Debt.objects.get().repaid, credits_of(ann.user)) == (300, (800, 0, 800))


@pytest.mark.parametrize("name", ALL)
def test_looking_at_a_page_does_nothing(desk, ann, name):
    before = everything()
    assert desk.get(act(name, ann.user)).status_code in (200, 302)
    assert everything() == before


@pytest.mark.parametrize("name", ["suspend", "log-out", "roles"])
def test_without_a_reason_nothing_is_done(desk, ann, name):
    before = everything()
    assert desk.post(act(name, ann.user), {"reason": "  "}).status_code == 400
    assert everything() == before


@pytest.mark.parametrize(("name", "status"), [("restore", 409), ("suspend", 302)])
def test_an_action_that_changes_nothing_is_refused(desk, ann, name, status):
    assert desk.post(act(name, ann.user), WHY).status_code == status
    assert desk.post(act(name, ann.user), WHY).status_code == 409


@pytest.mark.parametrize("name", ALL)
def test_nobody_does_any_of_it_to_themselves(desk, boss, name):
    before = everything()
    sent = {"amount": "1", "direction": "give", "request_id": "0" * 32, "is_staff": "on", **WHY}
    assert desk.post(act(name, boss), sent).status_code in (403, 409)
    assert everything() == before
    assert act(name, boss) not in desk.get(page(boss)).content.decode()


@pytest.mark.parametrize("name", ["suspend", "log-out", "hold"])
def test_support_does_not_lock_out_those_of_the_staff(sue, boss, member, name):
    for colleague in (boss, member("max", role="market managers")):
        assert sue.post(act(name, colleague), {"amount": "1", **WHY}).status_code == 403
        assert act(name, colleague) not in sue.get(page(colleague)).content.decode()
    assert not User.objects.filter(is_active=False).exists()


def test_who_was_suspended_a_moment_ago_acts_no_more(boss, member, ann):
    """Two who suspend each other: whoever comes second isn't staff any more."""
    other = member("other", superuser=True)
    stale = StaffMember(User.objects.get(pk=other.pk))
    now = timezone.now()
    suspension.suspend_user(user_id=other.pk, by=StaffMember(boss), reason="First.", now=now)
    with pytest.raises(errors.NotAllowed):
        suspension.suspend_user(user_id=boss.pk, by=stale, reason="Second.", now=now)
    boss.refresh_from_db()
    assert boss.is_active


def test_the_command_line_may_too_and_is_recorded_as_such(ann):
    suspension.end_sessions(user_id=ann.user.pk, by=COMMAND_LINE, reason="A leak.", now=timezone.now())
    (record,) = records("end_sessions")
    assert (record.staff, record.ip) == (None, None)


def test_a_form_from_elsewhere_is_refused(boss, ann):
    hostile = Client(enforce_csrf_checks=True)
    hostile.force_login(boss)
    assert hostile.post(act("suspend", ann.user), WHY).status_code == 403
    assert User.objects.get(pk=ann.user.pk).is_active


@pytest.mark.parametrize("name", ["promote", "suspend/x", ".."])
def test_an_unknown_action_is_not_found(desk, ann, name):
    assert desk.post(f"/admin/accounts/user/{ann.user.pk}/act/{name}/", WHY).status_code in (302, 404)
    assert not records("suspend_user")


def test_an_action_needs_a_users_id_and_not_a_name(desk, ann):
    before = everything()
    for name in ("ann", "an", "ANN", "%", "ann@example.com"):
        assert desk.post(f"/admin/accounts/user/{name}/act/adjust/", adjustment(5), follow=True).status_code == 404
    assert everything() == before


def test_an_unknown_user_is_not_found(desk):
    assert desk.get("/admin/accounts/user/00000000-0000-0000-0000-000000000000/act/suspend/").status_code == 404
    assert desk.get("/admin/accounts/user/none/change/").status_code == 404


def test_the_balance_shown_is_not_what_is_sent(desk, ann):
    """No field of the form is a balance: whatever else is sent is nothing."""
    desk.post(act("suspend", ann.user), WHY | {"credit_balance": "5000", "is_superuser": "on", "held_credits": "0"})
    assert balance(ann.user) == 1_000
    assert not User.objects.filter(pk=ann.user.pk, is_superuser=True).exists()
    assert desk.post(page(ann.user), {"credit_balance": "5000"}).status_code == 403
    assert balance(ann.user) == 1_000


def test_an_erased_user_is_offered_no_way_back(desk, ann):
    erase_user(user_id=ann.user.pk, by=COMMAND_LINE, reason="Asked for it.", now=timezone.now())
    read = text_of(desk.get(page(ann.user)))
    assert "erased" in read
    for name in ("restore", "roles", "log-out"):
        assert act(name, ann.user) not in desk.get(page(ann.user)).content.decode()
    assert desk.post(act("restore", ann.user), WHY).status_code == 409
