"""What counts as the next day, and what ends a streak."""

from datetime import UTC, date, datetime, timedelta

import pytest

from economy.ledger.audit import audit
from economy.rewards import reward_active_users
from tests.economy.factories import execute
from tests.economy.rewards.factories import A_DAY, MORNING, assert_audit_passes
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
A_MOMENT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_moment_before_midnight_and_a_moment_after_are_two_days(ann):
    midnight = at("2026-03-06T00:00:00")
    assert [ann.awarded(midnight - A_MOMENT), ann.awarded(midnight), ann.awarded(midnight + A_MOMENT)] == [
        1000,
        1500,
        0,
    ]
    assert ann.claim(midnight).next_at == midnight + A_DAY


def test_first_and_last_moment_of_a_day_are_one_day(ann):
    assert [ann.awarded(at("2026-03-05T00:00:00")), ann.awarded(at("2026-03-05T23:59:59.999999"))] == [1000, 0]


def test_nearly_two_days_apart_is_still_the_next_day(ann):
    ann.claim(at("2026-03-05T00:00:00"))
    assert ann.claim(at("2026-03-06T23:59:59.999999")).streak == 2


def test_a_missed_day_begins_again_at_one(ann):
    for day in (0, 1, 2):
        ann.claim(MORNING + day * A_DAY)
    missed = ann.claim(MORNING + 4 * A_DAY)
    assert (missed.credits, missed.streak) == (1000, 1)
    assert [streak for _, streak, _ in ann.days()] == [1, 2, 3, 1]
    assert_audit_passes()


def test_a_missed_day_after_the_greatest_reward_begins_again_at_a_thousand(ann):
    for day in range(18):
        ann.claim(MORNING + day * A_DAY)
    assert ann.awarded(MORNING + 19 * A_DAY) == 1000


@pytest.mark.parametrize(
    "days",
    [
        ["2028-02-28", "2028-02-29", "2028-03-01"],
        ["2027-02-27", "2027-02-28", "2027-03-01"],
        ["2026-12-30", "2026-12-31", "2027-01-01"],
        ["2026-03-28", "2026-03-29", "2026-03-30"],  # clocks change in Europe
    ],
)
def test_a_streak_goes_on_over_the_end_of_a_month_of_any_length(ann, days):
    assert [ann.claim(at(f"{day}T12:00:00")).streak for day in days] == [1, 2, 3]
    assert [day for day, _, _ in ann.days()] == [date.fromisoformat(day) for day in days]


def test_without_the_leap_day_the_streak_is_over(ann):
    ann.claim(at("2028-02-28T12:00:00"))
    assert ann.claim(at("2028-03-01T12:00:00")).streak == 1


def test_a_system_time_that_goes_backwards_awards_nothing_and_keeps_the_streak(ann):
    ann.claim(MORNING)
    ann.claim(MORNING + A_DAY)
    behind = ann.claim(MORNING - A_DAY)
    assert (behind.credits, behind.streak) == (0, 2)
    assert behind.next_at == at("2026-03-07T00:00:00")
    assert ann.awarded(MORNING) == 0
    assert ann.claim(MORNING + 2 * A_DAY).streak == 3
    assert_audit_passes()


def test_a_system_time_that_went_ahead_and_came_back_rewards_no_day_twice(ann):
    ahead = MORNING + 30 * A_DAY
    ann.claim(ahead)
    assert [ann.awarded(MORNING + day * A_DAY) for day in range(31)] == [0] * 31
    assert ann.claim(ahead + A_DAY).streak == 2


@pytest.mark.django_db(transaction=True)
def test_the_nightly_run_and_the_user_count_in_one_definition_of_a_day(ann):
    ann.active(at("2026-03-05T23:59:59.999999"))
    reward_active_users(now=at("2026-03-06T00:00:00"))
    assert ann.awarded(at("2026-03-06T23:59:59")) == 1500
    assert ann.claim(at("2026-03-07T00:00:00")).streak == 3
    assert [day.day for day, _, _ in ann.days()] == [5, 6, 7]


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE users SET consecutive_days_online = 17",
        "UPDATE users SET last_daily_reward_at = NULL",
        "UPDATE daily_rewards SET streak = 9",
        "UPDATE daily_rewards SET credits = 9",
        "DELETE FROM daily_rewards",
    ],
)
def test_the_audit_notices_what_was_written_by_anybody_else(ann, edit):
    ann.claim()
    assert_audit_passes()
    with as_owner():
        execute(edit)
    assert {name for name, finding in audit().findings.items() if finding.broken} & {"rewards", "streaks"}
