"""Validation messages have one style, whatever validates: DRF's serializers, filters, or what is written by hand."""

import json
import re

import pytest

from tests.betting.factories import sign_up

pytestmark = pytest.mark.django_db
BETS, BUY, MARKETS = "/api/v1/bets/quote", "/api/v1/economy/buy", "/api/v1/markets"
MARKET, STOCK = "01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-000000000002"
# What is sent where, the field that is wrong, and what is said of it: the same of the same fault everywhere.
FAULTS = [
    (BETS, {"side": "this", "amount": 10}, "marketId", "This field is required."),
    (BUY, {"shares": 1}, "stockId", "This field is required."),
    ("/api/v1/auth/signup", {}, "username", "This field is required."),
    (BETS, {"marketId": None, "side": "this", "amount": 10}, "marketId", "This field may not be null."),
    (BUY, {"stockId": None, "shares": 1}, "stockId", "This field may not be null."),
    (BETS, {"marketId": "", "side": "this", "amount": 10}, "marketId", "This field may not be blank."),
    (f"{MARKETS}?q=%20", None, "q", "This field may not be blank."),
    (BETS, {"marketId": 7, "side": "this", "amount": 10}, "marketId", "Not a valid string."),
    ("/api/v1/auth/login", {"email": 7, "password": "x"}, "email", "Not a valid string."),
    (BETS, {"marketId": MARKET, "side": "this", "amount": "10"}, "amount", "A valid number is required."),
    (BUY, {"stockId": STOCK, "shares": "1"}, "shares", "A valid number is required."),
    (f"{MARKETS}?minLiquidity=much", None, "minLiquidity", "A valid number is required."),
    (BUY, {"stockId": STOCK, "shares": 1, "leverage": 1.5}, "leverage", "A valid integer is required."),
    (f"{MARKETS}?limit=all", None, "limit", "A valid integer is required."),
    (f"{MARKETS}?expiresAfter=soon", None, "expiresAfter", "A valid date and time is required, in ISO 8601."),
    (BETS, {"marketId": MARKET, "side": "up", "amount": 10}, "side", '"up" is not a valid choice.'),
    (f"{MARKETS}?sort=up", None, "sort", '"up" is not a valid choice.'),
    ("/api/v1/leaderboard/pnl?period=up", None, "period", '"up" is not a valid choice.'),
]
BOUNDS = [
    (BETS, {"marketId": MARKET, "side": "this", "amount": 9}, "greater than or equal to 10."),
    (BETS, {"marketId": MARKET, "side": "this", "amount": 10_001}, "less than or equal to 10000."),
    (BETS, {"marketId": MARKET, "side": "this", "amount": 10, "minOdds": 2}, "less than or equal to 1."),
    (BUY, {"stockId": STOCK, "shares": 0}, "greater than or equal to 0.00000001."),
    (f"{MARKETS}?limit=0", None, "greater than or equal to 1."),
    (f"{MARKETS}?minLiquidity=-1", None, "greater than or equal to 0."),
    (f"{MARKETS}?maxSpread=2", None, "less than or equal to 1."),
]


@pytest.fixture
def details(api):
    token = sign_up("ann").token

    def send(path: str, body: dict | None) -> list[dict[str, str]]:
        headers = {"Authorization": f"Bearer {token}"}
        sent = {"data": json.dumps(body), "content_type": "application/json"}
        response = api.get(path, headers=headers) if body is None else api.post(path, **sent, headers=headers)
        assert response.status_code == 400, response.content
        return response.json()["details"]

    return send


@pytest.mark.parametrize(("path", "body", "field", "message"), FAULTS, ids=lambda value: str(value)[:60])
def test_the_same_fault_has_the_same_words_everywhere(details, path, body, field, message):
    assert message in [each["message"] for each in details(path, body) if each["field"] == field]


@pytest.mark.parametrize(("path", "body", "bound"), BOUNDS, ids=lambda value: str(value)[:60])
def test_bounds_too(details, path, body, bound):
    assert [each["message"] for each in details(path, body)] == [f"Ensure this value is {bound}"]


def test_decimals_and_lengths_too(details):
    bet = {"marketId": MARKET, "side": "this", "amount": 10.001}
    (bets,) = details(BETS, bet)
    (stocks,) = details(BUY, {"stockId": STOCK, "shares": 1.000000001})
    words = re.compile(r"Ensure that there are no more than \d+ decimal places\.")
    assert words.fullmatch(bets["message"])
    assert words.fullmatch(stocks["message"])
    (reference,) = details(BETS, {"marketId": "x" * 201, "side": "this", "amount": 10})
    assert reference["message"] == "Ensure this field has no more than 200 characters."
    (words_of_a_search,) = details(f"{MARKETS}?q={'x' * 101}", None)
    assert words_of_a_search["message"] == "Ensure this field has no more than 100 characters."
