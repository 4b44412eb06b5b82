"""Who of the staff sees and does what: each role its own, and none the other's."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts import errors
from accounts.errors import NotAllowed
from accounts.models import User
from accounts.staff import COMMAND_LINE, StaffMember, set_roles
from accounts.suspension import suspend_user
from economy.adjustments import AdjustmentRequest, adjust_credits, hold_credits
from economy.models import CreditAdjustment
from tests.economy.factories import make_user
from tests.markets.factories import add_market
from tests.staff.pages import WHY, act, adjustment, decide, everything, page, records

pytestmark = pytest.mark.django_db
USERS = (
    "/admin/accounts/user/",
    "/admin/economy/credittransaction/",
    "/admin/economy/creditadjustment/",
    "/admin/economy/dailyreward/",
    "/admin/economy/unpaidreferral/",
    "/admin/purchases/creditpurchase/",
)
MARKETS = ("/admin/markets/market/", "/admin/betting/bet/")
SYSTEM = ("/admin/accounts/staffaction/",)
DECISIONS = ("close", "resolve-this", "resolve-that", "void")
ACTIONS = ("suspend", "restore", "log-out", "hold", "release", "adjust", "roles")


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


@pytest.fixture
def sue(member, browser):
    return browser(member("sue", role="support"))


@pytest.fixture
def max_(member, browser):
    return browser(member("max", role="market managers"))


def status(browser, *addresses):
    return {browser.get(address).status_code for address in addresses}


def sent(name):
    """A form that would do it."""
    extra = {"is_staff": "on", "roles": ["support"]} if name == "roles" else adjustment(1)
    return WHY | extra


def test_support_looks_at_users_and_markets_and_not_at_the_system(sue, ann):
    assert status(sue, *USERS, page(ann), *MARKETS) == {200}
    assert status(sue, *SYSTEM) == {403}


def test_support_holds_and_suspends(sue, ann):
    for name in ("hold", "release", "log-out", "suspend", "restore"):
        assert act(name, ann) in sue.get(page(ann)).content.decode() or name in ("release", "restore")
        assert sue.post(act(name, ann), sent(name)).status_code == 302
    assert len(records("suspend_user")) == len(records("hold_credits")) == 1


def test_support_gives_no_credits_and_no_roles(sue, boss, ann):
    asked = CreditAdjustment.objects.create(
        user=ann,
        amount=5,
        limit_in_force=0,
        reason="Why not.",
        status="pending",
        request_id=ann.pk,
        requested_by=boss,
        created_at=timezone.now(),
    )
    sue.get(page(ann))  # a look, which is recorded once an hour
    before = everything()
    for name in ("adjust", "roles"):
        assert act(name, ann) not in sue.get(page(ann)).content.decode()
        assert sue.get(act(name, ann)).status_code == sue.post(act(name, ann), sent(name)).status_code == 403
    for response in ("approve", "decline"):
        assert sue.get(decide(response, asked)).status_code == sue.post(decide(response, asked), WHY).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("decision", DECISIONS)
def test_support_decides_no_market(sue, decision):
    market = add_market()
    address = f"/admin/markets/market/{market.pk}/decide/{decision}/"
    assert address not in sue.get(f"/admin/markets/market/{market.pk}/change/").content.decode()
    assert sue.post(address, WHY).status_code in (403, 404)
    market.refresh_from_db()
    assert market.status == "open"


def test_market_managers_see_no_users_and_do_nothing_to_them(max_, ann):
    before = everything()
    assert status(max_, *MARKETS) == {200}
    assert status(max_, *USERS, page(ann), *SYSTEM) == {403}
    for name in ACTIONS:
        assert max_.get(act(name, ann)).status_code == max_.post(act(name, ann), sent(name)).status_code == 403
    assert everything() == before


def test_each_role_has_its_own_in_the_sidebar(sue, max_, desk):
    leads = {
        who: {
            path for path in (*USERS, *SYSTEM, *MARKETS) if f'href="{path}"' in browser.get("/admin/").content.decode()
        }
        for who, browser in {"support": sue, "managers": max_, "boss": desk}.items()
    }
    assert leads == {
        "support": {*USERS, *MARKETS},
        "managers": {*MARKETS},
        "boss": {*USERS, *MARKETS, *SYSTEM},
    }


def test_staff_without_a_role_see_nothing(member, browser, ann):
    new = browser(member("new"))
    assert status(new, *USERS, *MARKETS, *SYSTEM, page(ann)) == {403}
    for name in ACTIONS:
        assert new.post(act(name, ann), sent(name)).status_code == 403


@pytest.mark.parametrize("path", [*USERS, *MARKETS, *SYSTEM, "/admin/", "/admin/password_change/", "/admin/jsi18n/"])
def test_who_is_not_staff_stays_outside(browser, ann, path):
    for stranger in (browser(ann), Client()):
        response = stranger.get(path)
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")


def test_who_is_not_staff_posts_nothing(browser, ann):
    bob, theirs = make_user("bob"), browser(ann)
    before = everything()
    for name in ACTIONS:
        assert theirs.post(act(name, bob), sent(name)).status_code == 302
    assert everything() == before


def test_a_suspended_member_of_the_staff_is_out_at_once_and_restored_signs_in_anew(desk, member, browser, ann):
    mate = member("mate", role="support")
    theirs = browser(mate)
    assert theirs.get(page(ann)).status_code == 200
    desk.post(act("suspend", mate), WHY)
    assert theirs.get(page(ann)).status_code == theirs.post(act("hold", ann), sent("hold")).status_code == 302
    desk.post(act("restore", mate), WHY)
    assert theirs.get(page(ann)).status_code == 302
    assert browser(User.objects.get(pk=mate.pk)).get(page(ann)).status_code == 200
    assert not records("hold_credits")


class TestGivingRoles:
    def give(self, desk, user, **fields):
        return desk.post(act("roles", user), WHY | fields)

    def test_a_superuser_lets_somebody_in_with_a_role(self, desk, browser, ann):
        assert self.give(desk, ann, is_staff="on", roles=["support"])["Location"] == page(ann)
        assert browser(User.objects.get(pk=ann.pk)).get("/admin/accounts/user/").status_code == 200
        (record,) = records("set_roles")
        assert (record.before, record.after) == (
            {"staff": False, "superuser": False, "roles": []},
            {"staff": True, "superuser": False, "roles": ["support"]},
        )

    def test_and_out_again_at_once(self, desk, member, browser):
        mate = member("mate", role="support")
        theirs = browser(mate)
        assert self.give(desk, mate).status_code == 302
        assert theirs.get("/admin/").status_code == 302
        mate.refresh_from_db()
        assert (mate.is_staff, mate.groups.count()) == (False, 0)

    def test_who_is_let_out_is_no_superuser_any_more(self, desk, member):
        other = member("other", superuser=True)
        self.give(desk, other)
        other.refresh_from_db()
        assert (other.is_staff, other.is_superuser) == (False, False)

    def test_nobody_changes_their_own_so_that_one_superuser_is_left(self, desk, boss):
        assert self.give(desk, boss).status_code == 403
        boss.refresh_from_db()
        assert boss.is_superuser

    def test_of_two_superusers_who_let_each_other_out_one_stays(self, boss, member):
        other = member("other", superuser=True)
        stale, now = StaffMember(User.objects.get(pk=other.pk)), timezone.now()
        set_roles(user_id=other.pk, is_staff=False, roles=[], by=StaffMember(boss), reason="Out.", now=now)
        with pytest.raises(NotAllowed):
            set_roles(user_id=boss.pk, is_staff=False, roles=[], by=stale, reason="Out.", now=now)
        assert User.objects.filter(is_superuser=True).get() == boss

    @pytest.mark.parametrize("role", ["superuser", "Support", "1"])
    def test_a_role_that_there_is_not_is_refused(self, desk, ann, role):
        assert self.give(desk, ann, is_staff="on", roles=[role]).status_code == 400
        with pytest.raises(errors.UnknownRole):
            set_roles(user_id=ann.pk, is_staff=True, roles=[role], by=COMMAND_LINE, reason="Try.", now=timezone.now())

    def test_a_role_is_for_staff(self, desk, ann):
        assert self.give(desk, ann, roles=["support"]).status_code == 400
        assert not ann.groups.exists()


def test_nobody_edits_users_groups_or_permissions_in_django_s_own_pages(desk):
    assert not admin.site.is_registered(Group)
    for path in (
        "/admin/auth/group/",
        "/admin/auth/",
        "/admin/account/emailaddress/",
        "/admin/socialaccount/socialapp/",
    ):
        assert desk.get(path).status_code == 404


@pytest.mark.parametrize("role", ["market managers", ""])
def test_services_ask_by_themselves_whatever_page_calls_them(member, ann, role):
    by, now = StaffMember(member("max", role=role)), timezone.now()
    asked = AdjustmentRequest(user_id=ann.pk, amount=ann.credit_balance, reason="Why not.", request_id=ann.pk)
    who = {"user_id": ann.pk, "by": by, "reason": "Why not.", "now": now}
    for attempt in (
        lambda: adjust_credits(asked, by=by, now=now),
        lambda: hold_credits(amount=asked.amount, **who),
        lambda: suspend_user(**who),
        lambda: set_roles(is_staff=True, roles=[], **who),
    ):
        with pytest.raises(NotAllowed):
            attempt()
