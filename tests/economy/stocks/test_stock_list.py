"""GET /economy/stocks and /economy/portfolio: what there is, what one holds, and what it is worth."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.economy.stocks.factories import list_stock, new_trader, read, set_price

pytestmark = pytest.mark.django_db
STOCKS = "/api/v1/economy/stocks"
FIELDS = [
    "id", "symbol", "name", "description", "currentPrice", "totalSupply", "circulatingSupply", "availableSupply",
    "marketCap", "maxLeverage", "status", "priceChange24h", "createdAt", "updatedAt",
]  # fmt: skip
POSITION = [
    "id", "stock", "shares", "averageBuyPrice", "totalInvested", "leverage", "currentValue", "profit", "profitPercent",
]  # fmt: skip
D = Decimal


def hours_ago(hours):
    return datetime.now(UTC) - timedelta(hours=hours)


def only(api):
    (stock,) = read(api.get(STOCKS))["stocks"]
    return stock


def test_a_stock_shows_its_price_and_supply(api, ann, acme):
    ann.buy(acme, "2.5")
    stock = only(api)
    assert list(stock) == FIELDS
    assert (stock["id"], stock["symbol"], stock["status"]) == (str(acme.pk), "ACME", "active")
    assert (stock["currentPrice"], stock["maxLeverage"]) == (10, 10)
    assert (stock["totalSupply"], stock["circulatingSupply"], stock["availableSupply"]) == (1000, D("2.5"), D("997.5"))
    assert (stock["marketCap"], stock["priceChange24h"]) == (25, 0)


def test_numbers_leave_as_they_are_stored(api, acme):
    raw = api.get(STOCKS).content.decode()
    assert '"currentPrice":10.00000000,' in raw
    assert '"marketCap":0.00,' in raw
    assert '"priceChange24h":0.00,' in raw


def test_the_change_is_from_the_price_of_a_day_ago(api, acme):
    set_price(acme, "20", now=hours_ago(30))
    set_price(acme, "40", now=hours_ago(25))
    set_price(acme, "80", now=hours_ago(23))
    set_price(acme, "50", now=hours_ago(1))
    assert only(api)["priceChange24h"] == 25


def test_of_a_stock_younger_than_a_day_it_is_from_the_first_price(api, acme):
    set_price(acme, "7.5", now=hours_ago(0))
    assert only(api)["priceChange24h"] == -25


def test_stocks_are_listed_by_symbol_and_in_one_query(api, acme, django_assert_num_queries):
    for symbol in ("ZED", "ABC"):
        list_stock(symbol)
    with django_assert_num_queries(1):
        stocks = read(api.get(STOCKS))["stocks"]
    assert [stock["symbol"] for stock in stocks] == ["ABC", "ACME", "ZED"]


def test_a_copy_that_still_holds_is_not_sent_again(api, ann, acme):
    first = api.get(STOCKS)
    assert first["Cache-Control"].startswith("public, max-age=")
    again = api.get(STOCKS, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    ann.buy(acme, 1)
    assert api.get(STOCKS, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_bad_token_is_as_good_as_none_to_the_public_list(api, acme):
    assert api.get(STOCKS, headers={"Authorization": "Bearer nonsense"}).status_code == 200


def test_a_portfolio_shows_what_each_holding_is_worth(ann, acme):
    ann.buy(acme, 10, leverage=3)
    set_price(acme, "11")
    body = ann.portfolio()
    assert list(body) == ["success", "portfolio", "balances"]
    (position,) = body["portfolio"]
    assert list(position) == POSITION
    assert list(position["stock"]) == FIELDS
    assert (position["shares"], position["averageBuyPrice"], position["leverage"]) == (10, 10, 3)
    assert (position["totalInvested"], position["currentValue"]) == (100, 130)
    assert (position["profit"], position["profitPercent"]) == (30, 30)
    assert body["balances"] == {
        "creditBalance": 900,
        "availableCredits": 900,
        "lockedCredits": 0,
        "stockValue": 130,
        "netWorth": 1030,
    }


def test_what_is_shown_is_what_selling_brings(ann, acme):
    ann.buy(acme, "3.33333333", leverage=7)
    set_price(acme, "10.98765432")
    (position,) = ann.portfolio()["portfolio"]
    assert ann.sell(acme, "3.33333333")["transaction"]["totalAmount"] == position["currentValue"]


def test_who_holds_nothing_is_worth_the_balance(ann):
    body = ann.portfolio()
    assert body["portfolio"] == []
    assert (body["balances"]["stockValue"], body["balances"]["netWorth"]) == (0, 1000)


def test_another_users_holdings_are_not_shown(ann, acme):
    new_trader("bob").buy(acme, 1)
    assert ann.portfolio()["portfolio"] == []


def test_a_portfolio_is_private_and_needs_signing_in(api, ann):
    assert ann.get("/portfolio")["Cache-Control"] == "private, no-store"
    assert api.get("/api/v1/economy/portfolio").status_code == 401


def test_a_portfolio_costs_the_same_queries_however_much_is_held(ann, django_assert_num_queries):
    for number in range(6):
        ann.buy(list_stock(f"S{number}", "1"), 1)
    with django_assert_num_queries(2):
        assert len(ann.portfolio()["portfolio"]) == 6
