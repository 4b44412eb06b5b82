"""GET /api/v1/leaderboard/pnl and /volume."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import override_settings

from accounts.models import User
from accounts.services import Ranks, ranks_of
from core.api.json import iso_utc
from leaderboard.services import update_leaderboard
from tests.accounts.factories import suspend
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, settle
from tests.leaderboard.factories import URL, mine, names, see

BOTH = pytest.mark.parametrize("order", ["pnl", "volume"])


@BOTH
def test_before_the_first_count_the_list_is_empty_and_says_that_it_was_never_counted(db, order):
    assert see(order) == {
        "success": True, "leaderboard": [], "data": [], "total": 0, "limit": 100, "offset": 0, "updatedAt": None,
    }  # fmt: skip


def test_who_staked_more_is_first_and_of_equals_the_earlier_account(five, now):
    update_leaderboard(now=now)
    response = see("volume")
    assert names("volume") == ["cem", "bob", "dee", "ann", "eva"]
    assert [entry["rank"] for entry in response["leaderboard"]] == [1, 2, 3, 4, 5]
    assert (response["total"], response["updatedAt"]) == (5, iso_utc(now))
    assert response["leaderboard"][0] == {
        "rank": 1,
        "user": {"id": str(five[2].id), "username": "cem", "avatarUrl": None},
        "overallPnL": Decimal("0.00"),
        "totalVolume": Decimal("50.00"),
        "winRate": 0,
        "userId": str(five[2].id),
        "username": "cem",
        "totalPnl": Decimal("0.00"),
    }
    assert response["data"] == response["leaderboard"]


def test_who_realized_more_is_first_whatever_was_staked(five, kettle, now):
    end(kettle, "that")
    settle(kettle)
    update_leaderboard(now=now)
    assert names("pnl") == ["eva", "ann", "bob", "dee", "cem"]
    assert [entry["overallPnL"] for entry in see("pnl")["leaderboard"]] == [0, -10, -30, -30, -50]


@BOTH
def test_suspended_users_and_staff_are_left_out(five, now, order):
    update_leaderboard(now=now)
    User.objects.filter(username="cem").update(is_active=False)
    User.objects.filter(username="bob").update(is_staff=True)
    update_leaderboard(now=now)
    assert set(names(order)) == {"ann", "dee", "eva"}
    assert [entry["rank"] for entry in see(order)["leaderboard"]] == [1, 2, 3]
    assert see(order)["total"] == 3
    for left_out in (five[1], five[2]):
        assert ranks_of(left_out.id) == Ranks(None, None)


@BOTH
def test_who_is_suspended_after_a_count_is_shown_no_more_and_the_others_keep_their_ranks(five, now, order):
    update_leaderboard(now=now)
    before = {entry["user"]["username"]: entry["rank"] for entry in see(order, limit=200)["leaderboard"]}
    suspend(five[2].user, now=now)
    after = {entry["user"]["username"]: entry["rank"] for entry in see(order)["leaderboard"]}
    assert after == {name: rank for name, rank in before.items() if name != "cem"}
    around = mine(five[0], type=order)["surrounding"]
    assert [entry["user"]["username"] for entry in around] == list(after)


def test_pages_follow_each_other_without_gap_or_repetition(five, now):
    update_leaderboard(now=now)
    paged = [name for offset in (0, 2, 4) for name in names("volume", limit=2, offset=offset)]
    assert paged == names("volume")
    assert names("volume", offset=5) == names("volume", offset=2_000_000_000) == []


@pytest.mark.parametrize(("given", "taken"), [(0, 1), (-5, 1), (1000, 1000), (1001, 1000), (10**9, 1000)])
@BOTH
def test_a_limit_out_of_range_counts_as_the_nearest_inside(db, order, given, taken):
    assert see(order, limit=given)["limit"] == taken


@pytest.mark.parametrize(
    "query", [{"limit": "many"}, {"offset": -1}, {"offset": "x"}, {"offset": 10**10}, {"period": "year"}]
)
@BOTH
def test_invalid_parameters_are_a_bad_request(db, order, query):
    (fault,) = see(order, 400, **query)["details"]
    assert [fault["field"]] == list(query)


def test_it_is_public_may_be_cached_and_is_not_sent_twice(api, five, now):
    update_leaderboard(now=now)
    first = api.get(f"{URL}/pnl", headers={"Authorization": "Bearer nonsense"})
    assert first.status_code == 200
    assert first["Cache-Control"].startswith("public")
    again = api.get(f"{URL}/pnl", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_new_count_is_shown_at_once_though_pages_are_cached(five, now):
    update_leaderboard(now=now)
    assert names("volume")[-1] == "eva"
    sign_up("flo")
    update_leaderboard(now=now + timedelta(minutes=15))
    assert names("volume")[-1] == "flo"
    assert see("volume")["updatedAt"] == iso_utc(now + timedelta(minutes=15))


def test_a_cached_page_asks_for_the_time_of_the_count_alone(five, now, django_assert_num_queries):
    update_leaderboard(now=now)
    with django_assert_num_queries(2):
        first = see("volume", limit=3)
    with django_assert_num_queries(1):
        assert see("volume", limit=3) == first


def test_a_redis_that_is_away_changes_nothing_but_the_speed(five, now):
    update_leaderboard(now=now)
    with_cache = see("volume")
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    with override_settings(CACHES={"default": away}):
        assert see("volume") == with_cache
