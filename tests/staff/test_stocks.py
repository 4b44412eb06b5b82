"""Stocks in the admin: tables to look at; prices and statuses set by who may, for a reason and on record."""

from decimal import Decimal

import pytest

from economy.stocks.models import Stock, StockHolding, StockPrice
from tests.economy.stocks.factories import assert_audit_passes, list_stock, new_trader
from tests.staff.market_pages import asked, state
from tests.staff.pages import records, text_of

pytestmark = pytest.mark.django_db
PRICE, STATUS = {"price": "12.5", "reason": "They sold more."}, {"status": "halted", "reason": "News is due."}
FORMS = {"price": PRICE, "status": STATUS}
TABLES = ("stock", "stockprice", "stockholding", "stocktransaction")


@pytest.fixture
def acme():
    return list_stock(supply=1_000_000)


@pytest.fixture
def ann():
    return new_trader("ann")


@pytest.fixture
def mary(member, browser):
    """The browser of a market manager."""
    return browser(member("mary", role="market managers"))


def table(name):
    return f"/admin/economy/{name}/"


def page(stock):
    return f"/admin/economy/stock/{stock.pk}/change/"


def change(name, stock):
    return f"/admin/economy/stock/{stock.pk}/change/{name}/"


def test_a_price_is_set_after_staff_saw_what_it_moves(mary, ann, acme):
    ann.buy(acme, 3)
    read = text_of(mary.get(change("price", acme)))
    assert "Price 10 Status Active In circulation 3 shares of 1 users Worth at that price 30.00" in read
    assert mary.post(change("price", acme), PRICE)["Location"] == page(acme)
    assert Stock.objects.get().current_price == Decimal("12.5")
    (record,) = records("set_stock_price")
    assert (record.staff.username, record.ip, record.reason) == ("mary", "127.0.0.1", "They sold more.")
    assert (record.before, record.after) == ({"price": "10"}, {"price": "12.5"})
    read = text_of(mary.get(page(acme)))
    assert "12.5 mary They sold more." in read
    assert "10 The catalogue" in read
    assert_audit_passes()


def test_a_stock_is_closed_to_buyers_and_opened_again(mary, ann, acme):
    mary.post(change("status", acme), STATUS)
    assert Stock.objects.get().status == "halted"
    mary.post(change("status", acme), STATUS | {"status": "active"})
    ann.buy(acme, 1)
    assert [record.after for record in records("set_stock_status")] == [{"status": "halted"}, {"status": "active"}]
    assert "halted mary News is due." in text_of(mary.get(page(acme)))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("price", {"price": ""}),
        ("price", {"price": "0"}),
        ("price", {"price": "-1"}),
        ("price", {"price": "NaN"}),
        ("price", {"price": "0.000000001"}),
        ("price", {"price": "9999999999"}),
        ("price", {"reason": " "}),
        ("status", {"status": "open"}),
        ("status", {"status": "active"}),
        ("status", {"reason": ""}),
    ],
)
def test_invalid_values_are_refused_with_the_reason(mary, acme, name, fields):
    before = state()
    response = mary.post(change(name, acme), FORMS[name] | fields)
    assert response.status_code in (400, 409)
    assert b'role="alert"' in response.content
    assert state() == before


@pytest.mark.parametrize("name", FORMS)
def test_looking_changes_nothing(mary, acme, name):
    before = state()
    assert mary.get(change(name, acme)).status_code == 200
    assert state() == before


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("role", ["support", ""])
def test_who_may_not_set_it_is_refused_and_sees_no_button(member, browser, acme, name, role):
    sue = browser(member("sue", role=role))
    before = state()
    assert sue.get(change(name, acme)).status_code == 403
    assert sue.post(change(name, acme), FORMS[name]).status_code == 403
    assert state() == before
    assert change(name, acme).encode() not in sue.get(page(acme)).content


def test_only_who_may_see_markets_sees_stocks(member, browser, acme):
    sue, nobody = browser(member("sue", role="support")), browser(member("nobody"))
    for name in TABLES:
        assert (sue.get(table(name)).status_code, nobody.get(table(name)).status_code) == (200, 403)
    assert nobody.get(page(acme)).status_code == 403


def test_what_is_held_and_traded_is_found_by_user_and_stock(desk, ann, acme):
    zeta = list_stock("ZETA")
    bob = new_trader("bob")
    ann.buy(acme, 2, leverage=3)
    bob.buy(zeta, 1)
    bob.sell(zeta, 1)
    assert "ann ACME 2 20.00 3\N{MULTIPLICATION SIGN}" in text_of(desk.get(table("stockholding")))
    assert "1 stock holding" in text_of(desk.get(table("stockholding"), {"stock": str(acme.pk)}))
    assert "0 stock holdings" in text_of(desk.get(table("stockholding"), {"q": "bob"}))
    assert "2 stock transactions" in text_of(desk.get(table("stocktransaction"), {"q": "bob"}))
    assert "bob ZETA Sell 1 10 10.00" in text_of(desk.get(table("stocktransaction"), {"type": "sell"}))
    assert "1 stock transaction" in text_of(desk.get(table("stocktransaction"), {"stock": str(acme.pk)}))
    assert "1 stock price" in text_of(desk.get(table("stockprice"), {"stock": str(zeta.pk)}))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_takes_as_many_statements_for_many_rows_as_for_one(desk, acme, name):
    new_trader("first").buy(acme, 1)
    before = asked(desk, table(name))
    for number in range(5):
        new_trader(f"user{number}").buy(acme, 1)
    after = asked(desk, table(name))
    assert len(after) == len(before)
    assert all("LIMIT 10000)" in sql for sql in after if "COUNT(" in sql)


@pytest.mark.parametrize("name", TABLES)
def test_nobody_adds_changes_or_deletes_any_of_it(desk, ann, acme, name):
    ann.buy(acme, 1)
    rows = {"stock": acme, "stockprice": StockPrice.objects.get(), "stockholding": StockHolding.objects.get()}
    row = rows.get(name, acme)
    before = state()
    for what in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        desk.post(f"{table(name)}{what}", {"current_price": "1", "price": "1", "shares": "99", "post": "yes"})
    assert state() == before
