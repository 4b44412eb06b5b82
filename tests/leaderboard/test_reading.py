"""Any page, and one's own place, are index range scans: no counting, no sorting, no row that isn't shown."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leaderboard.models import Board
from leaderboard.periods import Period
from leaderboard.selectors import Order, entries, ranking
from tests.economy.worlds import make_user
from tests.leaderboard.worlds import see

PEOPLE = 30_000
# Set-based, for a size that services can't make in a test's time; the ids but Ann's are nobody's.
CROWD = """
INSERT INTO ranks (period, user_id, rank_by_pnl, rank_by_volume, overall_pnl, total_volume)
SELECT period, CASE n WHEN 1 THEN %s ELSE gen_random_uuid() END, n, %s + 1 - n, 0, 0
FROM generate_series(1, %s) AS n, unnest(ARRAY['all', 'day', 'week', 'month']) AS period
"""


@pytest.fixture
def crowd(db):
    """Ann is first by profit and last by volume of 30,000."""
    ann = make_user("ann")
    with connection.cursor() as cursor:
        cursor.execute(CROWD, [ann.pk, PEOPLE, PEOPLE])
        cursor.execute("ANALYZE ranks")
    return ann


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


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("after", [0, PEOPLE // 2, PEOPLE - 100])
def test_a_page_is_one_range_of_one_index_however_deep(crowd, order, after):
    (plan,) = plans(lambda: entries(order, Period.ALL, after=after, until=after + 100))
    assert f"ranks_by_{order}" in plan
    assert "Seq Scan on ranks" not in plan
    assert "Rows Removed" not in plan


@pytest.mark.parametrize("order", Order)
def test_ones_own_place_is_looked_up_and_those_around_are_one_range(crowd, order):
    own, around = plans(lambda: ranking(crowd.pk, order, Period.ALL))
    assert "ranks_pkey" in own
    assert f"ranks_by_{order}" in around
    assert "Seq Scan on ranks" not in own + around


@pytest.mark.parametrize("offset", [0, 25_000])
def test_a_page_takes_two_queries_however_deep(crowd, offset, now, django_assert_num_queries):
    Board.objects.create(period="all", first_day=now.date(), total=PEOPLE, updated_at=now)
    with django_assert_num_queries(2):
        assert see("volume", offset=offset)["total"] == PEOPLE
