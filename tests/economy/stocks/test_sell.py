"""POST /economy/sell: a part of a holding, or all of it, at the price of the moment."""

from decimal import Decimal
from uuid import uuid4

import pytest

from economy.stocks.models import Stock, StockHolding
from tests.economy.stocks.factories import (
    assert_audit_passes,
    everything,
    list_stock,
    new_trader,
    order,
    refused,
    set_price,
    set_status,
)

pytestmark = pytest.mark.django_db
D = Decimal


def says_no(trader, body, status, code):
    before = everything()
    refused(trader.post("/sell", body), status, code)
    assert everything() == before


def test_selling_a_part_brings_its_share_and_leaves_the_rest(ann, acme):
    ann.buy(acme, 10)
    set_price(acme, "12")
    body = ann.sell(acme, 4)
    assert list(body) == ["success", "transaction", "holding", "newBalance", "profit"]
    assert (body["transaction"]["type"], body["transaction"]["totalAmount"]) == ("sell", 48)
    assert (body["profit"], body["newBalance"]) == (8, 948)
    assert (body["holding"]["shares"], body["holding"]["totalInvested"], body["holding"]["averageBuyPrice"]) == (
        6,
        60,
        10,
    )
    booked = ann.booked()
    assert (booked["overall_pnl"], booked["expended_credits"], booked["locked_credits"]) == (8, 100, 0)
    assert ann.ledger_entries()[1:] == [("stock_sale", D("48.00"), D("948.00"))]
    acme.refresh_from_db()
    assert acme.circulating_supply == 6
    assert_audit_passes()


def test_selling_all_leaves_no_holding(ann, acme):
    ann.buy(acme, 10)
    set_price(acme, "9")
    body = ann.sell(acme, 10)
    assert (body["holding"], body["profit"], body["newBalance"]) == (None, -10, 990)
    assert not StockHolding.objects.exists()
    assert ann.booked()["overall_pnl"] == -10
    assert_audit_passes()


def test_selling_all_in_uneven_parts_leaves_no_dust(ann, acme):
    """Lesson 15: selling everything left 4e-16; later sells failed."""
    ann.buy(acme, "3.33333333", leverage=3)
    set_price(acme, "11.11111111")
    profits = [ann.sell(acme, part)["profit"] for part in ("1.11111111", "0.00000001", "2.2", "0.02222221")]
    assert not StockHolding.objects.exists()
    assert ann.booked()["overall_pnl"] == sum(profits) == ann.balance() - 1000
    refused(ann.post("/sell", order(acme, "0.00000001")), 400, "no_holding")
    assert ann.buy(acme, 1, leverage=1)["holding"]["shares"] == 1
    assert_audit_passes()


def test_leverage_multiplies_what_a_sale_brings(ann, acme):
    """Lesson 7: leverage multiplied the cost but not the proceeds."""
    ann.buy(acme, 10, leverage=5)
    assert ann.balance() == 900
    set_price(acme, "11")
    assert ann.sell(acme, 10)["profit"] == 50
    ann.buy(acme, 10, leverage=5)
    set_price(acme, "10")
    assert ann.sell(acme, 10)["profit"] == -50
    assert ann.balance() == 1000
    assert_audit_passes()


def test_selling_a_part_takes_a_proportional_part_of_what_was_invested(ann, acme):
    ann.buy(acme, 3, leverage=2)
    body = ann.sell(acme, 1)
    assert (body["profit"], body["holding"]["totalInvested"]) == (0, 20)


def test_what_is_worth_less_than_a_cent_is_sold_for_nothing_without_a_ledger_entry(ann):
    penny = list_stock("PNNY", "0.01")
    ann.buy(penny, 1)
    body = ann.sell(penny, "0.5")
    assert (body["transaction"]["totalAmount"], body["profit"], body["newBalance"]) == (0, D("-0.01"), D("999.99"))
    assert [row[0] for row in ann.ledger_entries()] == ["stock_purchase"]
    ann.sell(penny, "0.5")
    assert_audit_passes()


@pytest.mark.parametrize("status", [Stock.Status.HALTED, Stock.Status.DELISTED])
def test_who_holds_shares_can_leave_whatever_the_stocks_status(ann, acme, status):
    ann.buy(acme, 1)
    set_status(acme, status)
    assert ann.sell(acme, 1)["newBalance"] == 1000
    assert_audit_passes()


def test_what_one_does_not_hold_cannot_be_sold(ann, acme):
    says_no(ann, order(acme, 1), 400, "no_holding")
    new_trader("bob").buy(acme, 5)
    says_no(ann, order(acme, 1), 400, "no_holding")


def test_more_than_one_holds_cannot_be_sold(ann, acme):
    ann.buy(acme, 5)
    says_no(ann, order(acme, "5.00000001"), 400, "insufficient_shares")


def test_a_stock_that_does_not_exist_is_not_found(ann):
    says_no(ann, order(uuid4(), 1), 404, "stock_not_found")


@pytest.mark.parametrize("shares", ["one", True, None, 0, -1, D("1e-9"), D("1.123456789"), 10**10])
def test_bad_input_is_refused(ann, acme, shares):
    ann.buy(acme, 5)
    before = everything()
    response = ann.post("/sell", {"stockId": str(acme.pk), "shares": shares})
    assert [detail["field"] for detail in refused(response, 400, "validation_error")["details"]] == ["shares"]
    assert everything() == before


def test_nobody_sells_without_signing_in(api, acme):
    assert api.post("/api/v1/economy/sell", "{}", content_type="application/json").status_code == 401


def test_a_request_sent_again_sells_once(ann, acme):
    ann.buy(acme, 5)
    responses = [ann.post("/sell", order(acme, 1), Idempotency_Key="one") for _ in range(3)]
    assert len({response.content for response in responses}) == 1
    assert StockHolding.objects.get().shares == 4
    assert_audit_passes()
