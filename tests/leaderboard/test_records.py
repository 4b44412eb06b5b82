"""What became of a user's bets, in `GET /auth/me`; and realized profit day by day, in `GET /auth/pnl-history`."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.staff import COMMAND_LINE
from betting.reversal import reverse_settlement
from leaderboard.models import UserMonth
from leaderboard.selectors import get_record
from leaderboard.services import purge_days, update_leaderboard
from tests.betting.factories import Player, sign_up
from tests.betting.settlement.factories import end, settle
from tests.leaderboard.factories import bet_at, see
from tests.leaderboard.test_reading import plans
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db
SHOWN = ("totalBets", "winRate", "biggestWin")
A_DAY = timedelta(days=1)
# Bets that are won, of one user and of another, as if over years: each half of them.
MANY_BETS = """
INSERT INTO bets (id, user_id, market_id, side, amount, odds_at_bet, shares, placed_at, status)
SELECT gen_random_uuid(), user_id, %(market)s, 'this', 60, 0.6, 100, now(), 'pending'
FROM generate_series(1, %(bets)s), unnest(%(users)s::uuid[]) AS user_id
"""
ALL_WON = """
UPDATE bets SET status = 'won', actual_payout = shares, resolved_at = now(), settlement_count = 1
"""


def get(player: Player, path: str, status: int = 200, **query: str) -> dict:
    response = Client().get(f"/api/v1/auth/{path}", query, headers={"Authorization": f"Bearer {player.token}"})
    assert response.status_code == status, response.content
    return json.loads(response.content, parse_float=Decimal)


def record(player: Player) -> tuple:
    me = get(player, "me")["user"]
    return tuple(me[name] for name in SHOWN)


@pytest.fixture
def ann() -> Player:
    return sign_up("ann")


def test_without_bets_there_is_nothing_to_show(ann):
    assert record(ann) == (0, 0, 0)


def test_a_bet_counts_at_once_and_its_end_with_its_settlement(ann):
    markets = [add_market(title=f"Question {number}") for number in range(4)]
    for market in markets:
        ann.bet(market, 60)
    assert record(ann) == (4, 0, 0)
    for market, resolution in zip(markets, ("this", "that", "this"), strict=False):
        end(market, resolution)
        settle(market)
    assert record(ann) == (4, Decimal("66.66"), 40)
    reverse_settlement(market_id=markets[0].pk, by=COMMAND_LINE, reason="It was wrong.", now=timezone.now())
    assert record(ann) == (4, 50, 40)
    reverse_settlement(market_id=markets[2].pk, by=COMMAND_LINE, reason="It was wrong.", now=timezone.now())
    assert record(ann) == (4, 0, 0)


def test_a_refund_is_neither_won_nor_lost(ann, kettle):
    ann.bet(kettle, 60)
    end(kettle, "invalid", status="cancelled")
    settle(kettle)
    assert record(ann) == (1, 0, 0)


def test_a_biggest_win_is_of_what_was_not_sold_before(ann, kettle):
    bet = ann.bet(kettle, 60)
    ann.sell(bet, "30")
    end(kettle, "this")
    settle(kettle)
    assert record(ann) == (1, 100, 20)


def test_the_leaderboards_show_the_same_win_rate(ann, kettle, now):
    bob = sign_up("bob")
    ann.bet(kettle, 60)
    bob.bet(kettle, 60, "that")
    end(kettle, "this")
    settle(kettle)
    update_leaderboard(now=now)
    assert {entry["username"]: entry["winRate"] for entry in see("pnl")["leaderboard"]} == {"ann": 100, "bob": 0}


def test_a_record_is_two_look_ups_however_many_bets_there_are(ann, kettle):
    bob = sign_up("bob")
    with connection.cursor() as cursor:
        cursor.execute(MANY_BETS, {"market": kettle.pk, "bets": 3_000, "users": [ann.id, bob.id]})
        cursor.execute(ALL_WON)
        cursor.execute("ANALYZE bets, user_totals")
    (plan,) = plans(lambda: get_record(ann.id))
    assert "bets_won_of_user" in plan
    assert "user_totals_pkey" in plan
    assert "Seq Scan" not in plan
    assert "rows=3000" not in plan
    assert record(ann) == (3_000, 100, 40)


def test_own_names_repeat_the_contracts(ann):
    me = get(ann, "me")["user"]
    assert me["profileImageUrl"] == me["avatarUrl"]
    assert me["dailyStreak"] == me["consecutiveDaysOnline"]


# The history of profit


def lose(player: Player, amount: int, moment) -> None:
    market = add_market(title=f"Lost at {moment}")
    bet_at(player, market, amount, moment)
    end(market, "that")
    settle(market, now=moment)


def test_a_history_adds_up_day_by_day_to_what_was_realized_in_all(ann, now):
    for days, amount in ((20, 100), (5, 10), (2, 20), (2, 30)):
        lose(ann, amount, now - days * A_DAY)
    update_leaderboard(now=now)
    lose(ann, 40, now)
    week = get(ann, "pnl-history", interval="1w")
    assert week["interval"] == "1w"
    assert [day["date"] for day in week["data"]] == [str((now - back * A_DAY).date()) for back in range(6, -1, -1)]
    assert [day["pnl"] for day in week["data"]] == [0, -10, 0, 0, -50, 0, -40]
    assert [day["cumulativePnL"] for day in week["data"]] == [-100, -110, -110, -110, -160, -160, -200]
    month = get(ann, "pnl-history")
    assert (month["interval"], len(month["data"])) == ("1m", 30)
    assert month["data"][-1]["cumulativePnL"] == get(ann, "me")["user"]["overallPnL"] == -200
    assert month["data"][0]["cumulativePnL"] == 0


def test_a_year_is_365_days_and_all_of_a_history_its_months(ann, now):
    for days, amount in ((300, 100), (120, 10), (2, 20)):
        lose(ann, amount, now - days * A_DAY)
    update_leaderboard(now=now)
    year = get(ann, "pnl-history", interval="1y")
    assert (year["step"], len(year["data"])) == ("day", 365)
    assert [(day["date"], day["pnl"]) for day in year["data"] if day["pnl"]] == [
        (str((now - days * A_DAY).date()), -amount) for days, amount in ((300, 100), (120, 10), (2, 20))
    ]
    every = get(ann, "pnl-history", interval="all")
    assert every["step"] == "month"
    assert every["data"][0]["date"] == str((now - 300 * A_DAY).date().replace(day=1))
    assert every["data"][0]["cumulativePnL"] == -100
    assert every["data"][-1]["cumulativePnL"] == -130
    assert all(month["date"].endswith("-01") for month in every["data"])
    assert get(ann, "pnl-history", interval="max")["data"] == every["data"]


def test_days_that_are_purged_stay_in_the_history_by_month(ann, now):
    for days in (380, 200, 20):
        lose(ann, days, now - days * A_DAY)
    update_leaderboard(now=now)
    before = get(ann, "pnl-history", interval="all")
    assert [purge_days(now=now + days * A_DAY) for days in (100, 100, 260)] == [1, 0, 1]
    assert get(ann, "pnl-history", interval="all") == before
    assert UserMonth.objects.count() == 2


def test_a_history_of_nothing_is_as_many_days_at_zero(ann):
    assert {(day["pnl"], day["cumulativePnL"]) for day in get(ann, "pnl-history")["data"]} == {(0, 0)}


def test_another_interval_is_refused_and_so_is_nobody(ann):
    assert get(ann, "pnl-history", 400, interval="2y")["details"][0]["field"] == "interval"
    assert Client().get("/api/v1/auth/pnl-history").status_code == 401


def test_a_history_is_one_statement_on_the_users_own_days(ann, now, django_assert_num_queries):
    lose(ann, 10, now)
    update_leaderboard(now=now)
    get(ann, "me")
    with django_assert_num_queries(2):
        get(ann, "pnl-history")


# The names of periods that the frontend in use sends


@pytest.mark.parametrize(
    ("name", "period"), [("all", "all"), ("daily", "day"), ("weekly", "week"), ("monthly", "month")]
)
def test_a_time_filter_is_a_period(five, now, name, period):
    lose(five[0], 10, now)
    lose(five[1], 20, now - 32 * A_DAY)
    update_leaderboard(now=now)
    by_name, by_period = see("pnl", timeFilter=name), see("pnl", period=period)
    assert by_name["leaderboard"] == by_period["leaderboard"] != []


def test_both_names_may_be_sent_where_they_mean_the_same(five, now):
    see("pnl", timeFilter="daily", period="day")
    refused = see("pnl", 400, timeFilter="daily", period="week")
    assert refused["details"][0] == {
        "field": "timeFilter",
        "message": "Give either period or timeFilter.",
        "code": "conflict",
    }
