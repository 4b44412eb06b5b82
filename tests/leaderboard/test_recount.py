"""Counting: only what changed is written, never twice at once, and nobody who bets waits."""

import json
from datetime import timedelta
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts.models import User
from leaderboard.models import Rank, UserDay
from leaderboard.services import cache_ranks, rebuild, recount
from leaderboard.tasks import JOB, update
from tests.betting.worlds import books_balance, order, sign_up
from tests.leaderboard.worlds import bet_at, kept, names
from tests.markets.at_once import all_at_once, in_thread, wait_until
from thisthat.celery import AT_START, app
from thisthat.common.jobs import last_run
from thisthat.common.locks import try_lock

TABLES = {"users": "id", "ranks": "(period, user_id)", "user_days": "(day, user_id)"}


def versions() -> dict[str, dict[str, str]]:
    """Each row's place in its table: another one once the row is written."""
    found = {}
    with connection.cursor() as cursor:
        for table, key in TABLES.items():
            cursor.execute(f"SELECT {key}::text, ctid::text FROM {table}")  # noqa: S608 - ours
            found[table] = dict(cursor.fetchall())
    return found


def rewritten(before: dict[str, dict[str, str]]) -> dict[str, int]:
    return {table: len(rows.items() - before[table].items()) for table, rows in versions().items()}


def test_a_count_without_news_writes_nothing(five, now):
    recount(now=now)
    before = versions()
    done = recount(now=now)
    assert (done.days, done.ranks, done.cached) == (0, {"all": 0, "day": 0, "week": 0, "month": 0}, 0)
    assert rewritten(before) == {"users": 0, "ranks": 0, "user_days": 0}


def test_ranks_are_never_written_twice_a_user_nor_where_they_stay(five, kettle, now):
    """Lesson 36: two updates a user in one burst, whether the ranks changed or not."""
    recount(now=now)
    bet_at(five[3], kettle, 10, now)
    before = versions()
    done = recount(now=now)
    # dee passes bob by volume; by profit all stay.
    assert names("volume") == ["cem", "dee", "bob", "ann", "eva"]
    assert (done.cached, done.ranks["all"], done.days) == (2, 2, 1)
    assert rewritten(before) == {"users": 2, "ranks": 8, "user_days": 1}


def test_dropped_it_is_the_same_again(five, now):
    recount(now=now)
    counted = kept()
    Rank.objects.all().delete()
    UserDay.objects.all().delete()
    User.objects.update(rank_by_pnl=77, rank_by_volume=None)
    rebuild(now=now)
    assert kept() == counted


def test_a_rank_on_users_that_was_set_by_hand_is_set_right(five, now):
    recount(now=now)
    User.objects.filter(username="ann").update(rank_by_pnl=5)
    assert cache_ranks() == (1, 0)
    assert User.objects.get(username="ann").rank_by_pnl == 1


def test_it_is_counted_every_quarter_of_an_hour_and_once_at_the_start():
    entry = app.conf.beat_schedule["update-leaderboard"]
    assert entry["task"] == JOB
    assert sorted(entry["schedule"].minute) == [0, 15, 30, 45]
    assert len(entry["schedule"].hour) == 24
    assert JOB in AT_START


class TestCommand:
    def call(self, *options: str) -> str:
        out = StringIO()
        call_command("update_leaderboard", *options, stdout=out)
        return out.getvalue()

    def test_it_counts_and_says_what_it_wrote(self, five):
        assert json.loads(self.call("--json"))["data"] == {
            "days": 4, "ranks": {"all": 5, "day": 4, "week": 4, "month": 4}, "cached": 5, "passedOver": 0,
        }  # fmt: skip
        assert "on users: 0" in self.call()
        assert last_run(JOB).status == "succeeded"

    def test_it_rebuilds_from_nothing(self, five):
        self.call()
        UserDay.objects.update(volume=77)
        Rank.objects.update(overall_pnl=77)
        assert json.loads(self.call("--rebuild", "--json"))["data"]["ranks"]["all"] == 5
        assert not Rank.objects.filter(overall_pnl=77).exists()
        assert not UserDay.objects.filter(volume=77).exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_second_count_is_not_begun(self):
        stop, held = Event(), Event()

        def hold() -> None:
            with try_lock(f"job:{JOB}"):
                held.set()
                stop.wait(20)

        holder = Thread(target=in_thread, args=(hold,))
        holder.start()
        assert held.wait(10)
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("update_leaderboard", "--json", stdout=out)
        stop.set()
        holder.join(10)
        assert json.loads(out.getvalue())["code"] == "busy"
        assert last_run(JOB) is None

    def test_counts_at_once_leave_one_right_result(self, five, now):
        all_at_once(update, 4)
        recounted = kept()
        rebuild(now=now + timedelta(seconds=1))
        assert kept() == recounted

    def test_a_user_who_bets_is_passed_over_and_written_the_next_time(self, five, now):
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(username="ann")
            done: list[Any] = []
            count = Thread(target=in_thread, args=(lambda: done.append(recount(now=now)),))
            count.start()
            count.join(10)
            assert [(one.cached, one.passed_over) for one in done] == [(4, 1)], "the count waits for the bet"
        assert names("volume")[3] == "ann"
        assert recount(now=now).cached == 1
        assert User.objects.get(username="ann").rank_by_volume == 4

    def test_bets_are_taken_while_a_count_holds_its_tables(self, five, kettle, now):
        """The count's ranks are written and not committed, and stay so until the bets are through."""
        begun, stop = Event(), Event()

        def count_and_hold() -> None:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("LOCK TABLE ranks, user_days, boards IN SHARE ROW EXCLUSIVE MODE")
                begun.set()
                stop.wait(30)

        holder = Thread(target=in_thread, args=(count_and_hold,))
        holder.start()
        assert begun.wait(10)
        answers = [player.post("", order(kettle, 10)).status_code for player in five]
        stop.set()
        holder.join(10)
        assert answers == [201] * 5

    def test_bets_and_counts_at_once_all_succeed_and_the_books_balance(self, kettle, now):
        players = [sign_up(f"user_{number}") for number in range(6)]
        finished = Event()
        counts: list[Any] = []

        def count() -> None:
            while not finished.is_set():
                counts.append(recount(now=now))

        counting = Thread(target=in_thread, args=(count,))
        counting.start()
        wait_until(lambda: counts)
        try:
            answers = [player.post("", order(kettle, 10)).status_code for _ in range(5) for player in players]
        finally:
            finished.set()
            counting.join(20)
        assert answers == [201] * 30
        assert len(counts) > 1
        books_balance()
