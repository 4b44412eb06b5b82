"""Any page, and one's own place, are index range scans from the next milestone on, however many users there are."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leaderboard.models import EVER, Order
from leaderboard.rules import SPACING, SURROUNDING
from leaderboard.selectors import get_ranking, list_entries
from leaderboard.services import update_leaderboard
from tests.leaderboard.bulk import add_users, move
from tests.leaderboard.factories import see

USERS = 5_000


@pytest.fixture
def middle(db, now):
    """Who is in the middle of 5,000, by profit and by volume."""
    ids = add_users(USERS, at=now)
    move([(user_id, place, place) for place, user_id in enumerate(ids)])
    update_leaderboard(now=now)
    return ids[USERS // 2]


def plans(work) -> list[str]:
    """How PostgreSQL did each statement of the work, with what it read."""
    with CaptureQueriesContext(connection) as asked:
        work()
    found = []
    with connection.cursor() as cursor:
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {query['sql']}")
            found.append("\n".join(line for (line,) in cursor.fetchall()))
    return found


def rows_read(plan: str) -> int:
    """From standings, whether they were shown or passed over."""
    scans = [line for line in plan.splitlines() if "on standings" in line or "standings_by" in line]
    return sum(int(float(rows)) for line in scans for rows in re.findall(r"rows=([\d.]+)", line))


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("after", [0, USERS // 2, USERS - 100, USERS * 2])
def test_a_page_is_one_range_of_one_index_however_deep(middle, order, after):
    (plan,) = plans(lambda: list_entries(order=order, scope=EVER, after=after, limit=100))
    assert f"_by_{order} on standings" in plan
    assert "Seq Scan on standings" not in plan
    assert rows_read(plan) <= 100 + SPACING


@pytest.mark.parametrize("order", Order)
def test_ones_own_place_and_those_around_are_ranges_too(middle, order):
    own, around = plans(lambda: get_ranking(user_id=middle, order=order, scope=EVER))
    assert "_pkey on standings" in own
    assert f"_by_{order} on standings" in around
    assert "Seq Scan on standings" not in own + around
    assert 3 <= rows_read(own) <= 1 + 2 * SPACING
    assert rows_read(around) <= SURROUNDING + 1 + SPACING


@pytest.mark.parametrize("offset", [0, USERS - 1_000])
def test_a_page_takes_two_queries_however_deep(middle, offset, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert see("volume", offset=offset)["total"] == USERS
