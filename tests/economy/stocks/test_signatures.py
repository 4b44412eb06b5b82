"""Trades are signed and chained: edited, removed and reordered rows are found, and so is all that disagrees with them."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from economy.ledger.audit import audit
from economy.stocks.models import StockTransaction
from tests import roles
from tests.economy.stocks.factories import assert_audit_passes, execute, list_stock, new_trader, set_price

pytestmark = pytest.mark.django_db
TABLES = ("credit_transactions", "stock_transactions", "stock_prices", "stocks", "stock_holdings")
NEW_KEY = {"second": "another-key-of-fifty-letters-and-more-to-sign-with-now"}


@pytest.fixture
def traded(ann, acme):
    """Two users with four trades and one."""
    ann.buy(acme, 10, leverage=2)
    ann.buy(acme, 5, leverage=2)
    set_price(acme, "12")
    ann.sell(acme, 3)
    ann.buy(list_stock("OTHR", "7"), 2)
    bob = new_trader("bob")
    bob.buy(acme, 1)
    assert_audit_passes()
    return ann, bob


def guards_off():
    return roles.guards_off(*TABLES)


def broken():
    return {name for name, finding in audit().findings.items() if finding.broken}


def verify():
    """The command's exit status, and what it found."""
    out, status = StringIO(), 0
    try:
        call_command("verify_stock_transactions", "--json", stdout=out)
    except SystemExit as ended:
        status = ended.code
    return status, json.loads(out.getvalue())


def reasons():
    status, found = verify()
    assert (status, found["passed"]) == ((1, False) if found["breaches"] else (0, True))
    return [(breach["sequence"], breach["reason"]) for breach in found["breaches"]]


def test_honest_trades_verify(traded):
    status, found = verify()
    assert (status, found) == (0, {"passed": True, "examined": 5, "breaches": []})


def test_no_trades_verify(db):
    assert verify() == (0, {"passed": True, "examined": 0, "breaches": []})


EDITS = [
    "id = new_id()",
    "shares = shares + 0.00000001",
    "price_per_share = 9",
    "exact_cost = exact_cost + 0.0000000000000001",
    "leverage = leverage + 1",
    "type = 'liquidation', total_amount = 0, balance_after = balance_before",
    "created_at = created_at + interval '1 microsecond'",
    "key_id = 'other'",
    "balance_before = balance_before + 1, balance_after = balance_after + 1",
    "total_amount = total_amount + 1, balance_after = balance_after + 1",
    "stock_id = (SELECT id FROM stocks WHERE symbol = 'OTHR')",
    "transaction_hash = repeat('0', 64)",
    "previous_hash = repeat('0', 64)",
]


@pytest.mark.parametrize("change", EDITS)
def test_an_edited_field_is_found(traded, change):
    ann, _ = traded
    with guards_off():
        execute(f"UPDATE stock_transactions SET {change} WHERE user_id = %s AND sequence = 3", ann.user.pk)  # noqa: S608
    assert (3, "signature") in reasons()
    assert "stock_signatures" in broken()


def test_an_edited_investment_is_found(traded):
    ann, _ = traded
    with guards_off():
        execute(
            "UPDATE stock_transactions SET invested = invested - 1 WHERE user_id = %s AND sequence = 3", ann.user.pk
        )
    assert reasons() == [(3, "signature")]
    assert {"stock_signatures", "stock_holdings"} <= broken()


def test_a_trade_made_anothers_is_found(traded):
    ann, bob = traded
    with guards_off():
        execute(
            "UPDATE stock_transactions SET user_id = %s WHERE user_id = %s AND sequence = 4", bob.user.pk, ann.user.pk
        )
    assert reasons() == [(4, "signature")]
    assert {"stock_signatures", "stock_journal", "stock_holdings"} <= broken()


def test_a_removed_trade_is_found(traded):
    ann, _ = traded
    with guards_off():
        execute("DELETE FROM stock_transactions WHERE user_id = %s AND sequence = 2", ann.user.pk)
    assert reasons() == [(3, "sequence")]
    assert {"stock_signatures", "stock_journal", "stock_holdings"} <= broken()


def test_a_removed_last_trade_is_found_by_the_ledger_and_the_holdings(traded):
    """The chain alone can't tell that it once was longer."""
    ann, _ = traded
    with guards_off():
        execute("DELETE FROM stock_transactions WHERE user_id = %s AND sequence = 4", ann.user.pk)
    assert reasons() == []
    assert {"stock_journal", "stock_holdings"} <= broken()


def test_reordered_trades_are_found(traded):
    ann, _ = traded
    with guards_off():
        for old, new in ((2, 99), (3, 2), (99, 3)):
            execute(
                "UPDATE stock_transactions SET sequence = %s WHERE user_id = %s AND sequence = %s",
                new,
                ann.user.pk,
                old,
            )
    assert [reason for _, reason in reasons()] == ["signature", "signature", "previous_hash"]
    assert "stock_signatures" in broken()


def test_trades_that_are_signed_with_a_key_that_is_not_ours_are_found(traded, settings):
    settings.STOCK_SIGNING_KEYS = {"development": "not-the-key-that-signed-these-trades-at-all"}
    assert len(reasons()) == 5


@pytest.mark.parametrize(
    ("change", "invariants"),
    [
        ("UPDATE stocks SET circulating_supply = circulating_supply + 1", {"stock_supply"}),
        ("UPDATE stock_holdings SET shares = shares + 1 WHERE invested = 14", {"stock_supply", "stock_holdings"}),
        ("UPDATE stock_holdings SET invested = invested + 1 WHERE invested = 14", {"stock_holdings", "profit"}),
        ("UPDATE stock_holdings SET exact_cost = 0 WHERE invested = 14", {"stock_holdings"}),
        ("UPDATE stock_holdings SET leverage = 7 WHERE invested = 14", {"stock_holdings"}),
        ("DELETE FROM stock_holdings WHERE invested = 14", {"stock_holdings", "stock_supply", "profit"}),
        ("UPDATE stocks SET current_price = 1 WHERE symbol = 'OTHR'", {"stock_prices"}),
        ("UPDATE stocks SET status = 'halted' WHERE symbol = 'OTHR'", {"stock_statuses"}),
        ("UPDATE stock_prices SET price = 1 WHERE price = 7", {"stock_prices", "stock_terms"}),
        ("DELETE FROM stock_prices WHERE sequence = 1 AND price = 10", {"stock_prices", "stock_terms"}),
    ],
)
def test_what_disagrees_with_the_trades_is_found(traded, change, invariants):
    with guards_off():
        execute(change)
    assert broken() == invariants


def test_a_change_of_key_keeps_old_trades_good_and_signs_new_ones(traded, acme, settings):
    ann, _ = traded
    settings.STOCK_SIGNING_KEYS = {**NEW_KEY, **settings.STOCK_SIGNING_KEYS}
    ann.sell(acme, 1)
    keys = StockTransaction.objects.filter(user=ann.user).order_by("sequence").values_list("key_id", flat=True)
    assert list(keys) == ["development"] * 4 + ["second"]
    assert reasons() == []
    assert_audit_passes()


def test_without_the_old_key_its_trades_do_not_verify(traded, acme, settings):
    ann, _ = traded
    settings.STOCK_SIGNING_KEYS = NEW_KEY
    ann.sell(acme, 1)
    assert [sequence for sequence, _ in reasons()].count(5) == 0
    assert len(reasons()) == 5
