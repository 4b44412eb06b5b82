"""GET /bets/me and /bets/{id}: from our own data, in one statement, and nobody else's."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection

from betting.models import Bet
from markets.models import Market
from tests.betting.factories import assert_audit_passes, execute, read
from tests.betting.settlement.bulk import add_users, place_many
from tests.markets.factories import add_market, fields_of, refusal

pytestmark = pytest.mark.django_db


def mine(player, **query) -> dict:
    return read(player.get("/me", **query))


def ids(body) -> list[str]:
    return [bet["id"] for bet in body["bets"]]


@pytest.fixture
def several(ann, kettle):
    """Ann's bets, oldest first: four on the kettle, one of them sold, and one on the pot."""
    pot = add_market(title="Will the pot?")
    bets = [ann.bet(kettle, 10 + place) for place in range(4)] + [ann.bet(pot, 20, "that")]
    ann.sell(bets[1])
    return bets


def test_all_bets_come_newest_first(ann, several):
    body = mine(ann)
    assert list(body) == ["success", "bets", "total", "limit", "offset"]
    assert ids(body) == [bet["id"] for bet in reversed(several)]
    assert (body["total"], body["limit"], body["offset"]) == (5, 50, 0)


def test_a_bet_in_the_list_is_the_bet_by_itself(ann, several):
    for bet in mine(ann)["bets"]:
        assert ann.show(bet) == bet


def test_pages_follow_one_another(ann, several):
    pages = [mine(ann, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [len(page["bets"]) for page in pages] == [2, 2, 1, 0]
    assert [bet for page in pages for bet in ids(page)] == [bet["id"] for bet in reversed(several)]
    assert {page["total"] for page in pages} == {5}


@pytest.mark.parametrize(("status", "places"), [("pending", [4, 3, 2, 0]), ("sold", [1]), ("won", [])])
def test_a_status_is_kept_to(ann, several, status, places):
    body = mine(ann, status=status)
    assert ids(body) == [several[place]["id"] for place in places]
    assert body["total"] == len(places)


def test_a_market_is_kept_to_by_either_id(ann, several, kettle, mirrored):
    bet = ann.bet(mirrored, 10)
    assert ids(mine(ann, marketId=kettle.pk)) == [several[place]["id"] for place in (3, 2, 1, 0)]
    assert ids(mine(ann, marketId=mirrored.polymarket_id)) == [bet["id"]]
    assert ids(mine(ann, marketId=mirrored.pk, status="sold")) == []
    assert mine(ann, marketId=uuid4())["bets"] == mine(ann, marketId="0xnever")["bets"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [({"limit": 0}, "limit"), ({"limit": 201}, "limit"), ({"limit": "x"}, "limit"), ({"offset": -1}, "offset"),
     ({"offset": 10**30}, "offset"), ({"status": "open"}, "status"), ({"marketId": "a b"}, "marketId"), ({"marketId": "\x00"}, "marketId")],
)  # fmt: skip
def test_bad_values_are_refused_by_name(ann, query, field):
    assert fields_of(refusal(ann.get("/me", **query), 400, "validation_error")) == [field]


def test_the_value_of_now_comes_from_the_stored_odds(ann, kettle):
    bet = ann.bet(kettle, 100)
    ann.sell(bet, "40")
    Market.objects.filter(pk=kettle.pk).update(this_odds=Decimal("0.9"), that_odds=Decimal("0.1"))
    shown = ann.show(bet)
    assert (shown["currentOdds"], shown["currentValue"]) == (Decimal("0.9"), 90)
    assert (shown["oddsAtBet"], shown["potentialPayout"]) == (Decimal("0.6"), Decimal("166.66"))


def test_a_bet_that_is_over_has_no_current_value(ann, kettle):
    bet = ann.bet(kettle, 100)
    ann.sell(bet)
    shown = ann.show(bet)
    assert (shown["currentOdds"], shown["currentValue"]) == (Decimal("0.6"), 0)


def test_reading_asks_polymarket_nothing(ann, mirrored, upstream):
    bet = ann.bet(mirrored)
    upstream.requests.clear()
    ann.show(bet)
    mine(ann)
    assert len(upstream.requests) == 0


@pytest.mark.parametrize("path", ["/me", "/{id}"])
def test_reading_is_one_statement_besides_the_current_user(ann, several, django_assert_num_queries, path):
    with django_assert_num_queries(2):
        read(ann.get(path.format(id=several[0]["id"])))


def test_others_bets_are_nobodys_business(ann, several, new_player):
    bob = new_player("bob")
    assert mine(bob) == {"success": True, "bets": [], "total": 0, "limit": 50, "offset": 0}
    refusal(bob.get(f"/{several[0]['id']}"), 404, "bet_not_found")


@pytest.mark.parametrize("name", ["01980000-0000-7000-8000-000000000000", "x", "%00", "..", "1"])
def test_an_unknown_bet_is_not_found(ann, name):
    assert ann.get(f"/{name}").status_code == 404


def test_without_a_token_there_are_no_bets(api, db):
    refusal(api.get("/api/v1/bets/me"), 401, "not_authenticated")
    refusal(api.get(f"/api/v1/bets/{uuid4()}"), 401, "not_authenticated")


def test_bets_are_kept_by_no_cache(ann, several):
    for path in ("/me", f"/{several[0]['id']}"):
        assert ann.get(path)["Cache-Control"] == "no-store"


def test_times_have_milliseconds_and_end_in_z(ann, kettle, now):
    bet = ann.bet(kettle)
    ann.sell(bet)
    Market.objects.filter(pk=kettle.pk).update(expires_at=now)
    shown = ann.show(bet)
    for time in (shown["placedAt"], shown["resolvedAt"], shown["market"]["expiresAt"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)


def test_a_settled_bet_shows_what_it_paid(ann, kettle):
    bet = ann.bet(kettle)
    execute("UPDATE bets SET status = 'won', actual_payout = shares, resolved_at = now(), settlement_count = 1")
    shown = ann.show(bet)
    assert (shown["status"], shown["actualPayout"], shown["currentValue"]) == ("won", Decimal("166.66"), 0)
    assert Bet.objects.get().settlement_count == 1


def test_pages_of_many_bets_use_an_index(ann, several):
    """However many bets others have."""
    crowded = add_market(title="Will everybody?")
    add_users(20)
    place_many(crowded, 2_000)
    ann.bet(crowded)
    plans = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")
        for condition in ("", "AND status = 'pending'", f"AND market_id = '{crowded.pk}'"):
            asked = f"EXPLAIN SELECT id FROM bets WHERE user_id = %s {condition} ORDER BY id DESC LIMIT 50"  # noqa: S608
            cursor.execute(asked, [ann.id])
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    for plan in plans:
        assert "bets_of_user" in plan
        assert "Sort" not in plan
    assert_audit_passes()
