"""POST /bets/{id}/sell: whole or in parts, at the odds of the moment, never paid twice, and no dust left."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from betting.models import Bet, BetSale
from markets.models import Market
from tests.betting.factories import assert_audit_passes, everything, read, set_book, sign_up
from tests.betting.settlement.factories import end, settle
from tests.markets.factories import add_market, fields_of, refusal

pytestmark = pytest.mark.django_db


def move(market: Market, this: str, that: str | None = None) -> None:
    """The house changes its odds."""
    other = 1 - Decimal(this) if that is None else Decimal(that)
    Market.objects.filter(pk=market.pk).update(this_odds=Decimal(this), that_odds=other)


def refused(player, bet, body, status: int, code: str) -> dict:
    before = everything(player)
    response = refusal(player.post(f"/{bet['id']}/sell", body), status, code)
    assert everything(player) == before
    return response


def test_a_whole_bet_is_sold_at_the_odds_of_now(ann, kettle):
    bet = ann.bet(kettle, 100)
    move(kettle, "0.7500")
    body = ann.sell(bet)
    assert set(body) == {
        "success", "bet", "creditsReturned", "newBalance", "currentValue", "profit", "priceImpact", "creditsReceived",
    }  # fmt: skip
    assert (body["creditsReturned"], body["newBalance"], body["currentValue"]) == (125, 1025, 0)
    assert (body["creditsReceived"], body["profit"], body["priceImpact"]) == (125, 25, 0)
    sold = body["bet"]
    assert (sold["status"], sold["soldAmount"], sold["soldPayout"]) == ("sold", 100, 125)
    assert (sold["actualPayout"], sold["currentOdds"], sold["currentValue"]) == (None, Decimal("0.75"), 0)
    assert sold["resolvedAt"] is not None
    assert ann.show(bet) == sold
    assert ann.ledger_entries()[-1] == ("position_sold", Decimal("125.00"), Decimal("1025.00"))
    booked = ann.booked()
    assert (booked["locked_credits"], booked["overall_pnl"], booked["total_volume"]) == (0, 25, 100)
    assert_audit_passes()


def test_a_part_is_sold_and_the_rest_of_the_stake_stays(ann, kettle):
    bet = ann.bet(kettle, 100)
    move(kettle, "0.3000")
    body = ann.sell(bet, "40")
    assert (body["creditsReturned"], body["newBalance"], body["currentValue"]) == (20, 920, 30)
    part = body["bet"]
    assert (part["status"], part["soldAmount"], part["soldPayout"], part["resolvedAt"]) == ("pending", 40, 20, None)
    assert (part["amount"], part["potentialPayout"]) == (100, Decimal("166.66"))
    booked = ann.booked()
    assert (booked["locked_credits"], booked["overall_pnl"]) == (60, -20)
    assert_audit_passes()


def test_the_whole_stake_given_as_amount_closes_the_bet(ann, kettle):
    bet = ann.bet(kettle, "33.33")
    assert ann.sell(bet, "33.33")["bet"]["status"] == "sold"


def test_null_is_as_good_as_no_amount(ann, kettle):
    assert read(ann.post(f"/{ann.bet(kettle)['id']}/sell", {"amount": None}))["bet"]["status"] == "sold"


def test_every_sale_has_its_row_and_its_number(ann, kettle):
    bet = ann.bet(kettle, 100)
    for odds, amount in (("0.5", "10"), ("0.7", "20"), ("0.6", None)):
        move(kettle, odds)
        ann.sell(bet, amount)
    rows = BetSale.objects.filter(bet_id=bet["id"]).order_by("occurrence")
    assert [(row.occurrence, row.amount, row.odds, row.payout) for row in rows] == [
        (0, 10, Decimal("0.5"), Decimal("8.33")), (1, 20, Decimal("0.7"), Decimal("23.33")), (2, 70, Decimal("0.6"), 70),
    ]  # fmt: skip
    assert_audit_passes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 40_00), min_size=1, max_size=6), st.integers(1, 9999), st.integers(1, 9999))
def test_sold_in_any_parts_exactly_nothing_is_left(db, parts, before, after):
    """Lesson 15: dust of 4e-16 was left, and later sales failed."""
    stake = sum(parts) + 10_00
    player = sign_up(f"u{Bet.objects.count()}_{before}_{after}")
    market = add_market(this_odds=Decimal(before) / 10_000, that_odds=1 - Decimal(before) / 10_000)
    bet = player.bet(market, f"{stake / 100:.2f}")
    move(market, f"{after / 10_000:.4f}")
    proceeds = [player.sell(bet, f"{part / 100:.2f}")["creditsReturned"] for part in [*parts, 10_00]]
    sold = player.show(bet)
    assert (sold["status"], sold["soldAmount"], sold["soldPayout"]) == ("sold", bet["amount"], sum(proceeds))
    assert player.booked()["locked_credits"] == 0
    assert sum(proceeds) <= bet["amount"] * after / before
    assert_audit_passes()


def test_a_part_that_brings_less_than_a_cent_is_sold_for_nothing(ann, kettle):
    """A sale that brings less than a cent succeeds; the ledger has no entry of 0."""
    bet = ann.bet(kettle, 10)
    rows = len(ann.ledger_entries())
    move(kettle, "0.5000")
    body = ann.sell(bet, "0.01")
    assert (body["creditsReturned"], body["bet"]["soldAmount"], body["newBalance"]) == (0, Decimal("0.01"), 990)
    assert len(ann.ledger_entries()) == rows
    assert ann.booked()["locked_credits"] == Decimal("9.99")
    assert_audit_passes()
    assert ann.sell(bet)["bet"]["status"] == "sold"
    assert_audit_passes()


def test_more_than_is_left_is_refused(ann, kettle):
    bet = ann.bet(kettle, 100)
    ann.sell(bet, "60")
    for amount in (40.01, 100, 1e300):
        refused(ann, bet, {"amount": amount}, 400, "amount_exceeds_stake")


def test_a_sold_bet_cannot_be_sold_again(ann, kettle):
    """Lesson 2: one position sold ten times."""
    bet = ann.bet(kettle, 100)
    ann.sell(bet)
    for body in (None, {"amount": 1}):
        refused(ann, bet, body, 400, "bet_not_sellable")


@pytest.mark.parametrize(("resolution", "status"), [("this", "won"), ("that", "lost"), ("invalid", "cancelled")])
def test_a_bet_that_is_settled_cannot_be_sold_whatever_became_of_it(ann, kettle, resolution, status):
    bet = ann.bet(kettle, 100, "this")
    end(kettle, resolution)
    settle(kettle)
    assert ann.show(bet)["status"] == status
    refused(ann, bet, None, 400, "bet_not_sellable")


@pytest.mark.parametrize("amount", ["10", 0, -5, 0.001, 10.555, True, [], {}])
def test_bad_amounts_are_refused_by_name(ann, kettle, amount):
    response = refused(ann, ann.bet(kettle), {"amount": amount}, 400, "validation_error")
    assert fields_of(response) == ["amount"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "closed"}, "market_not_open"),
        (
            {"status": "resolved", "resolution": "this", "resolved_at": datetime(2026, 1, 1, tzinfo=UTC)},
            "market_not_open",
        ),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "market_expired"),
        ({"accepting_orders": False}, "market_not_accepting"),
        ({"this_odds": Decimal(1), "that_odds": Decimal(0)}, "market_not_accepting"),
    ],
)
def test_a_bet_cannot_be_sold_while_its_market_takes_no_bets(ann, kettle, fields, code):
    bet = ann.bet(kettle)
    Market.objects.filter(pk=kettle.pk).update(**fields)
    refused(ann, bet, None, 400, code)


def test_another_users_bet_is_not_found(ann, kettle, new_player):
    bet = ann.bet(kettle)
    refused(new_player("bob"), bet, None, 404, "bet_not_found")


@pytest.mark.parametrize("name", ["01980000-0000-7000-8000-000000000000", "x", "%00", "1"])
def test_an_unknown_bet_is_not_found(ann, name):
    refusal(ann.post(f"/{name}/sell"), 404, "bet_not_found")


def test_without_a_token_nothing_is_sold(ann, kettle, api):
    refusal(api.post(f"/api/v1/bets/{ann.bet(kettle)['id']}/sell"), 401, "not_authenticated")


def test_a_sale_is_at_the_order_books_odds(ann, mirrored, there):
    bet = ann.bet(mirrored, 100)
    set_book(there, "0.5000", "0.5100")
    assert ann.sell(bet)["creditsReturned"] == 125


def test_nothing_is_sold_without_a_book(ann, mirrored, upstream):
    """Lesson 24."""
    bet = ann.bet(mirrored, 100)
    upstream.faults.set("status", path="/books")
    refused(ann, bet, None, 503, "price_unavailable")


def test_a_repeated_key_gets_the_first_response_and_sells_nothing_more(ann, kettle):
    bet = ann.bet(kettle, 100)
    path, headers = f"/{bet['id']}/sell", {"Idempotency_Key": "once"}
    first, again = (ann.post(path, {"amount": 50}, **headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert ann.show(bet)["soldAmount"] == 50
    refusal(ann.post(path, {"amount": 20}, **headers), 409, "idempotency_key_reused")


def test_the_first_response_comes_again_though_the_bet_is_gone_and_the_market_closed(ann, kettle):
    bet = ann.bet(kettle, 100)
    path, headers = f"/{bet['id']}/sell", {"Idempotency_Key": "once"}
    first = ann.post(path, **headers)
    Market.objects.filter(pk=kettle.pk).update(status="closed")
    assert ann.post(path, **headers).content == first.content
    assert_audit_passes()


def test_locks_are_taken_in_the_one_order(ann, kettle):
    """Lesson 19: market, then user, then bet."""
    bet = ann.bet(kettle)
    with CaptureQueriesContext(connection) as asked:
        ann.sell(bet)
    locking = [query["sql"] for query in asked if " FOR SHARE" in query["sql"] or " FOR NO KEY" in query["sql"]]
    tables = [next(table for table in ("FROM markets", "FROM users", "FROM bets") if table in sql) for sql in locking]
    assert list(dict.fromkeys(tables)) == ["FROM markets", "FROM users", "FROM bets"]
