"""Stocks beside bets, and random histories of trades, price moves and liquidations: the audit passes after each."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from economy.stocks.models import Stock, StockHolding
from economy.stocks.trading import close_worthless_holdings
from tests.economy.stocks.factories import as_json, assert_audit_passes, list_stock, new_trader, order, read, set_price
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db
CODES = {"insufficient_credits", "insufficient_supply", "insufficient_shares", "no_holding", "leverage_mismatch"}


def bets(trader, path, body=None, status=200):
    sent = {"Authorization": f"Bearer {trader.token}"}
    text = "" if body is None else as_json(body)
    return read(Client().post(f"/api/v1/bets{path}", text, content_type="application/json", headers=sent), status)


def test_selling_a_bet_gives_nothing_back_of_what_was_spent_on_stocks(ann, acme):
    """Lesson 6: two balance columns that different features moved."""
    ann.buy(acme, 30, leverage=2)
    bet = bets(ann, "", {"marketId": str(add_market().pk), "side": "this", "amount": 200}, 201)["bet"]
    booked = ann.booked()
    assert (booked["credit_balance"], booked["locked_credits"], booked["expended_credits"]) == (500, 200, 500)
    balances = ann.portfolio()["balances"]
    assert (balances["stockValue"], balances["lockedCredits"], balances["netWorth"]) == (300, 200, 1000)
    bets(ann, f"/{bet['id']}/sell")
    booked = ann.booked()
    assert (booked["credit_balance"], booked["locked_credits"], booked["expended_credits"]) == (700, 0, 500)
    ann.sell(acme, 30)
    assert ann.balance() == 1000
    assert ann.booked()["locked_credits"] == 0
    assert_audit_passes()


def act(chance, traders, stocks):
    trader, stock = chance.choice(traders), chance.choice(stocks)
    stock.refresh_from_db()
    kind = chance.choice(["buy", "buy", "sell", "sell all", "price", "close"])
    if kind == "price":
        set_price(stock, (stock.current_price * Decimal(chance.uniform(0.6, 1.5))).quantize(Decimal("1e-8")))
    elif kind == "close":
        close_worthless_holdings(now=datetime.now(UTC))
    elif kind == "buy":
        shares = Decimal(chance.randrange(1, 3 * 10**8)).scaleb(-8)
        return trader.post("/buy", order(stock, shares, leverage=chance.choice([1, 5])))
    else:
        held = StockHolding.objects.filter(user=trader.user, stock=stock).values_list("shares", flat=True).first()
        shares = held if held and kind == "sell all" else Decimal(chance.randrange(1, 10**8)).scaleb(-8)
        return trader.post("/sell", order(stock, shares))
    return None


@pytest.mark.parametrize("seed", range(4))
def test_the_audit_passes_after_any_history(seed):
    chance = random.Random(seed)
    stocks = [list_stock("AAA", "10", supply=20), list_stock("BBB", "3.33333333", supply=50)]
    traders = [new_trader("ann", 200), new_trader("bob", 100)]
    done = 0
    for _ in range(60):
        response = act(chance, traders, stocks)
        if response is not None:
            assert response.status_code == 200 or response.json()["code"] in CODES, response.content
            done += response.status_code == 200
    assert done > 10
    for trader in traders:
        booked, portfolio = trader.booked(), trader.portfolio()
        invested = sum(entry["totalInvested"] for entry in portfolio["portfolio"])
        given = {"ann": 200, "bob": 100}[trader.user.username]
        assert booked["credit_balance"] + invested == given + booked["overall_pnl"]
    assert all(stock.circulating_supply <= stock.total_supply for stock in Stock.objects.all())
    assert_audit_passes()
