"""What a request has that its operation doesn't know: reported in `warnings`, never an error, never somebody else's."""

import json

import pytest

from tests.betting.factories import order, sign_up
from tests.markets.factories import MARKETS, add_market, publish

pytestmark = pytest.mark.django_db
SIGNUP = "/api/v1/auth/signup"
GRACE = {"username": "grace", "email": "grace@example.com", "password": "a long sentence", "name": "Grace"}


@pytest.fixture
def ann():
    return sign_up("ann")


@pytest.fixture
def kettle(db):
    market = add_market()
    publish()
    return market


def warned(response) -> list[tuple[str, str]]:
    return [(each["field"], each["code"]) for each in response.json().get("warnings", [])]


def test_an_unknown_parameter_is_reported_and_the_response_is_otherwise_the_same(api, kettle):
    plain, misspelled = api.get(MARKETS), api.get(MARKETS, {"catgory": "sports", "limit": 50})
    assert misspelled.status_code == 200
    assert warned(misspelled) == [("catgory", "unknown_parameter")]
    assert misspelled.json()["warnings"][0]["message"] == "This query parameter isn't known, and was ignored."
    assert {**plain.json(), "warnings": misspelled.json()["warnings"]} == misspelled.json()
    assert "warnings" not in plain.json()


def test_an_unknown_field_is_reported_and_known_ones_count(api):
    response = api.post(SIGNUP, {**GRACE, "refferalCode": "ABC", "age": 7}, content_type="application/json")
    assert response.status_code == 201
    assert warned(response) == [("refferalCode", "unknown_field"), ("age", "unknown_field")]


def test_parameters_and_fields_are_reported_together(ann, kettle):
    response = ann.post("/quote?side=this", {**order(kettle, 10), "ammount": 20})
    assert warned(response) == [("side", "unknown_parameter"), ("ammount", "unknown_field")]


def test_an_operation_without_a_body_reports_what_it_is_sent(api, ann):
    headers = {"Authorization": f"Bearer {ann.token}"}
    daily = "/api/v1/economy/daily-credits"
    response = api.post(daily, {"day": 7}, content_type="application/json", headers=headers)
    assert warned(response) == [("day", "unknown_field")]
    unreadable = api.post(daily, "{", content_type="application/json", headers=headers)
    assert (unreadable.status_code, warned(unreadable)) == (200, [])


def test_a_refusal_has_none(api):
    response = api.get(MARKETS, {"limit": 0, "catgory": "sports"})
    assert response.status_code == 400
    assert "warnings" not in response.json()


def test_warnings_are_few_and_short_however_much_is_unknown(api, kettle):
    response = api.get(MARKETS, {f"{number}{'x' * 200}": "" for number in range(100)})
    assert len(warned(response)) == 20
    assert {len(name) for name, _ in warned(response)} == {100}


def test_a_cached_list_of_others_has_no_warning_of_mine(api, kettle, settings):
    settings.PUBLIC_CACHE_SECONDS = 3_600
    mine = api.get(f"{MARKETS}?nonsense=1")
    others = api.get(MARKETS)
    assert warned(api.get(f"{MARKETS}?nonsense=1")) == warned(mine) == [("nonsense", "unknown_parameter")]
    assert warned(others) == warned(api.get(MARKETS)) == []
    assert mine["ETag"] != others["ETag"]


def test_a_leaderboards_page_in_the_shared_cache_has_no_warning_of_mine(api):
    board = "/api/v1/leaderboard/pnl"
    assert warned(api.get(board, {"nonsense": 1})) == [("nonsense", "unknown_parameter")]
    assert warned(api.get(board)) == []
    assert warned(api.get(board, {"other": 1})) == [("other", "unknown_parameter")]


def test_a_copy_with_a_warning_still_holds_for_who_has_it(api, kettle):
    first = api.get(MARKETS, {"nonsense": 1})
    again = api.get(MARKETS, {"nonsense": 1}, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304


def test_a_replay_is_the_first_response_byte_for_byte_whatever_it_was_warned_of(ann, kettle):
    body = json.dumps({**order(kettle, 10), "odds": 0.5})
    first = ann.post("?source=app", body, Idempotency_Key="one")
    again = ann.post("", body, Idempotency_Key="one")
    assert warned(first) == [("source", "unknown_parameter"), ("odds", "unknown_field")]
    assert again["Idempotency-Replayed"] == "true"
    assert again.content == first.content


def test_a_replay_has_no_warning_that_the_first_response_had_not(ann, kettle):
    first = ann.post("", order(kettle, 10), Idempotency_Key="one")
    again = ann.post("?source=app", order(kettle, 10), Idempotency_Key="one")
    assert again.content == first.content
    assert warned(again) == []
