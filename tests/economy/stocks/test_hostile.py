"""Raw SQL by the application's own role: what the database refuses of stocks, prices, holdings and trades."""

import pytest
from django.db import DatabaseError, transaction

from economy.stocks.models import Stock
from tests.economy.stocks.factories import assert_audit_passes, everything, execute, set_price, set_status
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
TRADE = """
INSERT INTO stock_transactions (id, user_id, sequence, stock_id, type, shares, price_per_share, total_amount, invested,
    exact_cost, leverage, balance_before, balance_after, created_at, key_id, previous_hash, transaction_hash)
SELECT new_id(), user_id, {sequence}, stock_id, '{type}', {shares}, price_per_share, {amount}, {amount}, exact_cost, 1,
    1000, {after}, now(), 'x', {previous}, repeat('a', 64) FROM stock_transactions WHERE sequence = 1
"""
STATUS = """
INSERT INTO stock_status_changes (id, stock_id, sequence, status, reason, created_at)
SELECT new_id(), id, {sequence}, 'active', '{reason}', now() FROM stocks
"""
OPENED = "UPDATE stocks SET status = 'active'"


def trade(**changes):
    given = {"sequence": 3, "type": "buy", "shares": 1, "amount": 10, "after": 990}
    previous = "(SELECT transaction_hash FROM stock_transactions ORDER BY sequence DESC LIMIT 1)"
    return TRADE.format(**{**given, "previous": previous, **changes})


STATEMENTS = [
    ("stock_transactions_append_only", "UPDATE stock_transactions SET shares = 100"),
    ("stock_transactions_append_only", "UPDATE stock_transactions SET transaction_hash = transaction_hash"),
    ("stock_transactions_append_only", "DELETE FROM stock_transactions WHERE sequence = 2"),
    ("stock_transactions_never_emptied", "TRUNCATE stock_transactions"),
    ("stock_prices_append_only", "UPDATE stock_prices SET reason = 'x'"),
    ("stock_prices_append_only", "DELETE FROM stock_prices"),
    ("stock_prices_never_emptied", "TRUNCATE stock_prices"),
    ("_never_emptied", "TRUNCATE stocks CASCADE"),
    ("stock_transactions_chain", trade(previous="repeat('b', 64)")),
    ("stock_transactions_chain", trade(sequence=4)),
    ("stock_transactions_first_follows_nothing", trade(previous="''")),
    ("stock_transactions_sequence_unique", trade(sequence=2)),
    ("stock_transactions_first_follows_nothing", trade(sequence=0)),
    ("stock_transactions_amounts_agree", trade(after=1000)),
    ("stock_transactions_amounts_agree", trade(type="gift")),
    ("stock_transactions_amounts_agree", trade(type="liquidation")),
    ("stock_transactions_shares_positive", trade(shares=0)),
    ("stock_transactions_shares_positive", trade(shares="'NaN'")),
    ("stock_holdings_shares_positive", "UPDATE stock_holdings SET shares = 0"),
    ("stock_holdings_shares_positive", "UPDATE stock_holdings SET shares = 'NaN'"),
    ("stock_holdings_invested_not_negative", "UPDATE stock_holdings SET invested = -1"),
    ("stock_holdings_invested_not_negative", "UPDATE stock_holdings SET invested = 'NaN'"),
    ("stock_holdings_cost_not_negative", "UPDATE stock_holdings SET exact_cost = -1"),
    ("stock_holdings_terms_never_change", "UPDATE stock_holdings SET leverage = 9"),
    ("stock_holdings_terms_never_change", "UPDATE stock_holdings SET user_id = new_id()"),
    (
        "stock_holdings_one_a_stock",
        (
            "INSERT INTO stock_holdings SELECT new_id(), shares, invested, exact_cost, leverage, created_at, "
            "updated_at, stock_id, user_id FROM stock_holdings"
        ),
    ),
    ("stocks_price_follows_history", "UPDATE stocks SET current_price = 99"),
    ("stocks_price_follows_history", "UPDATE stocks SET price_sequence = 1"),
    ("stocks_price_follows_history", "UPDATE stocks SET current_price = 10, price_sequence = 1"),
    (
        "stocks_price_follows_history",
        (
            "INSERT INTO stock_prices (id, stock_id, sequence, price, reason, created_at) "
            "SELECT new_id(), id, 3, 1, 'x', now() FROM stocks"
        ),
    ),
    (
        "stocks_price_follows_history",
        (
            "WITH added AS (INSERT INTO stock_prices (id, stock_id, sequence, price, reason, created_at) "
            "SELECT new_id(), id, 9, 99, 'x', now() FROM stocks) "
            "UPDATE stocks SET current_price = 99, price_sequence = 9"
        ),
    ),
    (
        "stocks_price_follows_history",
        (
            "INSERT INTO stocks (id, symbol, name, description, current_price, price_sequence, total_supply, "
            "created_at, updated_at) VALUES (new_id(), 'NEW', 'x', '', 1, 1, 1, now(), now())"
        ),
    ),
    (
        "stock_prices_reason_given",
        (
            "INSERT INTO stock_prices (id, stock_id, sequence, price, reason, created_at) "
            "SELECT new_id(), id, 3, 1, ' ', now() FROM stocks"
        ),
    ),
    ("stock_status_changes_append_only", "UPDATE stock_status_changes SET reason = 'x'"),
    ("stock_status_changes_append_only", "DELETE FROM stock_status_changes"),
    ("stock_status_changes_never_emptied", "TRUNCATE stock_status_changes"),
    ("stocks_status_follows_history", "UPDATE stocks SET status = 'active'"),
    ("stocks_status_follows_history", STATUS.format(sequence=2, reason="x")),
    ("stocks_status_follows_history", f"WITH added AS ({STATUS.format(sequence=9, reason='x')}) {OPENED}"),
    ("stock_status_changes_sequence_unique", f"WITH added AS ({STATUS.format(sequence=1, reason='x')}) {OPENED}"),
    ("stock_status_changes_reason_given", f"WITH added AS ({STATUS.format(sequence=2, reason=' ')}) {OPENED}"),
    ("stocks_supply_capped", "UPDATE stocks SET circulating_supply = total_supply + 1"),
    ("stocks_supply_capped", "UPDATE stocks SET circulating_supply = -1"),
    ("stocks_supply_capped", "UPDATE stocks SET total_supply = 1"),
    ("stocks_supply_positive", "UPDATE stocks SET circulating_supply = 0, total_supply = 0"),
    ("stocks_price_positive", "UPDATE stocks SET current_price = 0"),
    ("stocks_leverage_in_range", "UPDATE stocks SET max_leverage = 101"),
    ("stocks_worth_fits", "UPDATE stocks SET total_supply = 9999999999, max_leverage = 100, current_price = 99999999"),
    ("stocks_status_known", "UPDATE stocks SET status = 'gone'"),
    ("stocks_symbol_valid", "UPDATE stocks SET symbol = 'a b'"),
]


@pytest.mark.parametrize(("rule", "statement"), STATEMENTS)
def test_the_database_refuses(ann, acme, rule, statement):
    ann.buy(acme, 5, leverage=2)
    set_price(acme, "12")
    set_status(acme, Stock.Status.HALTED)
    ann.sell(acme, 1)
    # A table with checks that wait for the end of the transaction can't be emptied anyway.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    before = everything()
    with pytest.raises(DatabaseError) as refusal, as_owner(), transaction.atomic():
        execute(statement)
    diagnosis = refusal.value.__cause__.diag
    assert rule in diagnosis.constraint_name, diagnosis.message_primary
    assert everything() == before
    assert_audit_passes()


def test_what_it_does_not_refuse_still_chains(ann, acme):
    """The statement behind the refusals above is a good one: only its signature is missing."""
    ann.buy(acme, 5)
    ann.sell(acme, 1)
    assert execute(trade()) == 1
