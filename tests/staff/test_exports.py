"""Lists as CSV files: what the list shows, for who may, and on record."""

import csv
from io import StringIO

import pytest

from tests.betting.factories import sign_up
from tests.economy.factories import make_user
from tests.markets.factories import add_market, add_past
from tests.staff.pages import WHY, records, text_of

pytestmark = pytest.mark.django_db
USERS, MARKETS = "/admin/export/accounts/user/", "/admin/export/markets/market/"
LISTS = [
    "accounts/user", "accounts/staffaction", "betting/bet", "betting/settlement", "betting/settlementfailure",
    "common/jobrun", "economy/creditadjustment", "economy/credittransaction", "economy/dailyreward", "economy/stock",
    "economy/stockholding", "economy/stocktransaction", "markets/market", "markets/marketevent", "markets/marketresolution",
    "purchases/creditpurchase",
]  # fmt: skip


def rows(response) -> list[dict[str, str]]:
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(response.content.decode())))


def test_a_file_has_what_the_list_shows_and_is_on_record(desk, boss):
    make_user("ann", name="Ann, the first")
    assert "/admin/export/accounts/user/" in desk.get("/admin/accounts/user/").content.decode()
    assert "It is recorded who exported what." in text_of(desk.get(USERS))
    file = rows(desk.post(USERS, WHY))
    assert [row["User"] for row in file][:1] == ["Ann, the first @ann"]
    (record,) = records("export_list")
    assert (record.staff, record.reason) == (boss, WHY["reason"])
    assert record.after == {"list": "users", "narrowed_to": "", "rows": 2}


def test_it_is_narrowed_as_the_list_is(desk):
    add_market(title="Will it rain?")
    add_market(title="Will it snow?")
    add_past("resolved", title="Did it rain?")
    assert (
        "/admin/export/markets/market/?q=rain&amp;status=open"
        in desk.get("/admin/markets/market/?q=rain&status=open").content.decode()
    )
    (row,) = rows(desk.post(MARKETS + "?q=rain&status=open", WHY))
    assert row["Market"] == "Will it rain? House, general"
    assert records("export_list")[0].after["narrowed_to"] == "?q=rain&status=open"


@pytest.mark.parametrize("name", LISTS)
def test_every_list_can_be_exported(desk, name):
    ann, market = sign_up("ann"), add_market()
    ann.bet(market, 100)
    assert desk.post(f"/admin/export/{name}/", WHY).status_code == 200


def test_without_a_reason_there_is_no_file(desk):
    response = desk.post(USERS, {"reason": " "})
    assert response.status_code == 400
    assert "text/html" in response["Content-Type"]
    assert records("export_list") == []


def test_a_cell_is_no_formula(desk):
    make_user("eve", name="=HYPERLINK(1)")
    assert "'=HYPERLINK(1) @eve" in {row["User"] for row in rows(desk.post(USERS, WHY))}


@pytest.mark.parametrize("name", ["markets/nosuch", "x/y", "accounts/refreshtoken", "staff/job", "auth/group"])
def test_what_is_no_list_is_not_found(desk, name):
    assert desk.post(f"/admin/export/{name}/", WHY).status_code == 404


@pytest.mark.parametrize(
    ("role", "users", "system"), [("support", 403, 403), ("finance", 200, 403), ("auditors", 200, 200), ("", 403, 403)]
)
def test_who_may_export(member, browser, role, users, system):
    browser = browser(member("sue", role=role))
    assert browser.post(USERS, WHY).status_code == users
    assert browser.post("/admin/export/accounts/staffaction/", WHY).status_code == system


def test_auditors_see_everything_and_change_nothing(member, browser):
    ann, market = make_user("ann"), add_market()
    auditor = browser(member("aud", role="auditors"))
    for page in (
        "accounts/user",
        "markets/market",
        "accounts/staffaction",
        "common/jobrun",
        "economy/credittransaction",
    ):
        assert auditor.get(f"/admin/{page}/").status_code == 200
    for page in (f"accounts/user/{ann.pk}/change/", f"markets/market/{market.pk}/change/"):
        body = auditor.get(f"/admin/{page}").content.decode()
        assert "/act/" not in body
        assert "/decide/" not in body
