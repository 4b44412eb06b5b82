"""POST /bets/quote: what a bet would be, for anybody; nothing is written."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rest_framework.throttling import SimpleRateThrottle

from betting.models import Bet
from markets import rules
from tests.betting.factories import BETS, number, order, read
from tests.markets.factories import add_market, fields_of, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def quote(api):
    def ask(*given, **more):
        body = json.dumps(order(*given, **more), default=number)
        return api.post(f"{BETS}/quote", body, content_type="application/json")

    return ask


def test_a_quote_says_what_the_bet_would_pay(quote, kettle):
    body = read(quote(kettle, 100))
    assert list(body) == ["success", "quote"]
    given = body["quote"]
    assert list(given) == [
        "odds", "potentialPayout", "profit", "bid", "ask", "spread", "shares", "oddsAfter", "priceImpact", "asOf",
        "validFor",
    ]  # fmt: skip
    assert (given["odds"], given["potentialPayout"], given["profit"]) == (
        Decimal("0.6000"), Decimal("166.66"), Decimal("66.66"),
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", given["asOf"])
    assert given["validFor"] == 5


def test_a_quote_is_what_the_bet_then_gets(quote, ann, mirrored):
    given = read(quote(mirrored, "33.33", "that"))["quote"]
    bet = ann.bet(mirrored, "33.33", "that")
    assert (bet["oddsAtBet"], bet["potentialPayout"]) == (given["odds"], given["potentialPayout"])


def test_a_quote_says_what_the_side_costs_and_brings(quote, mirrored):
    for side, bid, ask in (("this", "0.3900", "0.4000"), ("that", "0.6000", "0.6100")):
        given = read(quote(mirrored, 122, side))["quote"]
        assert [given[name] for name in ("bid", "ask", "spread")] == [Decimal(bid), Decimal(ask), Decimal("0.0100")]
        assert (given["odds"], given["shares"]) == (given["ask"], given["potentialPayout"])


def test_what_nobody_buys_is_quoted_all_the_same_as_it_can_be_bet_on(quote, ann, monkeypatch):
    monkeypatch.setattr(rules, "HOUSE_SPREAD", Decimal("0.02"))
    unlikely = add_market(this_odds=Decimal("0.0100"), that_odds=Decimal("0.9900"))
    given = read(quote(unlikely, 100))["quote"]
    assert [given[name] for name in ("odds", "bid", "spread")] == [Decimal("0.0200"), 0, Decimal("0.0200")]
    assert ann.bet(unlikely, 100)["oddsAtBet"] == given["odds"]


def test_a_quote_writes_nothing(quote, mirrored, kettle, django_assert_num_queries):
    quote(mirrored)
    for market in (mirrored, kettle):
        with django_assert_num_queries(1) as asked:
            quote(market)
        assert asked[0]["sql"].startswith("SELECT")
    assert not Bet.objects.exists()


def test_a_token_good_or_bad_makes_no_difference(api, ann, kettle):
    for token in (ann.token, "nonsense"):
        sent = {"Authorization": f"Bearer {token}"}
        response = api.post(f"{BETS}/quote", order(kettle), content_type="application/json", headers=sent)
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "100"}, "amount"),
        ({"amount": 9}, "amount"),
        ({"side": "both"}, "side"),
        ({"marketId": 5}, "marketId"),
    ],
)
def test_bad_values_are_refused_by_name(api, kettle, change, field):
    body = json.dumps(order(kettle) | change)
    response = api.post(f"{BETS}/quote", body, content_type="application/json")
    assert fields_of(refusal(response, 400, "validation_error")) == [field]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "closed"}, "market_not_open"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "market_expired"),
        ({"accepting_orders": False}, "market_not_accepting"),
        ({"this_odds": Decimal(1), "that_odds": Decimal(0)}, "market_not_accepting"),
    ],
)
def test_what_cannot_be_bet_on_is_not_quoted(quote, fields, code):
    refusal(quote(add_market(**fields)), 400, code)


def test_an_unknown_market_is_not_found(quote, db):
    refusal(quote("0xnever"), 404, "market_not_found")


def test_bounds_are_kept_to_as_a_bet_keeps_to_them(quote, kettle):
    refusal(quote(kettle, maxOdds=0.5), 400, "odds_moved")


def test_without_a_price_there_is_no_quote(quote, mirrored, upstream):
    upstream.faults.set("status", path="/books")
    refusal(quote(mirrored), 503, "price_unavailable")


def test_requests_upstream_are_throttled(quote, upstream, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "upstream", "2/min")
    names = [market.condition_id for market in upstream.world.good_markets()[:3]]
    assert all(quote(name).status_code in (200, 400) for name in names[:2])
    refusal(quote(names[2]), 429, "throttled")
