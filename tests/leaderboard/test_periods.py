"""What counts for today, this week and this month. Days are UTC's."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from betting.reversal import reverse_settlement
from leaderboard.models import UserDay
from leaderboard.services import rebuild, recount
from tests.betting.settlement.worlds import end, settle
from tests.betting.worlds import sign_up
from tests.leaderboard.worlds import A_WEDNESDAY, bet_at, figures, kept, mine, names, see, sell_at

SPANS = [
    ("day", datetime(2026, 3, 4, tzinfo=UTC)),
    ("week", datetime(2026, 3, 2, tzinfo=UTC)),
    ("month", datetime(2026, 3, 1, tzinfo=UTC)),
]
A_MOMENT = timedelta(microseconds=1)
AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("period", "beginning"), SPANS)
def test_a_period_begins_with_the_first_moment_of_its_first_day(kettle, period, beginning):
    ann, bob = sign_up("ann"), sign_up("bob")
    bet_at(ann, kettle, 20, beginning - A_MOMENT)
    bet_at(bob, kettle, 30, beginning)
    bet_at(bob, kettle, 40, A_WEDNESDAY)
    recount(now=A_WEDNESDAY)
    assert figures("volume", period=period) == {"bob": (0, 70)}
    assert figures("volume") == {"ann": (0, 20), "bob": (0, 70)}


@pytest.mark.parametrize(("period", "beginning"), SPANS)
def test_who_only_realized_something_is_ranked_too(kettle, period, beginning):
    ann = sign_up("ann")
    bet_at(ann, kettle, 60, beginning - AN_HOUR)
    end(kettle)
    settle(kettle, now=beginning)
    recount(now=A_WEDNESDAY)
    assert figures("pnl", period=period) == {"ann": (40, 0)}


def test_who_did_nothing_in_a_period_is_not_ranked_in_it(kettle):
    ann = sign_up("ann")
    bet_at(ann, kettle, 20, A_WEDNESDAY - timedelta(days=1))
    recount(now=A_WEDNESDAY)
    assert see("pnl", period="day")["total"] == 0
    assert (mine(ann, period="day")["rank"], mine(ann, period="week")["rank"]) == (None, 1)


def test_suspended_users_and_staff_are_left_out_of_periods_too(kettle):
    for name in ("ann", "bob", "cem"):
        bet_at(sign_up(name), kettle, 20, A_WEDNESDAY)
    User.objects.filter(username="ann").update(is_active=False)
    User.objects.filter(username="bob").update(is_staff=True)
    recount(now=A_WEDNESDAY)
    assert names("pnl", period="day") == ["cem"]


def test_a_new_day_starts_empty(kettle):
    bet_at(sign_up("ann"), kettle, 20, A_WEDNESDAY)
    recount(now=A_WEDNESDAY)
    recount(now=A_WEDNESDAY + timedelta(hours=12))
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
    recount(now=A_WEDNESDAY)
    by_day = {row.day.day: (row.volume, row.realized_pnl) for row in UserDay.objects.all()}
    gained = {20: "3.33", None: "10.00"}[sold]
    lost = {4: (0, -40)} if sold else {}
    assert {day: (volume, str(pnl)) for day, (volume, pnl) in by_day.items() if day == 3} == {3: (0, gained)}
    assert {day: row for day, row in by_day.items() if day != 3} == {2: (60, 0), **lost}


def test_what_is_committed_late_is_found_by_the_next_count(kettle):
    """A bet's time is taken before its transaction commits; midnight and a count may come between."""
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    recount(now=midnight + timedelta(seconds=1))
    bet_at(sign_up("ann"), kettle, 20, midnight - timedelta(seconds=1))
    recount(now=midnight + timedelta(minutes=15))
    assert UserDay.objects.get().day.day == 4
    assert names("volume", period="week") == ["ann"]
    assert names("volume", period="day") == []


def test_days_on_which_nothing_was_counted_are_caught_up_with(kettle):
    recount(now=A_WEDNESDAY - timedelta(days=3))
    bet_at(sign_up("ann"), kettle, 20, A_WEDNESDAY - timedelta(days=2))
    recount(now=A_WEDNESDAY)
    assert figures("volume", period="week") == {"ann": (0, 20)}


def test_a_settlement_that_is_undone_takes_back_what_its_day_showed(kettle):
    ann, staff = sign_up("ann"), sign_up("boss", is_staff=True)
    bet_at(ann, kettle, 60, A_WEDNESDAY - timedelta(days=3))
    end(kettle)
    settle(kettle, now=A_WEDNESDAY - timedelta(days=2))
    recount(now=A_WEDNESDAY - timedelta(days=1))
    assert figures("pnl", period="week") == {"ann": (40, 0)}
    reverse_settlement(market_id=kettle.pk, staff=staff.user, reason="The source was wrong.", now=A_WEDNESDAY)
    recount(now=A_WEDNESDAY + timedelta(minutes=15))
    assert figures("pnl", period="week") == {}
    counted = kept()
    rebuild(now=A_WEDNESDAY + timedelta(minutes=15))
    assert kept() == counted
