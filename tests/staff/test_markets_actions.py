"""What staff decide about markets: each asked before with whom it pays, done by a POST, for a reason, on record."""

from decimal import Decimal

import pytest
from django.db import InternalError, connection, transaction
from django.test import Client
from django.utils import timezone

from betting.models import Bet, SettlementFailure
from markets.models import Market
from staff.core.actions import Confirmation
from tests.betting.factories import assert_audit_passes, execute, sign_up
from tests.betting.settlement.factories import end, settle
from tests.markets.factories import add_market, add_mirrored, add_past
from tests.staff.market_pages import buttons, decide, page, state
from tests.staff.pages import records, text_of

pytestmark = pytest.mark.django_db
WHY = {"reason": "The rules say so."}
RESULTS = {"this", "that", "invalid"}
DECIDING = RESULTS | {"close", "void"}
ALL = [*sorted(DECIDING), "reverse", "settle"]


@pytest.fixture
def mary(member, browser):
    """The browser of a market manager."""
    return browser(member("mary", role="market managers"))


@pytest.fixture
def sue(member, browser):
    """The browser of somebody of the support."""
    return browser(member("sue", role="support"))


@pytest.fixture
def nobody(member, browser):
    """The browser of somebody of the staff without a role."""
    return browser(member("nobody"))


@pytest.fixture
def kettle():
    """THIS at 0.6 with 100 of ann, THAT at 0.4 with 50 of bob."""
    market = add_market()
    sign_up("ann").bet(market, 100, "this")
    sign_up("bob").bet(market, 50, "that")
    return market


def result(market):
    return Market.objects.values_list("status", "resolution").get(pk=market.pk)


@pytest.mark.parametrize(
    ("outcome", "facts", "paid"),
    [
        ("this", "It pays 166.66 The house adds 16.66", ["ann 1 166.66"]),
        ("that", "It pays 125.00 The house keeps 25.00", ["bob 1 125.00"]),
        ("invalid", "It pays 150.00 The house keeps 0.00", ["ann 1 100.00", "bob 1 50.00"]),
    ],
)
def test_before_a_market_is_resolved_staff_see_whom_it_pays_and_how_much(mary, kettle, outcome, facts, paid):
    read = text_of(mary.get(decide(outcome, kettle)))
    assert "Open bets 2 of 2 users Stake 150.00" in read
    assert facts in read
    assert read.count("Credits ann") + read.count("Credits bob") == 1
    assert all(row in read for row in paid)


def test_a_resolved_market_pays_what_was_shown_and_is_on_record(mary, kettle):
    response = mary.post(decide("this", kettle), WHY)
    assert response["Location"] == page(kettle)
    assert result(kettle) == ("resolved", "this")
    settle(kettle)
    assert list(Bet.objects.order_by("id").values_list("status", "actual_payout")) == [
        ("won", Decimal("166.66")),
        ("lost", 0),
    ]
    (record,) = records("resolve_market")
    assert (record.staff.username, record.ip, record.reason) == ("mary", "127.0.0.1", "The rules say so.")
    assert (record.before["status"], record.after) == ("open", {"status": "resolved", "resolution": "this"})
    read = text_of(mary.get(page(kettle)))
    assert "Result THIS: Yes" in read
    assert "THIS Finished 1 1 0 166.66 0.00" in read.replace("FINISHED", "Finished").replace("finished", "Finished")
    assert_audit_passes()


@pytest.mark.parametrize(
    ("name", "becomes", "record"),
    [
        ("close", ("closed", None), "close_market"),
        ("void", ("cancelled", "invalid"), "void_market"),
        ("that", ("resolved", "that"), "resolve_market"),
        ("invalid", ("resolved", "invalid"), "resolve_market"),
    ],
)
def test_each_decision_does_what_it_says(mary, kettle, name, becomes, record):
    mary.post(decide(name, kettle), WHY)
    assert result(kettle) == becomes
    assert len(records(record)) == 1


def test_a_settlement_is_undone_after_staff_saw_what_it_takes(mary, kettle):
    mary.post(decide("this", kettle), WHY)
    settle(kettle)
    read = text_of(mary.get(decide("reverse", kettle)))
    assert "Taken back 166.66 Lent by the house 0.00 Users in debt 0" in read
    assert "ann 1 166.66 1,066.66 0.00" in read
    mary.post(decide("reverse", kettle), WHY)
    assert result(kettle) == ("closed", None)
    assert set(Bet.objects.values_list("status", flat=True)) == {"pending"}
    assert len(records("reverse_market")) == 1
    assert_audit_passes()


def test_failed_settlements_are_seen_and_retried(mary, kettle):
    execute("UPDATE users SET locked_credits = 0 WHERE username = 'ann'")
    end(kettle)
    settle(kettle)
    read = text_of(mary.get(page(kettle)))
    assert "Some settlements failed" in read
    assert "users_locked_not_negative" in read
    assert "ann 1 166.66" in text_of(mary.get(decide("settle", kettle)))
    execute("UPDATE users SET locked_credits = 100 WHERE username = 'ann'")
    mary.post(decide("settle", kettle), WHY)
    assert SettlementFailure.objects.count() == 0
    (record,) = records("settle_market")
    assert (record.before, record.after) == ({"failed_settlements": 1}, {"failed_settlements": 0})
    assert settle(kettle).won == 1
    assert_audit_passes()


@pytest.mark.parametrize("name", ALL)
def test_looking_does_nothing(desk, kettle, name):
    before = state()
    assert desk.get(decide(name, kettle)).status_code in (200, 302)
    assert state() == before


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
@pytest.mark.parametrize("name", DECIDING)
def test_without_a_fitting_reason_nothing_is_decided(mary, kettle, name, reason):
    before = state()
    assert mary.post(decide(name, kettle), {"reason": reason}).status_code == 400
    assert state() == before


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("who", ["sue", "nobody"])
def test_who_may_not_decide_is_refused_by_the_page_and_by_what_is_sent(request, who, kettle, name):
    browser: Client = request.getfixturevalue(who)
    if name in ("reverse", "settle"):
        end(kettle)
    before = state()
    assert browser.get(decide(name, kettle)).status_code == 403
    assert browser.post(decide(name, kettle), WHY).status_code == 403
    assert state() == before


def test_the_support_sees_markets_without_buttons_and_others_see_nothing(sue, nobody, kettle):
    assert "Owed" in text_of(sue.get("/admin/markets/market/"))
    assert buttons(sue, kettle) == {"note"}
    assert "New house market" not in text_of(sue.get("/admin/markets/market/"))
    for address in (page(kettle), "/admin/markets/market/", "/admin/markets/marketresolution/"):
        assert nobody.get(address).status_code == 403
    assert b'href="/admin/markets/' not in nobody.get("/admin/").content
    assert b'href="/admin/markets/market/"' in sue.get("/admin/").content


def test_a_stranger_is_sent_to_sign_in(kettle):
    before = state()
    for response in (Client().get(decide("this", kettle)), Client().post(decide("this", kettle), WHY)):
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")
    assert state() == before


HOUSE = DECIDING | {"edit", "odds", "pause"}


@pytest.mark.parametrize(
    ("market", "offered"),
    [
        (add_market, HOUSE),
        (add_mirrored, DECIDING),
        (lambda: add_past("closed"), DECIDING - {"close"}),
        (lambda: add_past("resolved"), {"reverse"}),
        (lambda: add_past("cancelled"), {"reverse"}),
    ],
    ids=["house", "mirrored", "closed", "resolved", "cancelled"],
)
def test_only_what_the_status_allows_is_offered(mary, market, offered):
    assert buttons(mary, market()) == offered | {"note"}


def test_while_bets_are_open_on_a_market_that_is_over_it_can_be_settled_now(mary, kettle):
    end(kettle)
    assert buttons(mary, kettle) == {"note", "reverse", "settle"}
    assert "still being settled" in text_of(mary.get(page(kettle)))


@pytest.mark.parametrize("name", DECIDING)
def test_what_came_too_late_is_said_and_leads_back(mary, name):
    market = add_past("resolved")
    response = mary.get(decide(name, market), follow=True)
    assert response.redirect_chain == [(page(market), 302)]
    assert "Not possible: this market is resolved." in text_of(response)


@pytest.mark.parametrize("name", DECIDING)
def test_a_form_that_is_sent_twice_decides_once(mary, kettle, name):
    mary.post(decide(name, kettle), WHY)
    before = state()
    again = mary.post(decide(name, kettle), WHY)
    assert again.status_code == 409
    assert f"This market is {result(kettle)[0]}." in text_of(again)
    assert state() == before


def test_a_reversal_that_is_sent_twice_takes_once(mary, kettle):
    mary.post(decide("this", kettle), WHY)
    settle(kettle)
    mary.post(decide("reverse", kettle), WHY)
    before = state()
    assert mary.post(decide("reverse", kettle), WHY).status_code in (400, 409)
    assert state() == before


def test_a_form_of_another_site_is_refused(member, kettle):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(member("mary", role="market managers"))
    before = state()
    assert browser.post(decide("this", kettle), WHY).status_code == 403
    assert state() == before


def test_an_unknown_market_or_action_is_not_found(mary, kettle):
    assert mary.get(decide("burn", kettle)).status_code == 404
    assert mary.get(decide("this", Market())).status_code == 404
    assert mary.get(page(Market())).status_code == 404
    assert mary.get("/admin/markets/market/no-id/change/").status_code == 404


@pytest.mark.parametrize("name", ["change", "delete"])
def test_nothing_is_edited_in_place(desk, kettle, name):
    before = state()
    desk.post(f"/admin/markets/market/{kettle.pk}/{name}/", {"status": "resolved", "title": "Mine", "post": "yes"})
    desk.post("/admin/markets/market/add/", {"title": "Mine"})
    assert state() == before


def busy(said) -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE lock_not_available; END $$")
    return "Never."


def broken(said) -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE data_corrupted; END $$")
    return "Never."


@pytest.fixture
def posted(rf, boss):
    request = rf.post("/", WHY | {"now": timezone.now().isoformat()})
    request.user = boss
    return request


def test_somebody_elses_lock_is_said_to_be_passing(posted):
    response = Confirmation(title="Do it", button="Do it", back="/", act=busy).respond(posted)
    assert response.status_code == 503
    assert "Nothing happened; try again." in text_of(response)


def test_what_does_not_pass_is_not_hidden(posted):
    with pytest.raises(InternalError, match="data_corrupted"):
        Confirmation(title="Do it", button="Do it", back="/", act=broken).respond(posted)
