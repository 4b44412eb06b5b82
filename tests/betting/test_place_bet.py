"""POST /bets: the stake moves and the bet is written, at a price seconds old; or nothing happens."""

import re
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from betting import rules
from betting.errors import MarketExpired
from betting.models import Bet
from betting.orders import get_market_snapshot
from markets.models import Market, MarketWatch
from tests.betting.factories import assert_audit_passes, everything, order, read, set_book, sign_up
from tests.economy.factories import give
from tests.markets.factories import add_market, add_mirrored, add_past, age_odds, fields_of, refusal

pytestmark = pytest.mark.django_db
BET_FIELDS = [
    "id", "userId", "marketId", "side", "amount", "oddsAtBet", "potentialPayout", "actualPayout", "status", "placedAt",
    "resolvedAt", "soldAmount", "soldPayout", "currentOdds", "currentValue", "shares", "remainingAmount",
    "remainingPayout", "market",
    "sharesReceived", "priceAtBet",
]  # fmt: skip
MARKET_FIELDS = [
    "id", "title", "thisOption", "thatOption", "status", "resolution", "resolvedAt", "expiresAt", "imageUrl",
    "thisOdds", "thatOdds", "category",
]  # fmt: skip


def refused(player, body, status: int, code: str) -> dict:
    """The refusal, after which everything is as it was."""
    before = everything(player)
    response = refusal(player.post("", body), status, code)
    assert everything(player) == before
    return response


def test_a_bet_takes_the_stake_and_shows_what_it_may_pay(ann, kettle):
    body = read(ann.post("", order(kettle, 100)), 201)
    assert list(body) == ["success", "bet", "newBalance", "potentialPayout"]
    assert (body["newBalance"], body["potentialPayout"]) == (Decimal("900.00"), Decimal("166.66"))
    bet = body["bet"]
    assert list(bet) == BET_FIELDS
    assert list(bet["market"]) == MARKET_FIELDS
    assert UUID(bet["id"]).version == 7
    assert (bet["userId"], bet["marketId"], bet["market"]["id"]) == (str(ann.id), str(kettle.pk), str(kettle.pk))
    assert (bet["side"], bet["status"], bet["actualPayout"], bet["resolvedAt"]) == ("this", "pending", None, None)
    assert [bet[name] for name in ("amount", "oddsAtBet", "potentialPayout", "soldAmount", "soldPayout")] == [
        Decimal("100.00"), Decimal("0.6000"), Decimal("166.66"), 0, 0,
    ]  # fmt: skip
    assert (bet["currentOdds"], bet["currentValue"]) == (Decimal("0.6000"), 100)
    assert (bet["shares"], bet["remainingAmount"], bet["remainingPayout"]) == (
        Decimal("166.66"),
        100,
        Decimal("166.66"),
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bet["placedAt"])
    assert_audit_passes()


def test_the_ledger_and_the_users_columns_say_so_too(ann, kettle):
    bet = ann.bet(kettle, "33.33", "that")
    assert ann.ledger_entries()[1:] == [("bet_placed", Decimal("-33.33"), Decimal("966.67"))]
    booked = ann.booked()
    assert (booked["credit_balance"], booked["locked_credits"]) == (Decimal("966.67"), Decimal("33.33"))
    assert (booked["expended_credits"], booked["total_volume"]) == (Decimal("33.33"), Decimal("33.33"))
    assert booked["overall_pnl"] == 0
    assert (bet["oddsAtBet"], bet["potentialPayout"]) == (Decimal("0.4000"), Decimal("83.32"))


def test_numbers_leave_as_they_are_stored_without_float_residue(ann, kettle):
    raw = ann.post("", f'{{"marketId": "{kettle.pk}", "side": "this", "amount": 66.67}}').content.decode()
    assert '"amount":66.67,' in raw
    assert '"newBalance":933.33,' in raw
    assert '"oddsAtBet":0.6000,' in raw


def test_the_response_to_a_bet_is_what_is_stored(ann, kettle):
    bet = ann.bet(kettle, 10)
    assert ann.show(bet) == bet


def test_a_mirrored_market_is_bet_on_at_the_order_books_odds_not_the_catalogues(ann, mirrored, there):
    assert mirrored.this_odds != Decimal("0.4000")
    bet = ann.bet(mirrored, 100)
    assert (bet["oddsAtBet"], bet["potentialPayout"]) == (Decimal("0.4"), 250)
    assert bet["currentOdds"] == mirrored.this_odds


def test_a_condition_id_names_the_market_too(ann, mirrored):
    assert read(ann.post("", order(mirrored.polymarket_id)), 201)["bet"]["marketId"] == str(mirrored.pk)


def test_each_bet_is_at_a_book_that_was_requested_after_it_arrived(ann, mirrored, there, upstream):
    """Lessons 24 and 41: users who watched the upstream printed credits."""
    assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.4000")
    set_book(there, "0.8900", "0.9000")
    assert ann.bet(mirrored, 10)["oddsAtBet"] == Decimal("0.9000")
    assert len(upstream.requests.to("/books")) == 2


@pytest.mark.parametrize("fault", ["status", "html", "broken_json", "reset"])
def test_without_a_book_nobody_bets(ann, mirrored, upstream, fault):
    """Not at the odds of the last book, nor at the catalogue's, however young."""
    upstream.faults.set(fault, path="/books")
    response = ann.post("", order(mirrored))
    refusal(response, 503, "price_unavailable")
    assert int(response["Retry-After"]) >= 1
    assert everything(ann)[0] == []


def test_a_house_market_has_its_stored_odds_however_old(ann, kettle):
    age_odds(86_400)
    assert ann.bet(kettle, 10)["oddsAtBet"] == Decimal("0.6000")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "closed"}, "market_not_open"),
        ({"expires_at": timedelta(seconds=-1)}, "market_expired"),
        ({"expires_at": timedelta(0)}, "market_expired"),
        ({"expires_at": timedelta(seconds=-1), "accepting_orders": False}, "market_expired"),
        ({"accepting_orders": False}, "market_not_accepting"),
        ({"this_odds": Decimal(1), "that_odds": Decimal(0)}, "market_not_accepting"),
        ({"this_odds": Decimal(0), "that_odds": Decimal(1)}, "market_not_accepting"),
    ],
)
def test_a_market_that_takes_no_bets_says_why(ann, now, fields, code):
    given = {name: now + value if isinstance(value, timedelta) else value for name, value in fields.items()}
    refused(ann, order(add_market(**given)), 400, code)


def test_the_moment_at_which_a_market_ends_is_no_longer_before_its_end(now):
    """To the microsecond, which a request of a test can't hit."""
    snapshot = get_market_snapshot(str(add_market(expires_at=now).pk))
    snapshot.ensure_takes_orders(now=now - timedelta(microseconds=1))
    with pytest.raises(MarketExpired):
        snapshot.ensure_takes_orders(now=now)


@pytest.mark.parametrize("status", ["resolved", "cancelled"])
def test_a_market_that_is_over_takes_no_bets(ann, status):
    refused(ann, order(add_past(status)), 400, "market_not_open")


def test_past_its_end_a_mirrored_market_goes_on_while_upstream_accepts_orders(ann, mirrored, now):
    Market.objects.filter(pk=mirrored.pk).update(expires_at=now - timedelta(hours=1))
    assert ann.bet(mirrored, 10)["status"] == "pending"
    Market.objects.filter(pk=mirrored.pk).update(accepting_orders=False)
    refused(ann, order(mirrored), 400, "market_expired")


def test_a_market_that_was_bet_on_a_moment_ago_and_is_closed_since_takes_no_bets(ann, kettle):
    ann.bet(kettle, 10)
    Market.objects.filter(pk=kettle.pk).update(status="closed")
    refused(ann, order(kettle), 400, "market_not_open")


def test_a_closed_market_is_refused_before_polymarket_is_asked(ann, mirrored, upstream):
    Market.objects.filter(pk=mirrored.pk).update(status="closed")
    refused(ann, order(mirrored), 400, "market_not_open")
    assert len(upstream.requests) == 0


@pytest.mark.parametrize(
    "reference", ["01980000-0000-7000-8000-000000000000", "0xnever", "../x", "\x00", "😀", "x" * 200]
)
def test_an_unknown_market_is_not_found(ann, reference):
    refused(ann, order(reference), 404, "market_not_found")


def test_more_than_is_available_is_refused(ann, kettle):
    refused(ann, order(kettle, "1000.01"), 400, "insufficient_credits")
    ann.bet(kettle, 1000)
    refused(ann, order(kettle, 10), 400, "insufficient_credits")
    assert_audit_passes()


@pytest.mark.parametrize(
    ("bounds", "taken"),
    [({"minOdds": 0.6}, True), ({"minOdds": 0.6001}, False), ({"maxOdds": 0.6}, True), ({"maxOdds": 0.5999}, False),
     ({"minOdds": 0.5, "maxOdds": 0.7}, True), ({"minOdds": None, "maxOdds": None}, True), ({"minOdds": 0, "maxOdds": 1}, True)],
)  # fmt: skip
def test_odds_outside_the_bounds_given_are_refused(ann, kettle, bounds, taken):
    if taken:
        ann.bet(kettle, **bounds)
    else:
        refused(ann, order(kettle, **bounds), 400, "odds_moved")


@pytest.mark.parametrize("amount", ["10.5e-99999999999999999999", "10.5e99999999999999999999", "9" * 5_000, "1e999"])
def test_an_amount_beyond_all_reason_is_no_failure_of_ours(ann, kettle, amount):
    body = f'{{"marketId": "{kettle.pk}", "side": "this", "amount": {amount}}}'
    assert ann.post("", body).status_code == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(({"amount": amount}, "amount") for amount in (
            0, -10, 9, 9.99, 10.001, 10000.01, 10001, 1e300, 10**300, "100", "ten", True, False, None, [], {}, [100],
        )),
        *(({"side": side}, "side") for side in ("THIS", "yes", "", None, 1, True, [], "this ")),
        *(({"marketId": reference}, "marketId") for reference in (None, "", 5, [], {}, "x" * 201)),
        *(({name: odds}, name) for name in ("minOdds", "maxOdds") for odds in ("0.5", -0.1, 1.1, True, [])),
        ({"minOdds": 0.6, "maxOdds": 0.5}, "minOdds"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_by_name(ann, kettle, change, field):
    response = refused(ann, order(kettle) | change, 400, "validation_error")
    assert fields_of(response) == [field]
    assert set(response["details"][0]) == {"field", "message", "code"}


@pytest.mark.parametrize("amount", [10, 10.0, "10.00", 10000, "10000.00", "10.01", "10.500"])
def test_amounts_from_the_least_to_the_most_are_taken(kettle, db, amount):
    rich = sign_up("rich")
    give(rich.id, 100_000)
    text = f'{{"marketId": "{kettle.pk}", "side": "this", "amount": {amount}}}'
    assert read(rich.post("", text), 201)["bet"]["amount"] == Decimal(str(amount))


def test_all_that_is_wrong_is_told_at_once(ann):
    response = refused(ann, {}, 400, "validation_error")
    assert fields_of(response) == ["marketId", "side", "amount"]
    assert {detail["code"] for detail in response["details"]} == {"required"}


@pytest.mark.parametrize("amount", ["10.000000000000001", "100.00000000000000000001", "99.995", "1e1.5"])
def test_a_fraction_finer_than_a_cent_is_never_rounded_away(ann, kettle, amount):
    text = f'{{"marketId": "{kettle.pk}", "side": "this", "amount": {amount}}}'
    code = "parse_error" if amount == "1e1.5" else "validation_error"
    refused(ann, text, 400, code)


@pytest.mark.parametrize(
    "text", ["", "{", "[1", "null", "[]", '"x"', "5", '{"amount": NaN}', '{"amount": Infinity}', "\xff"]
)
def test_a_body_that_is_no_json_object_is_refused(ann, text):
    before = everything(ann)
    assert ann.post("", text.encode("latin-1")).status_code == 400
    assert everything(ann) == before


@pytest.mark.parametrize(("least", "most", "amount", "status"), [(1, 5, 5, 201), (1, 5, 6, 400), (50, 60, 49, 400)])
def test_the_least_and_the_most_are_rules(ann, kettle, monkeypatch, least, most, amount, status):
    monkeypatch.setattr(rules, "MIN_BET_AMOUNT", Decimal(least))
    monkeypatch.setattr(rules, "MAX_BET_AMOUNT", Decimal(most))
    assert ann.post("", order(kettle, amount)).status_code == status


def test_without_a_token_nobody_bets(api, kettle):
    response = api.post("/api/v1/bets", order(kettle), content_type="application/json")
    refusal(response, 401, "not_authenticated")


def test_a_slash_at_the_end_is_the_same_resource(ann, kettle):
    assert ann.post("/", order(kettle)).status_code == 201


def test_other_methods_are_refused(ann):
    refusal(ann.get(""), 405, "method_not_allowed")


def test_a_bet_on_a_mirrored_market_has_its_odds_kept_fresh(ann, mirrored, now):
    MarketWatch.objects.all().delete()
    ann.bet(mirrored, 10)
    watched = MarketWatch.objects.get(market=mirrored).watched_until
    assert watched > now + timedelta(minutes=10)


def test_a_bet_on_a_market_that_was_bet_on_a_moment_ago_is_six_statements(ann, mirrored, django_assert_num_queries):
    """The current user; begin; how long to wait; the lock; stake, ledger and bet in one; commit."""
    ann.bet(mirrored, 10)
    with django_assert_num_queries(6):
        ann.bet(mirrored, 10)
    assert Bet.objects.count() == 2


def test_a_mirrored_market_that_upstream_does_not_know_is_illiquid(ann, upstream):
    refused(ann, order(add_mirrored(77)), 400, "market_illiquid")
