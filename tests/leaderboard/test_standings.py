"""However figures move, places are those of a naive sort in Python: with more users than one milestone counts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from accounts.models import User
from leaderboard.models import EVER, Board, Milestone, Order
from leaderboard.rules import FARTHEST_APART, SPACING
from leaderboard.selectors import get_place, list_entries
from leaderboard.services import rebuild_leaderboard, update_leaderboard
from tests.leaderboard.bulk import add_users, move
from tests.leaderboard.factories import ranks, shown

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
CHOSEN = "UPDATE users SET {change} WHERE id = ANY(%s)"


@dataclass
class Population:
    """Many of them are equal: there are few different figures, few moments at which accounts were made."""

    random: Random
    now: datetime = NOW
    ids: list = field(default_factory=list)

    def act(self) -> None:
        self.random.choice([self.arrive, self.move, self.move, self.gather_at_one_place, self.suspend, self.promote])()

    def arrive(self) -> None:
        self.ids += add_users(self.random.choice([1, 100, 700]), at=self.now)

    def some(self) -> list:
        first = self.random.randrange(len(self.ids))
        return self.ids[first : first + self.random.choice([1, 20, 300])]

    def move(self) -> None:
        move([(user_id, place % 7 - 3, place % 11) for place, user_id in enumerate(self.some())])

    def gather_at_one_place(self) -> None:
        """Many come to one place: milestones there are too far apart, and elsewhere too close."""
        at = self.random.choice([-500, 0, 500])
        move([(user_id, at, abs(at)) for user_id in self.some() + self.some()])

    def suspend(self) -> None:
        self.change("is_active = NOT is_active")

    def promote(self) -> None:
        self.change("is_staff = NOT is_staff")

    def change(self, change: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(CHOSEN.format(change=change), [self.some()])


def check() -> None:
    users = [user for user in User.objects.all() if user.is_active and not user.is_staff]
    by_pnl = sorted(users, key=lambda user: (-user.overall_pnl, user.created_at, user.pk))
    by_volume = sorted(users, key=lambda user: (-user.total_volume, user.created_at, user.pk))
    assert [user_id for _, user_id, _, _ in shown(Order.PNL, EVER)] == [user.pk for user in by_pnl]
    assert [user_id for _, user_id, _, _ in shown(Order.VOLUME, EVER)] == [user.pk for user in by_volume]
    assert Board.objects.get(period="all").total == len(users)
    for user_id, row in list(ranks(EVER).items())[::29]:
        assert get_place(user_id=user_id, scope=EVER)[1:] == row
    for after in range(0, len(users) + SPACING, 97):
        places = [entry["rank"] for entry in list_entries(order=Order.VOLUME, scope=EVER, after=after, limit=5)]
        assert places == [place for place in range(after + 1, after + 6) if place <= len(users)]
    check_milestones(len(users))


def check_milestones(users: int) -> None:
    for order in Order:
        laid = Milestone.objects.filter(period="all", order=order).order_by("figure", "created_at", "user_id")
        passed = [*laid.values_list("passed", flat=True), users]
        assert passed == sorted(passed)
        assert passed[0] == 0
        assert max(later - before for before, later in pairwise(passed)) <= FARTHEST_APART


class TestStandings(TestCase):
    @settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(random=some.randoms(use_true_random=False))
    def test_places_are_those_of_a_naive_sort_whoever_moved(self, random):
        population = Population(random, ids=add_users(900, at=NOW))
        update_leaderboard(now=NOW)
        for _ in range(6):
            population.act()
            # Another day's first count looks at everybody, others at those whom something happened to.
            population.now += random.choice([AN_HOUR, AN_HOUR, A_DAY])
            update_leaderboard(now=population.now)
            check()
        rebuild_leaderboard(now=population.now)
        check()

    def test_milestones_are_not_left_where_nobody_is_any_more(self):
        ids = add_users(3 * FARTHEST_APART, at=NOW)
        update_leaderboard(now=NOW)
        for figure in range(1, 7):
            move([(user_id, figure * 1000 + place, 0) for place, user_id in enumerate(ids)])
            update_leaderboard(now=NOW)
        check()
        assert Milestone.objects.filter(period="all").count() <= 2 * 3 * FARTHEST_APART / SPACING * 3
