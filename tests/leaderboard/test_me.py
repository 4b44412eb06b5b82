"""GET /api/v1/leaderboard/me."""

from decimal import Decimal

import pytest

from accounts.models import User
from leaderboard.services import update_leaderboard
from tests.betting.factories import sign_up
from tests.leaderboard.factories import URL, mine


def test_it_says_where_one_stands_and_who_is_around(five, now):
    update_leaderboard(now=now)
    bob = five[1]
    ranking = mine(bob, type="volume")
    around = ranking.pop("surrounding")
    assert ranking == {
        "type": "volume", "rank": 2, "rankByPnL": 2, "rankByVolume": 2, "totalUsers": 5,
        "overallPnL": Decimal("0.00"), "totalVolume": Decimal("30.00"),
    }  # fmt: skip
    assert [entry["user"]["username"] for entry in around] == ["cem", "bob", "dee", "ann", "eva"]


def test_by_profit_unless_volume_is_asked_for(five, now):
    update_leaderboard(now=now)
    cem = five[2]
    assert (mine(cem)["type"], mine(cem)["rank"]) == ("pnl", 3)
    assert mine(cem, type="volume")["rank"] == 1


@pytest.mark.parametrize(("place", "first", "last"), [(1, 1, 11), (4, 1, 11), (10, 5, 15), (18, 10, 20), (20, 10, 20)])
def test_ten_others_are_around_wherever_one_stands(db, now, place, first, last):
    users = [sign_up(f"user_{number:02}") for number in range(1, 21)]
    update_leaderboard(now=now)
    ranking = mine(users[place - 1])
    assert ranking["rank"] == place
    assert [entry["rank"] for entry in ranking["surrounding"]] == list(range(first, last + 1))


def test_who_signed_up_after_the_count_has_no_rank_yet(five, now):
    update_leaderboard(now=now)
    ranking = mine(sign_up("flo"))
    assert (ranking["rank"], ranking["rankByPnL"], ranking["rankByVolume"]) == (None, None, None)
    assert (ranking["totalUsers"], ranking["surrounding"]) == (5, [])


def test_before_the_first_count_nobody_has_a_rank(five):
    assert (mine(five[0])["rank"], mine(five[0])["totalUsers"]) == (None, 0)


@pytest.mark.parametrize("query", [{"type": "luck"}, {"type": "PNL"}, {"period": "year"}])
def test_another_type_or_period_is_a_bad_request(five, query):
    (fault,) = mine(five[0], 400, **query)["details"]
    assert [fault["field"]] == list(query)


def test_who_is_not_signed_in_is_unauthorized_and_a_suspended_user_forbidden(api, five):
    assert api.get(f"{URL}/me").status_code == 401
    User.objects.filter(pk=five[0].id).update(is_active=False)
    assert mine(five[0], 403)["code"] == "account_suspended"


def test_it_is_kept_out_of_shared_caches(api, five):
    response = api.get(f"{URL}/me", headers={"Authorization": f"Bearer {five[0].token}"})
    assert response["Cache-Control"] == "private, no-store"


def test_ones_profile_shows_the_ranks_of_the_last_count(api, five, now):
    update_leaderboard(now=now)
    profile = api.get(f"/api/v1/users/{five[2].id}").json()["user"]
    assert (profile["rankByPnL"], profile["rankByVolume"]) == (3, 1)


def test_it_takes_two_queries_beside_signing_in(five, now, django_assert_num_queries):
    update_leaderboard(now=now)
    mine(five[0])
    with django_assert_num_queries(3):
        mine(five[0])
