"""Real threads and committed transactions: the last shares, a holding sold twice, prices that move meanwhile."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from economy.stocks.models import Stock, StockHolding, StockTransaction
from economy.stocks.trading import close_worthless_holdings
from tests.concurrently import all_at_once
from tests.economy.stocks.factories import assert_audit_passes, list_stock, new_trader, order, set_price

pytestmark = pytest.mark.django_db(transaction=True)


def codes(responses):
    return Counter("ok" if response.status_code == 200 else response.json()["code"] for response in responses)


def test_the_last_shares_of_a_supply_are_sold_once():
    stock = list_stock(supply=5)
    traders = iter([new_trader(f"user{number}") for number in range(20)])
    responses = all_at_once(lambda: next(traders).post("/buy", order(stock, 1)), 20)
    assert codes(responses) == {"ok": 5, "insufficient_supply": 15}
    assert Stock.objects.get().circulating_supply == 5
    assert_audit_passes()


def test_a_holding_is_sold_once_by_many_requests_at_once():
    """Lesson 2, for shares: one position sold ten times by simultaneous requests."""
    stock, ann = list_stock(), new_trader("ann")
    ann.buy(stock, 10, leverage=2)
    responses = all_at_once(lambda: ann.post("/sell", order(stock, 10)), 20)
    assert codes(responses) == {"ok": 1, "no_holding": 19}
    assert ann.balance() == 1000
    assert_audit_passes()


def test_purchases_at_once_never_spend_more_than_the_balance():
    stock, ann = list_stock(), new_trader("ann", 100)
    responses = all_at_once(lambda: ann.post("/buy", order(stock, 3)), 20)
    assert codes(responses) == {"ok": 3, "insufficient_credits": 17}
    assert ann.balance() == 10
    assert StockHolding.objects.get().shares == 9
    assert_audit_passes()


def test_one_key_sent_by_many_at_once_buys_once():
    stock, ann = list_stock(), new_trader("ann")
    responses = all_at_once(lambda: ann.post("/buy", order(stock, 1), Idempotency_Key="one"), 10)
    assert len({response.content for response in responses}) == 1
    assert ann.balance() == 990


def test_trades_of_two_stocks_by_the_same_users_keep_every_chain_whole():
    """Lesson 19: locks are taken in one order, stock before user."""
    stocks = [list_stock("AAA", "1"), list_stock("BBB", "2")]
    traders = [new_trader("ann"), new_trader("bob")]
    turns = iter(range(16))

    def trade():
        turn = next(turns)
        trader, stock = traders[turn % 2], stocks[turn // 2 % 2]
        return [trader.post(path, order(stock, "0.5")).status_code for path in ("/buy", "/buy", "/sell")]

    responses = all_at_once(trade, 16)
    assert {status for statuses in responses for status in statuses} == {200}
    assert StockTransaction.objects.count() == 48
    assert_audit_passes()


def test_a_fall_is_outrun_by_nobody_and_closes_each_holding_once():
    stock = list_stock()
    traders = [new_trader(f"user{number}") for number in range(4)]
    for trader in traders:
        trader.buy(stock, 1, leverage=10)
    turns = iter([*traders, *["close"] * 4])

    def act():
        turn = next(turns)
        if turn == "close":
            close_worthless_holdings(now=datetime.now(UTC))
            return None
        return turn.post("/sell", order(stock, 1))

    set_price(stock, "9")
    responses = [response for response in all_at_once(act, 8) if response is not None]
    assert set(codes(responses)) <= {"ok", "no_holding"}
    assert {trader.balance() for trader in traders} == {Decimal(990)}
    assert not StockHolding.objects.exists()
    assert StockTransaction.objects.exclude(type="buy").count() == 4
    assert_audit_passes()
