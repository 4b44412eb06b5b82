"""Bets, settlements and failed settlements: read-only, found by id, user and market, and fast however many there are."""

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from betting.models import Bet, SettlementFailure
from core.db.sql import analyze
from staff.core.tables import MAX_ROWS
from tests.betting.factories import execute, sign_up
from tests.betting.settlement.bulk import BETS as MANY_BETS
from tests.betting.settlement.bulk import add_users
from tests.betting.settlement.factories import end, settle
from tests.markets.factories import add_market
from tests.staff.market_pages import BETS, asked, rows_read, state
from tests.staff.pages import text_of

pytestmark = pytest.mark.django_db
SETTLEMENTS, FAILURES = "/admin/betting/settlement/", "/admin/betting/settlementfailure/"
# The session, its user, the count, the page.
STATEMENTS = 4


@pytest.fixture
def ann():
    return sign_up("ann")


@pytest.fixture
def bob():
    return sign_up("bob")


@pytest.fixture
def kettle():
    return add_market()


def add_many(market, count):
    """Bets without ledger entries: to look at only."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(MANY_BETS, {"market_id": market.pk, "bets": count, "now": timezone.now(), "users": 20})
        analyze("bets", "users", "markets")


def found(browser, **query):
    """How many bets the list has."""
    return browser.get(BETS, query).context["cl"].result_count


def bet_page(bet):
    return reverse("admin:betting_bet_change", args=[bet["id"]])


def test_a_bet_is_found_by_its_id_its_user_or_its_market(desk, ann, bob, kettle):
    other = add_market(slug="other", title="Other?")
    bets = [ann.bet(kettle), ann.bet(other), bob.bet(kettle, 50, "that")]
    terms = (bets[0]["id"], str(ann.id), "ann", "ANN", "Ann@Example.com", str(kettle.pk), str(other.pk), "nobody", "%")
    assert [found(desk, q=term) for term in terms] == [1, 2, 2, 2, 2, 2, 1, 0, 0]
    assert found(desk, q="ann", side="that") == 0
    assert found(desk, q=str(kettle.pk), side="that") == 1
    assert found(desk, status="pending") == 3
    assert found(desk, status="won") == 0
    read = text_of(desk.get(BETS, {"q": "bob"}))
    assert "bob Will the kettle boil? THAT: No 50.00 40% pending 0.00" in read


def test_a_bet_has_a_page_with_its_sales_and_its_ledger_entries(desk, ann, kettle):
    bet = ann.bet(kettle, 100)
    ann.sell(bet, "30")
    end(kettle)
    settle(kettle)
    read = text_of(desk.get(bet_page(bet)))
    assert "100.00 on THIS: Yes" in read
    assert "Stake sold 30.00 Got for it 30.00" in read
    assert "30.00 60% 30.00" in read
    for row in (
        "Bet placed Escrow \N{MINUS SIGN}100.00 900.00",
        "Escrow 30.00 930.00",
        "Bet won Escrow 116.66 1,046.66",
    ):
        assert row in read


def test_ledger_entries_of_another_bet_are_not_shown(desk, ann, kettle):
    bet, other = ann.bet(kettle, 100), ann.bet(kettle, 37)
    assert "37.00" not in text_of(desk.get(bet_page(bet)))
    assert "37.00" in text_of(desk.get(bet_page(other)))


def test_a_page_takes_as_many_statements_for_fifty_bets_as_for_one(desk, kettle, ann):
    ann.bet(kettle)
    assert len(asked(desk, BETS)) == STATEMENTS
    add_users(20)
    add_many(kettle, 60)
    assert len(asked(desk, BETS)) == STATEMENTS
    page = len(asked(desk, bet_page({"id": Bet.objects.latest("id").pk})))
    assert len(asked(desk, bet_page({"id": Bet.objects.earliest("id").pk}))) == page


def test_no_page_reads_or_counts_more_than_the_newest(desk, ann, kettle):
    """Of many thousands; a rare status, which only the oldest bets have, costs no more."""
    won = add_market(slug="won")
    add_users(20)
    add_many(won, 200)
    execute("UPDATE bets SET status = 'lost', actual_payout = 0, resolved_at = now(), settlement_count = 1")
    add_many(kettle, 3 * MAX_ROWS)
    ann.bet(kettle)
    for query, most in (
        ("", MAX_ROWS + 100),
        ("?status=pending", 2 * MAX_ROWS + 100),
        ("?status=lost", 2 * MAX_ROWS + 100),
        ("?q=ann", 10),
        (f"?q={won.pk}", 500),
        (f"?q={kettle.pk}&status=pending", MAX_ROWS + 500),
    ):
        statements = asked(desk, BETS + query)
        counts = [sql for sql in statements if "COUNT(" in sql]
        assert all(f"LIMIT {MAX_ROWS})" in sql for sql in counts), counts
        assert rows_read(statements, "bets") <= most, query
    assert found(desk, status="lost") == 0
    assert found(desk, status="lost", q=str(won.pk)) == 200


def test_settlements_and_failed_settlements_have_their_tables(desk, ann, bob, kettle):
    ann.bet(kettle, 100)
    bob.bet(kettle, 50, "that")
    execute("UPDATE users SET locked_credits = 0 WHERE username = 'ann'")
    end(kettle)
    settle(kettle)
    read = text_of(desk.get(SETTLEMENTS))
    assert "Will the kettle boil? THIS finished 0 1 0 0.00 0.00" in read
    assert "Will the kettle boil?" in text_of(desk.get(SETTLEMENTS, {"q": str(kettle.pk)}))
    assert "0 settlements" in text_of(desk.get(SETTLEMENTS, {"q": str(SettlementFailure.objects.get().pk)}))
    read = text_of(desk.get(FAILURES))
    assert "100.00 on this at 0.6000 ann" in read
    assert "users_locked_not_negative" in read
    assert "Settlement failed at" in text_of(desk.get(bet_page({"id": SettlementFailure.objects.get().pk})))


@pytest.mark.parametrize("address", [SETTLEMENTS, FAILURES])
def test_their_tables_take_as_many_statements_for_many_as_for_one(desk, ann, address):
    def one_more(number):
        market = add_market(slug=f"no-{number}", title=f"Number {number}?")
        ann.bet(market, 10)
        execute("UPDATE users SET locked_credits = 0 WHERE username = 'ann'")
        end(market)
        settle(market)

    one_more(0)
    before = len(asked(desk, address))
    for number in range(1, 5):
        one_more(number)
    assert len(asked(desk, address)) == before == STATEMENTS


@pytest.mark.parametrize("model", ["bet", "settlement", "settlementfailure"])
def test_nobody_adds_changes_or_deletes_any_of_it(desk, ann, kettle, model):
    bet = ann.bet(kettle)
    before = state()
    for what in ("add/", f"{bet['id']}/change/", f"{bet['id']}/delete/"):
        desk.post(f"/admin/betting/{model}/{what}", {"status": "won", "amount": "1", "post": "yes"})
    desk.post(f"/admin/betting/{model}/", {"action": "delete_selected", "_selected_action": bet["id"], "post": "yes"})
    assert state() == before


@pytest.mark.parametrize("model", ["bet", "settlement", "settlementfailure"])
def test_only_who_may_see_markets_sees_them(member, browser, ann, kettle, model):
    ann.bet(kettle)
    address = f"/admin/betting/{model}/"
    assert browser(member("sue", role="support")).get(address).status_code == 200
    assert browser(member("nobody")).get(address).status_code == 403
    nobody = browser(member("none"))
    assert nobody.get(bet_page({"id": Bet.objects.get().pk})).status_code == 403
