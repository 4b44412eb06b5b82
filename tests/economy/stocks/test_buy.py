"""POST /economy/buy: the credits move, and the signed trade, the holding and the supply are written; or nothing is."""

import re
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from economy.stocks.models import Stock
from tests.economy.stocks.factories import (
    assert_audit_passes,
    everything,
    list_stock,
    new_trader,
    order,
    read,
    refused,
    set_price,
    set_status,
)

pytestmark = pytest.mark.django_db
TRANSACTION = [
    "id", "userId", "stockId", "type", "shares", "pricePerShare", "totalAmount", "leverage", "transactionHash",
    "signedAt", "balanceBefore", "balanceAfter", "createdAt",
]  # fmt: skip
HOLDING = [
    "id", "userId", "stockId", "shares", "averageBuyPrice", "totalInvested", "leverage", "createdAt", "updatedAt",
]  # fmt: skip
D = Decimal


def says_no(trader, body, status, code):
    before = everything()
    response = refused(trader.post("/buy", body), status, code)
    assert everything() == before
    return response


def test_a_purchase_responds_with_the_trade_the_holding_and_the_balance(ann, acme):
    body = ann.buy(acme, "2.5")
    assert list(body) == ["success", "transaction", "holding", "newBalance"]
    assert body["newBalance"] == 975
    trade, holding = body["transaction"], body["holding"]
    assert (list(trade), list(holding)) == (TRANSACTION, HOLDING)
    assert UUID(trade["id"]).version == 7
    assert (trade["userId"], trade["stockId"]) == (str(ann.user.pk), str(acme.pk))
    assert (trade["type"], trade["leverage"], trade["shares"]) == ("buy", 1, D("2.5"))
    assert (trade["pricePerShare"], trade["totalAmount"]) == (10, 25)
    assert (trade["balanceBefore"], trade["balanceAfter"]) == (1000, 975)
    assert re.fullmatch("[0-9a-f]{64}", trade["transactionHash"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", trade["signedAt"])
    assert (holding["shares"], holding["averageBuyPrice"], holding["totalInvested"]) == (D("2.5"), 10, 25)
    acme.refresh_from_db()
    assert acme.circulating_supply == D("2.5")
    assert_audit_passes()


def test_numbers_leave_as_they_are_stored(ann, acme):
    raw = ann.post("/buy", order(acme, "0.12345678")).content.decode()
    assert '"shares":0.12345678,' in raw
    assert '"pricePerShare":10.00000000,' in raw
    assert '"totalAmount":1.24,' in raw
    assert '"newBalance":998.76' in raw


def test_the_users_columns_say_invested_but_neither_locked_nor_volume(ann, acme):
    """Lesson 6: two columns moved by different features, so that selling a bet gave back what stocks had cost."""
    ann.buy(acme, 10, leverage=5)
    booked = ann.booked()
    assert (booked["credit_balance"], booked["expended_credits"]) == (900, 100)
    assert (booked["locked_credits"], booked["total_volume"], booked["overall_pnl"]) == (0, 0, 0)
    assert ann.ledger_entries() == [("stock_purchase", D("-100.00"), D("900.00"))]
    assert_audit_passes()


def test_another_purchase_averages_in(ann, acme):
    first = ann.buy(acme, 10, leverage=2)["holding"]
    set_price(acme, "20")
    holding = ann.buy(acme, 30, leverage=2)["holding"]
    assert (holding["shares"], holding["averageBuyPrice"], holding["totalInvested"]) == (40, D("17.5"), 700)
    assert (holding["id"], holding["createdAt"]) == (first["id"], first["createdAt"])
    assert_audit_passes()


def test_another_leverage_is_refused_while_the_holding_is_open(ann, acme):
    """Lesson 7: the next purchase overwrote the leverage of all before it."""
    ann.buy(acme, 1, leverage=2)
    says_no(ann, order(acme, 1, leverage=3), 400, "leverage_mismatch")
    says_no(ann, order(acme, 1), 400, "leverage_mismatch")
    ann.sell(acme, 1)
    assert ann.buy(acme, 1, leverage=3)["holding"]["leverage"] == 3
    assert_audit_passes()


def test_what_one_cannot_afford_is_refused(ann, acme):
    says_no(ann, order(acme, "100.00000001"), 400, "insufficient_credits")
    assert ann.buy(acme, 100)["newBalance"] == 0
    says_no(ann, order(acme, "0.00000001"), 400, "insufficient_credits")
    assert_audit_passes()


def test_more_than_the_supply_is_refused(acme):
    rich = new_trader("rich", 100_000)
    says_no(rich, order(acme, "1000.00000001"), 400, "insufficient_supply")
    rich.buy(acme, "999.5")
    says_no(rich, order(acme, "0.50000001"), 400, "insufficient_supply")
    rich.buy(acme, "0.5")
    assert_audit_passes()


@pytest.mark.parametrize("status", [Stock.Status.HALTED, Stock.Status.DELISTED])
def test_a_stock_that_is_not_active_cannot_be_bought(ann, acme, status):
    set_status(acme, status)
    says_no(ann, order(acme, 1), 400, "stock_not_active")


def test_more_leverage_than_the_stock_allows_is_refused(ann, acme):
    says_no(ann, order(acme, 1, leverage=11), 400, "leverage_too_high")
    assert ann.buy(acme, 1, leverage=10)["holding"]["leverage"] == 10


def test_a_stock_that_does_not_exist_is_not_found(ann):
    says_no(ann, order(uuid4(), 1), 404, "stock_not_found")


BAD = [
    ("shares", "1", "invalid"),
    ("shares", True, "invalid"),
    ("shares", None, "null"),
    ("shares", 0, "min_value"),
    ("shares", -1, "min_value"),
    ("shares", D("0.000000001"), "min_value"),
    ("shares", D("1.000000001"), "max_decimal_places"),
    ("shares", 10**10, "max_value"),
    ("shares", 10**30, "max_value"),
    ("leverage", 0, "min_value"),
    ("leverage", 101, "max_value"),
    ("leverage", D("1.5"), "not_whole"),
    ("leverage", "2", "invalid"),
    ("leverage", True, "invalid"),
    ("leverage", None, "null"),
    ("stockId", "acme", "invalid"),
    ("stockId", None, "null"),
]


@pytest.mark.parametrize(("field", "value", "code"), BAD)
def test_bad_input_is_named_by_its_field(ann, acme, field, value, code):
    body = order(acme, 1) | {field: value}
    if isinstance(value, str):
        body[field] = value
    before = everything()
    details = refused(ann.post("/buy", body), 400, "validation_error")["details"]
    assert [(detail["field"], detail["code"]) for detail in details] == [(field, code)]
    assert everything() == before


@pytest.mark.parametrize("text", ["[]", "7", "null", '"shares"'])
def test_what_is_no_object_is_refused(ann, text):
    refused(ann.post("/buy", text), 400, "validation_error")


@pytest.mark.parametrize("number", ["1e-400", "1e308", "9" * 5000, "1e-99999999999999999999999"])
def test_numbers_beyond_all_bounds_are_refused(ann, acme, number):
    text = f'{{"stockId": "{acme.pk}", "shares": {number}}}'
    assert ann.post("/buy", text).status_code == 400


def test_nobody_buys_without_signing_in(api, acme):
    assert api.post("/api/v1/economy/buy", "{}", content_type="application/json").status_code == 401


def test_a_slash_at_the_end_makes_no_difference(ann, acme):
    assert ann.post("/buy/", order(acme, 1)).status_code == 200


def test_a_request_sent_again_buys_once(ann, acme):
    """Lesson 16: a timeout, a retry, three fills for one intended order."""
    responses = [ann.post("/buy", order(acme, 1), Idempotency_Key="one") for _ in range(3)]
    assert len({response.content for response in responses}) == 1
    assert [response.get("Idempotency-Replayed") for response in responses] == [None, "true", "true"]
    assert ann.balance() == 990
    assert ann.post("/buy", order(acme, 2), Idempotency_Key="one").json()["code"] == "idempotency_key_reused"
    assert_audit_passes()


def test_shares_of_two_stocks_are_two_holdings_and_one_chain(ann, acme):
    other = list_stock("OTHR", "3")
    ann.buy(acme, 1, leverage=2)
    ann.buy(other, 1, leverage=5)
    assert [entry["stock"]["symbol"] for entry in ann.portfolio()["portfolio"]] == ["ACME", "OTHR"]
    assert_audit_passes()


def test_a_purchase_costs_the_same_queries_whatever_is_held(ann, acme, django_assert_num_queries):
    ann.buy(acme, 1)
    for number in range(5):
        ann.buy(list_stock(f"S{number}", "1"), 1)
    # The user; begin; stock, user, trader; credits; trade; end. Savepoints are the tests' own.
    with django_assert_num_queries(9):
        read(ann.post("/buy", order(acme, 1)))
