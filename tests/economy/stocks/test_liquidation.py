"""What a price made worthless is closed, once, with the whole loss; and no later price brings it back."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from celery.signals import before_task_publish

from core.models import JobRun
from economy.stocks.models import StockHolding, StockTransaction
from economy.stocks.trading import close_worthless_holdings
from economy.tasks import close_worthless_holdings as task
from tests.core.service_process import REDIS_AWAY
from tests.economy.stocks.factories import assert_audit_passes, list_stock, new_trader, set_price
from thisthat.celery import app

pytestmark = pytest.mark.django_db
D = Decimal


def close():
    return close_worthless_holdings(now=datetime.now(UTC))


def trades(trader):
    return list(
        StockTransaction.objects.filter(user=trader.user)
        .order_by("sequence")
        .values_list("type", "total_amount", "invested")
    )


def test_a_holding_whose_value_reached_nothing_is_closed_with_the_loss_of_all_that_was_invested(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "8")
    assert close() == 1
    assert not StockHolding.objects.exists()
    assert trades(ann) == [("buy", 100, 100), ("liquidation", 0, 100)]
    assert [row[0] for row in ann.ledger_entries()] == ["stock_purchase"]
    booked = ann.booked()
    assert (booked["credit_balance"], booked["overall_pnl"]) == (900, -100)
    assert (booked["locked_credits"], booked["expended_credits"]) == (0, 100)
    acme.refresh_from_db()
    assert acme.circulating_supply == 0
    assert_audit_passes()


def test_what_is_worth_a_cent_stays(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "8.0002")
    assert close() == 0
    assert ann.portfolio()["portfolio"][0]["currentValue"] == D("0.01")
    set_price(acme, "8.0001")
    assert ann.portfolio()["portfolio"][0]["currentValue"] == 0
    assert close() == 1


def test_closing_again_closes_nothing(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "1")
    assert [close(), close()] == [1, 0]
    assert_audit_passes()


def test_only_the_worthless_are_closed(ann, acme):
    bob, cat = new_trader("bob"), new_trader("cat")
    other = list_stock("OTHR", "8")
    ann.buy(acme, 1, leverage=10)
    bob.buy(acme, 1, leverage=1)
    cat.buy(other, 1, leverage=10)
    set_price(acme, "5")
    assert close() == 1
    assert set(StockHolding.objects.values_list("user__username", flat=True)) == {"bob", "cat"}
    assert_audit_passes()


def test_a_price_that_recovers_before_the_task_ran_brings_nothing_back(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "7")
    set_price(acme, "50")
    assert not StockHolding.objects.exists()
    assert trades(ann)[-1] == ("liquidation", 0, 100)
    assert StockTransaction.objects.get(type="liquidation").price_per_share == 7
    assert_audit_passes()


def test_a_purchase_into_a_worthless_holding_begins_a_new_one(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "5")
    body = ann.buy(acme, 10, leverage=2)
    assert (body["holding"]["shares"], body["holding"]["totalInvested"], body["holding"]["leverage"]) == (10, 50, 2)
    assert [kind for kind, _, _ in trades(ann)] == ["buy", "liquidation", "buy"]
    assert ann.booked()["overall_pnl"] == -100
    assert_audit_passes()


def test_a_worthless_holding_is_sold_for_nothing(ann, acme):
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "5")
    body = ann.sell(acme, 10)
    assert (body["profit"], body["newBalance"], body["holding"]) == (-100, 900, None)
    assert close() == 0
    assert_audit_passes()


def test_many_are_closed_in_one_sweep(acme):
    traders = [new_trader(f"user{number}") for number in range(12)]
    for trader in traders:
        trader.buy(acme, 1, leverage=10)
    set_price(acme, "9")
    assert close() == 12
    assert StockTransaction.objects.filter(type="liquidation").count() == 12
    assert_audit_passes()


@pytest.mark.django_db(transaction=True)
def test_the_task_closes_and_records_how_many():
    ann, stock = new_trader("ann"), list_stock()
    ann.buy(stock, 10, leverage=5)
    set_price(stock, "5")
    task()
    run = JobRun.objects.get(job="economy.close_worthless_holdings")
    assert (run.status, run.result) == ("succeeded", {"closed": 1})
    assert not StockHolding.objects.exists()
    assert_audit_passes()


def test_a_new_price_has_the_worthless_closed_at_once_and_stays_though_the_queue_is_away(acme, monkeypatch):
    """The task is asked for, and waits for the sweep."""
    monkeypatch.setattr(app.conf, "broker_write_url", REDIS_AWAY)
    asked = []

    def note(sender, **kwargs):
        asked.append(sender)

    before_task_publish.connect(note)
    try:
        set_price(acme, "5")
    finally:
        before_task_publish.disconnect(note)
    assert asked == ["economy.close_worthless_holdings"]
    acme.refresh_from_db()
    assert acme.current_price == 5
