"""What counts for today, this week and this month. Days are UTC's."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from accounts.staff import COMMAND_LINE
from betting.reversal import reverse_settlement
from core.db.sql import analyze
from core.jobs.runs import last_run
from leaderboard.models import UserDay
from leaderboard.rules import KEPT_DAYS
from leaderboard.services import PURGE_DAYS, rebuild_leaderboard, update_leaderboard
from leaderboard.tasks import purge_days
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, settle
from tests.leaderboard.factories import A_WEDNESDAY, bet_at, figures, kept, mine, names, see, sell_at
from thisthat.celery import app

SPANS = [
    ("day", datetime(2026, 3, 4, tzinfo=UTC)),
    ("week", datetime(2026, 3, 2, tzinfo=UTC)),
    ("month", datetime(2026, 3, 1, tzinfo=UTC)),
]
A_MOMENT = timedelta(microseconds=1)
AN_HOUR = timedelta(hours=1)
MANY_DAYS = """
INSERT INTO user_days (day, user_id, volume, realized_pnl)
SELECT (%s::timestamptz)::date - n %% 40, gen_random_uuid(), 1, 0 FROM generate_series(1, 4000) AS n
"""


@pytest.mark.parametrize(("period", "beginning"), SPANS)
def test_a_period_begins_with_the_first_moment_of_its_first_day(kettle, period, beginning):
    ann, bob = sign_up("ann"), sign_up("bob")
    bet_at(ann, kettle, 20, beginning - A_MOMENT)
    bet_at(bob, kettle, 30, beginning)
    bet_at(bob, kettle, 40, A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY)
    assert figures("volume", period=period) == {"bob": (0, 70)}
    assert figures("volume") == {"ann": (0, 20), "bob": (0, 70)}


@pytest.mark.parametrize(("period", "beginning"), SPANS)
def test_who_only_realized_something_is_ranked_too(kettle, period, beginning):
    ann = sign_up("ann")
    bet_at(ann, kettle, 60, beginning - AN_HOUR)
    end(kettle)
    settle(kettle, now=beginning)
    update_leaderboard(now=A_WEDNESDAY)
    assert figures("pnl", period=period) == {"ann": (40, 0)}


def test_who_did_nothing_in_a_period_is_not_ranked_in_it(kettle):
    ann = sign_up("ann")
    bet_at(ann, kettle, 20, A_WEDNESDAY - timedelta(days=1))
    update_leaderboard(now=A_WEDNESDAY)
    assert see("pnl", period="day")["total"] == 0
    assert (mine(ann, period="day")["rank"], mine(ann, period="week")["rank"]) == (None, 1)


def test_suspended_users_and_staff_are_left_out_of_periods_too(kettle):
    for name in ("ann", "bob", "cem"):
        bet_at(sign_up(name), kettle, 20, A_WEDNESDAY)
    User.objects.filter(username="ann").update(is_active=False)
    User.objects.filter(username="bob").update(is_staff=True)
    update_leaderboard(now=A_WEDNESDAY)
    assert names("pnl", period="day") == ["cem"]


def test_a_new_day_starts_empty(kettle):
    bet_at(sign_up("ann"), kettle, 20, A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY + timedelta(hours=12))
    assert names("volume", period="day") == []
    assert names("volume", period="week") == ["ann"]


@pytest.mark.parametrize("sold", [20, None])
def test_a_sale_realizes_on_its_day_and_the_rest_on_that_of_the_settlement(kettle, sold):
    ann = sign_up("ann")
    bet_id = bet_at(ann, kettle, 60, A_WEDNESDAY - timedelta(days=2))
    kettle.this_odds, kettle.that_odds = kettle.this_odds + kettle.that_odds / 4, kettle.that_odds * 3 / 4
    kettle.save()
    sell_at(ann, bet_id, sold, A_WEDNESDAY - timedelta(days=1))
    end(kettle, "that")
    settle(kettle, now=A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY)
    by_day = {row.day.day: (row.volume, row.realized_pnl) for row in UserDay.objects.all()}
    gained = {20: "3.33", None: "10.00"}[sold]
    lost = {4: (0, -40)} if sold else {}
    assert {day: (volume, str(pnl)) for day, (volume, pnl) in by_day.items() if day == 3} == {3: (0, gained)}
    assert {day: row for day, row in by_day.items() if day != 3} == {2: (60, 0), **lost}


def test_what_is_committed_late_is_found_by_the_next_count(kettle):
    """A bet's time is taken before its transaction commits; midnight and a count may come between."""
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    update_leaderboard(now=midnight + timedelta(seconds=1))
    bet_at(sign_up("ann"), kettle, 20, midnight - timedelta(seconds=1))
    update_leaderboard(now=midnight + timedelta(minutes=15))
    assert UserDay.objects.get().day.day == 4
    assert names("volume", period="week") == ["ann"]
    assert names("volume", period="day") == []


def test_days_on_which_nothing_was_counted_are_caught_up_with(kettle):
    update_leaderboard(now=A_WEDNESDAY - timedelta(days=3))
    bet_at(sign_up("ann"), kettle, 20, A_WEDNESDAY - timedelta(days=2))
    update_leaderboard(now=A_WEDNESDAY)
    assert figures("volume", period="week") == {"ann": (0, 20)}


def test_days_that_no_period_reads_are_purged_nightly_and_nothing_else(db, now):
    ann = sign_up("ann")
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (0, KEPT_DAYS, KEPT_DAYS + 1):
        UserDay.objects.create(day=today - timedelta(days=days), user_id=ann.id, volume=10, realized_pnl=0)
    purge_days()
    purged = last_run("leaderboard.purge_days")
    assert (purged.status, purged.result) == ("succeeded", {"deleted": 1})
    assert sorted((today.date() - row.day).days for row in UserDay.objects.all()) == [0, KEPT_DAYS]
    assert app.conf.beat_schedule["purge-user-days"]["task"] == "leaderboard.purge_days"


def test_purging_reads_the_days_to_purge_and_no_others(db, now):
    with connection.cursor() as cursor:
        cursor.execute(MANY_DAYS, [now])
        analyze("user_days")
        cursor.execute("EXPLAIN " + PURGE_DAYS, {"first_kept": now.date() - timedelta(days=KEPT_DAYS)})
        assert "user_days_pkey" in "".join(line for (line,) in cursor.fetchall())


def test_what_is_long_over_is_not_counted_again(kettle):
    ann = sign_up("ann")
    bet_at(ann, kettle, 20, A_WEDNESDAY - timedelta(days=KEPT_DAYS + 1))
    bet_at(ann, kettle, 30, A_WEDNESDAY - timedelta(days=KEPT_DAYS))
    update_leaderboard(now=A_WEDNESDAY)
    assert [row.volume for row in UserDay.objects.all()] == [30]
    assert figures("volume") == {"ann": (0, 50)}


def test_a_settlement_that_is_undone_long_after_takes_back_what_all_time_showed(kettle):
    ann = sign_up("ann")
    User.objects.update(created_at=A_WEDNESDAY - timedelta(days=90))
    bet_at(ann, kettle, 60, A_WEDNESDAY - timedelta(days=60))
    end(kettle)
    settle(kettle, now=A_WEDNESDAY - timedelta(days=50))
    update_leaderboard(now=A_WEDNESDAY - AN_HOUR)
    assert figures("pnl") == {"ann": (40, 60)}
    reverse_settlement(market_id=kettle.pk, by=COMMAND_LINE, reason="The source was wrong.", now=A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY + timedelta(minutes=15))
    assert figures("pnl") == {"ann": (0, 60)}


def test_a_settlement_that_is_undone_takes_back_what_its_day_showed(kettle):
    ann = sign_up("ann")
    bet_at(ann, kettle, 60, A_WEDNESDAY - timedelta(days=3))
    end(kettle)
    settle(kettle, now=A_WEDNESDAY - timedelta(days=2))
    update_leaderboard(now=A_WEDNESDAY - timedelta(days=1))
    assert figures("pnl", period="week") == {"ann": (40, 0)}
    reverse_settlement(market_id=kettle.pk, by=COMMAND_LINE, reason="The source was wrong.", now=A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY + timedelta(minutes=15))
    assert figures("pnl", period="week") == {}
    counted = kept()
    rebuild_leaderboard(now=A_WEDNESDAY + timedelta(minutes=15))
    assert kept() == counted
