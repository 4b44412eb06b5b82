"""Counting: only what changed is written, never twice at once, and nobody who bets waits."""

import json
from datetime import date, timedelta
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts.models import User
from accounts.services import ranks_of
from core.db.transactions import try_lock
from core.jobs.runs import last_run
from leaderboard.models import (
    EVER,
    Board,
    CategoryBoard,
    CategoryMilestone,
    CategoryStanding,
    MarketCategory,
    Milestone,
    StaleStanding,
    Standing,
    UserDay,
)
from leaderboard.rules import Period
from leaderboard.services import rebuild_leaderboard, update_leaderboard
from leaderboard.tasks import JOB, update
from tests.betting.factories import assert_audit_passes, order, sign_up
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.leaderboard.factories import A_WEDNESDAY, bet_at, kept, naive, names, ranks
from thisthat.celery import AT_START, app

TABLES = {
    "users": "id",
    "standings": "(period, user_id)",
    "user_days": "(day, user_id)",
    "category_standings": "(category, user_id)",
}


DERIVED = (Standing, Milestone, UserDay, Board, CategoryStanding, CategoryMilestone, CategoryBoard, MarketCategory)


class Died(Exception):
    pass


def versions() -> dict[str, dict[str, str]]:
    """Each row's place in its table: another one once the row is written."""
    found = {}
    with connection.cursor() as cursor:
        for table, key in TABLES.items():
            cursor.execute(f"SELECT {key}::text, tableoid::text || ctid::text FROM {table}")  # noqa: S608 - ours
            found[table] = dict(cursor.fetchall())
    return found


def rewritten(before: dict[str, dict[str, str]]) -> dict[str, int]:
    return {table: len(rows.items() - before[table].items()) for table, rows in versions().items()}


def test_a_count_without_news_writes_nothing(five, now):
    update_leaderboard(now=now)
    before = versions()
    done = update_leaderboard(now=now)
    assert (done.days, done.standings, done.categories) == (0, {"all": 0, "day": 0, "week": 0, "month": 0}, 0)
    assert rewritten(before) == {"users": 0, "standings": 0, "user_days": 0, "category_standings": 0}


def test_one_row_is_written_for_a_user_who_passes_others_and_none_for_those_who_are_passed(five, kettle, now):
    """Lesson 36: two updates a user in one burst, whether the ranks changed or not."""
    update_leaderboard(now=now)
    bet_at(five[0], kettle, 100, now)
    before = versions()
    done = update_leaderboard(now=now)
    # ann, who was fourth, passes three by volume; by profit all stay.
    assert names("volume") == ["ann", "cem", "bob", "dee", "eva"]
    assert [ranks_of(player.id).by_volume for player in five] == [1, 3, 2, 4, 5]
    assert (done.standings["all"], done.days) == (1, 1)
    assert rewritten(before) == {"users": 0, "standings": 4, "user_days": 1, "category_standings": 1}


def test_dropped_it_is_the_same_again(five, now):
    update_leaderboard(now=now)
    counted = kept()
    for table in DERIVED:
        table.objects.all().delete()
    assert names("pnl") == []
    update_leaderboard(now=now)
    assert kept() == counted


def test_rebuilding_repairs_any_damage(five, now):
    update_leaderboard(now=now)
    counted = kept()
    Standing.objects.update(minus_volume=-77)
    Milestone.objects.update(passed=3)
    CategoryStanding.objects.update(minus_pnl=-77)
    CategoryMilestone.objects.update(passed=3)
    UserDay.objects.update(volume=77)
    rebuild_leaderboard(now=now)
    assert kept() == counted


def test_figures_that_were_set_by_hand_are_noticed_by_the_first_count_of_a_day(five):
    User.objects.update(created_at=A_WEDNESDAY - timedelta(days=1))
    update_leaderboard(now=A_WEDNESDAY)
    counted = kept()["boards"]["all", "volume"]
    Standing.objects.filter(user_id=five[0].id).update(minus_volume=-500)
    User.objects.filter(pk=five[1].id).update(overall_pnl=500)
    assert update_leaderboard(now=A_WEDNESDAY + timedelta(minutes=15)).standings["all"] == 0
    assert update_leaderboard(now=A_WEDNESDAY + timedelta(days=1)).standings["all"] == 2
    assert names("pnl")[0] == "bob"
    User.objects.filter(pk=five[1].id).update(overall_pnl=0)
    assert update_leaderboard(now=A_WEDNESDAY + timedelta(days=2)).standings["all"] == 1
    assert kept()["boards"]["all", "volume"] == counted


def test_a_count_that_died_between_periods_is_made_up_for_by_the_next(kettle):
    ann, bob = sign_up("ann"), sign_up("bob")
    bet_at(ann, kettle, 20, A_WEDNESDAY)
    update_leaderboard(now=A_WEDNESDAY)
    bet_at(bob, kettle, 30, A_WEDNESDAY)

    def die(counted: str, rows: int) -> None:
        if counted == "all":
            raise Died

    with pytest.raises(Died):
        update_leaderboard(now=A_WEDNESDAY + timedelta(minutes=15), progress=die)
    assert names("volume") == ["bob", "ann"]
    assert names("volume", period="day") == ["ann"]
    update_leaderboard(now=A_WEDNESDAY + timedelta(minutes=30))
    assert names("volume", period="day") == names("volume", period="month") == ["bob", "ann"]
    assert not StaleStanding.objects.exists()


def test_it_is_counted_every_quarter_of_an_hour_and_once_at_the_start():
    entry = app.conf.beat_schedule["update-leaderboard"]
    assert entry["task"] == JOB
    assert sorted(entry["schedule"].minute) == [0, 15, 30, 45]
    assert len(entry["schedule"].hour) == 24
    assert JOB in AT_START


class TestCommand:
    def call(self, *options: str) -> tuple[str, str]:
        out, err = StringIO(), StringIO()
        call_command("update_leaderboard", *options, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    def test_it_counts_and_prints_what_it_wrote_as_json(self, five):
        out, err = self.call("--json")
        assert json.loads(out)["data"] == {
            "days": 4, "standings": {"all": 5, "day": 4, "week": 4, "month": 4}, "categories": 4,
        }  # fmt: skip
        assert err == ""
        assert last_run(JOB).status == "succeeded"

    def test_it_says_how_far_it_is(self, five):
        self.call()
        sign_up("flo")
        out, err = self.call()
        assert out == "Rows written: 0 days; standings: 1 all, 0 day, 0 week, 0 month, 0 of categories.\n"
        assert [line.split(":")[0] for line in err.splitlines()][1:] == ["all", "day", "week", "month", "categories"]

    def test_it_rebuilds_what_was_dropped_and_it_is_what_a_naive_count_in_python_finds(self, five):
        self.call()
        counted = kept()
        for table in DERIVED:
            table.objects.all().delete()
        self.call("--rebuild", "--json")
        assert kept() == counted
        assert ranks(EVER) == naive(Period.ALL, date.min, date.max)

    def test_it_rebuilds_what_was_made_wrong(self, five):
        self.call()
        counted = kept()
        UserDay.objects.update(volume=77)
        Standing.objects.update(minus_volume=-77)
        out, _ = self.call("--rebuild", "--json")
        assert json.loads(out)["data"]["standings"]["all"] == 5
        assert kept() == counted

    def test_its_help_says_how_it_ends(self, capsys):
        with pytest.raises(SystemExit) as ended:
            call_command("update_leaderboard", "--help")
        assert ended.value.code == 0
        assert "Exit status" in capsys.readouterr().out


WAITING = """
SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'standings'::regclass AND mode = 'AccessExclusiveLock'
"""
HELD = f"""
SELECT relation::regclass::text, mode FROM pg_locks
WHERE pid IN ({WAITING}) AND relation IN ('users'::regclass, 'bets'::regclass, 'credit_transactions'::regclass)
"""  # noqa: S608 - ours


def asked(statement: str) -> set[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return set(cursor.fetchall())


def waits_for_standings() -> bool:
    return bool(asked(WAITING))


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
        with pytest.raises(SystemExit) as ended:
            call_command("update_leaderboard", "--json", stdout=out)
        stop.set()
        holder.join(10)
        assert ended.value.code == 1
        assert json.loads(out.getvalue())["code"] == "busy"
        assert last_run(JOB) is None

    def test_counts_at_once_leave_one_right_result(self, five, now):
        all_at_once(update, 4)
        recounted = kept()
        rebuild_leaderboard(now=now + timedelta(seconds=1))
        assert kept() == recounted

    def test_a_user_who_bets_at_that_moment_is_not_waited_for(self, five, now):
        with transaction.atomic():
            User.objects.select_for_update().get(username="ann")
            done: list[Any] = []
            count = Thread(target=in_thread, args=(lambda: done.append(update_leaderboard(now=now)),))
            count.start()
            count.join(10)
            assert done, "the count waits for the bet"
        assert names("volume")[3] == "ann"

    def test_bets_are_taken_while_a_count_has_written_everything_and_is_held_up(self, five, kettle, now):
        """Somebody reads: the new table can't take the old one's place, and the count waits with all locks it has."""
        with transaction.atomic():
            list(Standing.objects.all())
            counting = Thread(target=in_thread, args=(lambda: update_leaderboard(now=now),))
            counting.start()
            wait_until(waits_for_standings)
            assert asked(HELD) == {("users", "AccessShareLock")}
            responses = all_at_once(lambda: [player.post("", order(kettle, 10)).status_code for player in five], 1)[0]
            assert waits_for_standings()
        counting.join(10)
        assert responses == [201] * 5
        assert names("volume")[0] == "cem"

    def test_bets_and_counts_at_once_all_succeed_and_the_audit_passes(self, kettle, now):
        players = [sign_up(f"user_{number}") for number in range(6)]
        finished = Event()
        counts: list[Any] = []

        def count() -> None:
            while not finished.is_set():
                counts.append(update_leaderboard(now=now))

        counting = Thread(target=in_thread, args=(count,))
        counting.start()
        wait_until(lambda: counts)
        try:
            responses = [player.post("", order(kettle, 10)).status_code for _ in range(5) for player in players]
        finally:
            finished.set()
            counting.join(20)
        assert responses == [201] * 30
        assert len(counts) > 1
        assert_audit_passes()
