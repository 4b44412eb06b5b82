"""On which UTC days a user was active: written seldom, and yet no day is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.activity import WAS_ACTIVE_ON_DAY, record_activity
from accounts.models import User
from core.db.sql import fetch_all
from tests.concurrently import all_at_once

EVENING = datetime(2026, 3, 5, 23, 58, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 6, tzinfo=UTC)
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
DAYS_ACTIVE = f"""
SELECT %(first)s::date - day FROM (
    SELECT generate_series(%(first)s - interval '60 days', %(first)s + interval '60 days', '1 day')::date AS day
) AS days, users WHERE users.id = %(user)s AND {WAS_ACTIVE_ON_DAY} ORDER BY day
"""  # noqa: S608 - constants


@pytest.fixture
def user(db) -> User:
    return User.objects.create_user(email="ann@example.com", username="ann")


def active(user: User, *moments: datetime) -> User:
    for moment in moments:
        record_activity(User.objects.get(pk=user.pk), now=moment)
    return User.objects.get(pk=user.pk)


def days_active(user: User) -> list[int]:
    """Return the days, counted from the fifth of March on, as the nightly run reads them."""
    return [-day for (day,) in fetch_all(DAYS_ACTIVE, {"first": EVENING, "user": user.pk})]


def test_nobody_is_active_who_never_came(user):
    assert days_active(user) == []


def test_within_five_minutes_of_one_day_it_is_written_once(user, django_assert_num_queries):
    user = active(user, EVENING - timedelta(hours=1))
    with django_assert_num_queries(0):
        record_activity(user, now=EVENING - timedelta(minutes=55, microseconds=1))
    with django_assert_num_queries(1):
        record_activity(user, now=EVENING - timedelta(minutes=55))


def test_the_first_request_of_a_day_is_written_however_soon_it_comes(user):
    user = active(user, MIDNIGHT - A_MOMENT, MIDNIGHT)
    assert user.last_active_at == MIDNIGHT
    assert days_active(user) == [0, 1]


@pytest.mark.parametrize("visits", [[0], [0, 1], [0, 2], [0, 1, 4, 5], [0, 31], [*range(40)]], ids=str)
def test_the_days_of_a_month_are_known(user, visits):
    user = active(user, *(EVENING + day * A_DAY for day in visits))
    assert days_active(user) == [day for day in visits if visits[-1] - day <= 31]


def test_after_longer_than_that_the_days_before_are_forgotten(user):
    assert days_active(active(user, EVENING, EVENING + 32 * A_DAY)) == [32]


def test_a_system_time_that_goes_back_changes_nothing(user):
    user = active(user, EVENING, EVENING + A_DAY, EVENING - 3 * A_DAY)
    assert (user.last_active_at, days_active(user)) == (EVENING + A_DAY, [0, 1])


@pytest.mark.django_db(transaction=True)
def test_many_first_requests_of_a_day_at_once_keep_the_day_before():
    user = active(User.objects.create_user(email="ann@example.com", username="ann"), EVENING, EVENING + A_DAY)
    all_at_once(lambda: record_activity(User.objects.get(pk=user.pk), now=EVENING + 2 * A_DAY), 10)
    assert days_active(user) == [0, 1, 2]
