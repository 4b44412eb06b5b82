"""Staff act on several rows of a list at once: one page with the consequences for each, one reason, a record of each."""

import pytest
from django.urls import reverse

from accounts.models import User
from markets.models import Market
from tests.economy.factories import make_user
from tests.markets.factories import add_market, add_past
from tests.staff.pages import WHY, records, text_of

pytestmark = pytest.mark.django_db
MARKETS, USERS = "/admin/markets/market/", "/admin/accounts/user/"


def mark(browser, table: str, action: str, rows) -> str:
    """Where the list leads with the rows marked."""
    response = browser.post(table, {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": 0})
    assert response.status_code == 302
    return response["Location"]


def bulk(model: str, name: str, rows) -> str:
    return reverse(f"admin:{model}_bulk", args=[name]) + "?ids=" + ",".join(str(row.pk) for row in rows)


@pytest.fixture
def three(db):
    return [add_market(title=f"Will it rain on day {number}?") for number in range(3)]


def test_markets_are_closed_together_after_one_page(desk, three):
    page = mark(desk, MARKETS, "close", three[:2])
    text = text_of(desk.get(page))
    assert "Close the markets: 2 of 2" in text
    assert "Will it rain on day 0?" in text
    assert "Will it rain on day 2?" not in text
    assert desk.post(page, {"reason": " "}).status_code == 400
    assert records("close_market") == []
    response = desk.post(page, WHY, follow=True)
    assert "Close the markets: done for 2 of 2." in text_of(response)
    assert set(Market.objects.filter(status="closed")) == set(three[:2])
    assert [record.reason for record in records("close_market")] == [WHY["reason"]] * 2


def test_what_is_not_possible_for_one_is_said_and_keeps_no_other(desk, three):
    over = add_past("resolved", title="Did it rain?")
    page = bulk("markets_market", "void", [*three, over])
    text = text_of(desk.get(page))
    assert "Void the markets: 3 of 4" in text
    assert "Did it rain? Not possible: this market is resolved." in text
    assert "done for 3 of 4" in text_of(desk.post(page, WHY, follow=True))
    assert Market.objects.filter(status="cancelled").count() == 3


def test_users_are_suspended_together_and_no_member_of_the_staff_is(desk, boss):
    ann, bob = make_user("ann"), make_user("bob")
    page = bulk("accounts_user", "suspend", [ann, bob, boss])
    assert "Suspend the users: 2 of 3" in text_of(desk.get(page))
    desk.post(page, WHY)
    assert set(User.objects.filter(is_active=False)) == {ann, bob}
    assert len(records("suspend_user")) == 2


def test_each_role_is_offered_what_it_may_do(member, browser, three):
    ann = make_user("ann")
    sue, manager = browser(member("sue", role="support")), browser(member("max", role="market managers"))
    assert "Suspend the users" in sue.get(USERS).content.decode()
    assert "Void the markets" not in sue.get(MARKETS).content.decode()
    assert "Void the markets" in manager.get(MARKETS).content.decode()
    assert sue.post(bulk("markets_market", "void", three), WHY).status_code == 403
    assert manager.post(bulk("accounts_user", "suspend", [ann]), WHY).status_code == 403
    assert Market.objects.filter(status="open").count() == 3


@pytest.mark.parametrize(
    "address",
    ["bulk/void/", "bulk/void/?ids=", "bulk/void/?ids=x,%00,7", "bulk/this/?ids={id}", "bulk/nosuch/?ids={id}"],
)
def test_an_address_of_nothing_is_not_found(desk, three, address):
    assert desk.get(MARKETS + address.format(id=three[0].pk)).status_code == 404


def test_lists_without_such_actions_have_none(desk):
    assert "_selected_action" not in desk.get("/admin/betting/bet/").content.decode()
