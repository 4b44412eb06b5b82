"""A user's page explains the balance: every transfer and what it was for, at a cost that doesn't grow."""

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest
from django.utils import timezone

from accounts.models import User
from betting.models import Bet
from economy.selectors import get_closing_balances
from tests.accounts.factories import SOMEWHERE, bearer, sign_up
from tests.economy.factories import give, make_user
from tests.markets.factories import add_market
from tests.purchases.factories import arrive
from tests.staff.pages import WHY, act, adjustment, page, statements, text_of

pytestmark = pytest.mark.django_db


def ledger_entries(response):
    (block,) = [block for block in response.context["detail"].blocks if getattr(block, "name", "") == "ledger"]
    return block


def block(response, title):
    (found,) = [block for block in response.context["detail"].blocks if getattr(block, "title", "") == title]
    return found


@pytest.fixture
def ann(db):
    return make_user("ann", balance=1_000)


def test_it_shows_from_where_and_with_what_the_user_is_signed_in(desk):
    user = sign_up("ann").user
    found = block(desk.get(page(user)), "Signed in")
    assert found.columns == ("Since, UTC", "Last refreshed, UTC", "Address", "Browser", "Until, UTC")
    ((_, _, address, browser, _),) = found.rows
    assert (address, browser) == (SOMEWHERE.ip, SOMEWHERE.user_agent)


def test_the_credits_shown_are_those_of_the_ledger(desk, ann):
    desk.post(act("hold", ann), {"amount": "250", **WHY})
    facts = block(desk.get(page(ann)), "Credits").facts
    assert (facts["Balance"], facts["Available"], facts["On hold"]) == ("1,000.00", "750.00", "250.00")
    assert (facts["Owed to the house"], facts["Stake in open bets"]) == ("0.00", "0.00")


def test_the_ledger_has_the_running_balance_newest_first_and_leads_to_what_it_is_about(desk, ann):
    desk.post(act("adjust", ann), adjustment("-250.50"))
    rows = ledger_entries(desk.get(page(ann))).rows
    assert [(row[0], row[2], row[3], row[5]) for row in rows] == [
        ("2", "Admin adjustment", "Staff", "749.50"),
        ("1", "Admin adjustment", "Staff", "1,000.00"),
    ]
    assert "\N{MINUS SIGN}250.50" in rows[0][4]
    assert "+1,000.00" in rows[1][4]
    link = rows[0][6].split('"')[1]
    assert "take 250.50 credits from @ann" in text_of(desk.get(link)).lower()


def test_the_ledger_goes_on_page_by_page_whatever_comes_meanwhile(desk, ann):
    for _ in range(59):
        give(ann, 1)
    first = ledger_entries(desk.get(page(ann)))
    assert [row[0] for row in first.rows] == [str(number) for number in range(60, 35, -1)]
    give(ann, 1)
    second = ledger_entries(desk.get(first.more.url))
    assert [row[0] for row in second.rows] == [str(number) for number in range(35, 10, -1)]
    third = ledger_entries(desk.get(second.more.url))
    assert [row[0] for row in third.rows] == [str(number) for number in range(10, 0, -1)]
    assert third.more is None
    assert third.back.url.startswith(page(ann))


@pytest.mark.parametrize("before", ["", "x", "-1", "0", "1e9", "9" * 40, "٣", "1;2"])
def test_an_unknown_place_in_the_entries_is_no_error(desk, ann, before):
    assert desk.get(page(ann), {"before": before}).status_code == 200


def test_the_parts_add_up_to_the_balance(desk, ann):
    give(ann, -300)
    make_user("bob", balance=7)
    rows = block(desk.get(page(ann)), "What the balance is made of").rows
    assert rows == [("Admin adjustment", "Staff", "2", "700.00"), ("Balance", "", "2", "700.00")]


def test_the_chart_is_of_each_days_last_balance(desk, ann, boss):
    desk.post(act("adjust", ann), adjustment(50))
    desk.post(act("adjust", ann), adjustment(-20))
    (chart,) = [block.chart for block in desk.get(page(ann)).context["detail"].blocks if hasattr(block, "chart")]
    data = orjson.loads(chart.data)
    assert len(data["labels"]) == len(data["datasets"][0]["data"]) == 30
    assert data["datasets"][0]["data"][-1] == 1030
    assert list(get_closing_balances(ann.pk, rows=10).values())[-1] == 1030


def test_bets_purchases_referrals_sessions_and_what_staff_did_are_there(desk):
    ann = sign_up("ann").user
    bob = sign_up("bob", referral_code=ann.referral_code).user
    market = add_market(title="Will it rain?")
    Bet.objects.create(
        user=ann,
        market=market,
        side="this",
        amount=100,
        odds_at_bet=Decimal("0.5"),
        shares=200,
        placed_at=timezone.now(),
    )
    desk.post(act("hold", ann), {"amount": "5", "reason": "Odd referrals."})
    response = desk.get(page(ann))
    read = text_of(response)
    assert "Will it rain?" in block(response, "Open bets").rows[0][0]
    assert block(response, "Open bets").rows[0][2:5] == ("100.00", "50.00%", "200.00")
    assert page(bob) in response.content.decode()
    assert SOMEWHERE.ip in read
    assert "Odd referrals." in read
    assert "held: 0.00 to 5.00" in read
    assert not any(raw in read for raw in ("None,", "True", "False", "Decimal(", "datetime", "{'"))


def test_purchases_are_listed(desk):
    buyer = arrive("ann")
    buyer.buy("starter")
    (row,) = block(desk.get(page(User.objects.get(pk=buyer.id))), "Purchases").rows
    assert "Starter" in row[0]
    assert row[2:5] == ("500.00", "$4.99", "Manual")


def test_a_page_takes_the_same_statements_whatever_there_is_to_show(desk, ann):
    few = statements(desk, page(ann))
    for number in range(30):
        give(ann, 5)
        sign_up(f"friend_{number}", referral_code=ann.referral_code)
        desk.post(act("hold", ann), {"amount": "1", **WHY})
        add_bet(ann, number)
    assert statements(desk, page(ann)) == few == 22


def add_bet(user, number):
    terms = {"amount": 10, "odds_at_bet": Decimal("0.5"), "shares": 20}
    placed_at = timezone.now() - timedelta(minutes=number)
    Bet.objects.create(user=user, market=add_market(title=f"No. {number}"), side="this", placed_at=placed_at, **terms)


def test_a_name_is_text_and_nothing_else(desk):
    eve = make_user("eve", name="<script>alert(1)</script>", bio="<img src=x onerror=alert(2)>")
    body = desk.get(page(eve)).content.decode()
    assert "<script>alert(1)" not in body
    assert "<img src=x" not in body
    assert "<script>alert(1)" not in desk.get("/admin/accounts/user/?q=eve").content.decode()
    assert "<script>alert(1)" not in desk.get(act("suspend", eve)).content.decode()


def test_the_last_refused_requests_are_shown_with_their_code(api, desk):
    ann = sign_up("ann")
    assert block(desk.get(page(ann.user)), "Refused requests").rows == []
    refused = api.get("/api/v1/bets/none", headers={**bearer(ann), "X-Request-ID": "abc"})
    ((_, code, status, request, request_id),) = block(desk.get(page(ann.user)), "Refused requests").rows
    assert (code, status) == (refused.json()["code"], refused.status_code)
    assert (request, request_id) == ("GET /api/v1/bets/none", "abc")
