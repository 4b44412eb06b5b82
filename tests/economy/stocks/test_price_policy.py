"""Who moves prices besides staff: each trade, at no gain to anybody, or a walk at random, or nobody."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.runs import last_run
from economy import rules
from economy.rules import StockPricePolicy
from economy.stocks import prices
from economy.stocks.models import StockPrice
from economy.stocks.price_policy import LockedStock, price_after
from economy.stocks.valuation import NOTHING, bought, part_of, proceeds
from economy.tasks import walk_stock_prices
from tests.core.service_process import PRODUCTION, run
from tests.economy.factories import staff_actions
from tests.economy.stocks.factories import assert_audit_passes, new_trader, order, read, set_price

D = Decimal
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def activity(monkeypatch):
    monkeypatch.setattr(rules, "STOCK_PRICE_POLICY", StockPricePolicy.ACTIVITY)


def history(stock):
    return list(stock.prices.order_by("sequence").values_list("price", "reason"))


@pytest.mark.django_db
def test_a_purchase_raises_the_price_first_and_a_sale_lowers_it_first(activity, acme):
    trader = new_trader()
    total = acme.total_supply
    trade = trader.buy(acme, 10)["transaction"]
    dearer = (D(10) * (total + 10) / total).quantize(D("1e-8"), "ROUND_FLOOR")
    assert dearer > 10
    assert trade["pricePerShare"] == dearer
    trade = trader.sell(acme, 10)["transaction"]
    assert trade["pricePerShare"] <= 10
    assert [reason for _, reason in history(acme)] == ["First price", "Bought: 10", "Sold: 10"]
    acme.refresh_from_db()
    assert acme.current_price == trade["pricePerShare"]
    assert not staff_actions().exists()
    assert_audit_passes()


@pytest.mark.django_db
def test_what_others_buy_is_paid_for_by_them(activity, acme):
    early, late = new_trader(), new_trader("bob")
    before = early.balance() + late.balance()
    early.buy(acme, 20)
    late.buy(acme, 30)
    early.sell(acme, 20)
    late.sell(acme, 30)
    assert early.balance() + late.balance() < before
    assert_audit_passes()


@pytest.mark.django_db
def test_there_is_no_leverage_where_trades_move_the_price(activity, acme):
    trader = new_trader()
    refused = trader.post("/buy", order(acme, 1, leverage=2))
    assert (refused.status_code, refused.json()["code"]) == (400, "leverage_too_high")
    (listed,) = read(trader.get("/stocks"))["stocks"]
    assert listed["maxLeverage"] == 1


@pytest.mark.django_db
def test_a_holding_at_a_leverage_from_before_moves_the_price_as_much(monkeypatch, acme):
    trader = new_trader()
    trader.buy(acme, 10, leverage=2)
    monkeypatch.setattr(rules, "STOCK_PRICE_POLICY", StockPricePolicy.ACTIVITY)
    total = acme.total_supply
    trade = trader.sell(acme, 10)["transaction"]
    assert trade["pricePerShare"] == (D(10) * (total + 10 - 20) / (total + 10)).quantize(D("1e-8"), "ROUND_FLOOR")
    assert_audit_passes()


@pytest.mark.django_db
def test_a_price_moves_only_when_what_it_made_worthless_is_closed(monkeypatch, acme):
    loser, trader = new_trader(), new_trader("bob")
    loser.buy(acme, 10, leverage=2)
    set_price(acme, D(5))
    monkeypatch.setattr(rules, "STOCK_PRICE_POLICY", StockPricePolicy.ACTIVITY)
    trader.buy(acme, 10)
    assert loser.portfolio()["portfolio"] == []
    assert_audit_passes()


shares = st.integers(1, 100_000).map(D) | st.decimals("0.0001", 1, places=4)
trades = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 1, -1]), shares), max_size=30)
# Somebody holds shares while another moves the price, to and fro.
pumps = st.tuples(shares, shares, st.integers(1, 15)).map(
    lambda pump: [(0, 1, pump[0]), *[(1, 1, pump[1]), (1, -1, pump[1])] * pump[2], (0, -1, pump[0])]
)


@given(trades | pumps, st.sampled_from([D("0.85"), D("24.5"), D(190)]), st.sampled_from([D(1_000_000), D(250_000)]))
def test_no_sequence_of_trades_that_begins_and_ends_with_nothing_gains(steps, price, supply):
    stock = LockedStock(None, "ACME", price, 1, supply, D(0), 1, "active")
    held, cash = {}, NOTHING
    for who, direction, shares in steps:
        stock, moved = trade(stock, held, who, direction * shares)
        cash += moved
    for who in list(held):
        stock, moved = trade(stock, held, who, -held[who].shares)
        cash += moved
    assert not held
    assert stock.circulating_supply == 0
    assert cash <= 0


def trade(stock, held, who, change):
    """The stock after the trade, as far as it can be made, and what it moved to the trader."""
    position = held.get(who)
    if change < 0:
        change = -min(-change, position.shares if position else D(0))
    change = min(change, stock.total_supply - stock.circulating_supply)
    if change == 0:
        return stock, NOTHING
    stock = stock._replace(price=price_after(stock, change), circulating_supply=stock.circulating_supply + change)
    if change > 0:
        part = bought(change, stock.price, 1)
        held[who] = position.plus(part) if position else part
        return stock, -part.invested
    brought = proceeds(position, -change, stock.price)
    rest = position.minus(part_of(position, -change))
    held.pop(who)
    if rest.shares:
        held[who] = rest
    return stock, brought


@pytest.mark.django_db
def test_a_walk_moves_every_active_stock_a_little_and_is_the_same_each_time(acme):
    prices.seed_stocks(now=NOW)
    before = dict(StockPrice.objects.values_list("stock__symbol", "price"))
    for step in range(5):
        prices.walk(now=NOW + timedelta(seconds=step))
    listed = dict(StockPrice.objects.filter(stock__symbol="THIS").order_by("sequence").values_list("sequence", "price"))
    assert listed == {1: D("25.00"), 2: D("25.03"), 3: D("25.05"), 4: D("25.13"), 5: D("25.21"), 6: D("25.16")}
    for symbol, first in before.items():
        newest = StockPrice.objects.filter(stock__symbol=symbol).latest("sequence")
        assert abs(newest.price - first) <= first * 5 * D("0.01"), symbol
    assert_audit_passes()


@pytest.mark.django_db
def test_the_walk_shows_in_the_change_of_a_day(acme):
    walk_stock_prices()
    assert last_run("economy.walk_stock_prices").result == {"stocks": 1}
    acme.refresh_from_db()
    (listed,) = read(new_trader().get("/stocks"))["stocks"]
    assert listed["priceChange24h"] == (100 * (acme.current_price - 10) / 10).quantize(D("0.01")) != 0


@pytest.mark.django_db
def test_nobody_moves_prices_where_the_policy_is_manual(monkeypatch, acme):
    monkeypatch.setattr(rules, "STOCK_PRICE_POLICY", StockPricePolicy.MANUAL)
    trader = new_trader()
    trader.buy(acme, 10)
    trader.sell(acme, 10)
    assert history(acme) == [(10, "First price")]


SHOW = """
import django
django.setup()
from economy import rules
from thisthat.celery import app
print(rules.STOCK_PRICE_POLICY, "walk-stock-prices" in app.conf.beat_schedule)
"""


def shown(**environment):
    return run(["-c", SHOW], PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings"} | environment)


def test_production_moves_no_price_unless_told_and_never_at_random():
    assert shown().stdout == "manual False\n"
    assert shown(STOCK_PRICE_POLICY="activity").stdout == "activity False\n"
    assert shown(DEBUG="true").stdout == "walk True\n"
    refused = shown(STOCK_PRICE_POLICY="walk")
    assert "STOCK_PRICE_POLICY can't be read: 'walk' is none of manual, activity." in refused.stderr
