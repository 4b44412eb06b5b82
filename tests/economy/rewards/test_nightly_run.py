"""The nightly task: who was active lately is rewarded, once, and whatever is wrong with one stops nobody else."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from accounts.models import User
from accounts.registration import user_registered, user_verified
from core.jobs.runs import last_run
from core.models import JobRun
from economy import rewards, rules
from economy.errors import UsersUnpaid
from economy.models import DailyReward
from economy.rewards import reward_active_users
from economy.tasks import reward_active_users as nightly
from tests.concurrently import in_thread, wait_until, waiting
from tests.economy.factories import execute
from tests.economy.rewards.factories import A_DAY, MORNING, arrive, assert_audit_passes
from thisthat.celery import AT_START, app

MIDNIGHT = datetime(2026, 3, 6, tzinfo=UTC)
YESTERDAY = MIDNIGHT - A_DAY
# The work has connections of its own, which see what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_who_was_active_since_the_start_of_yesterday_is_rewarded(ann):
    since = {"first": YESTERDAY, "last": MIDNIGHT - timedelta(seconds=1), "now": MIDNIGHT}
    active = [arrive(name, active=moment) for name, moment in since.items()]
    before = arrive("before", active=YESTERDAY - timedelta(microseconds=1))
    summary = reward_active_users(now=MIDNIGHT)
    assert (summary.users, summary.credits) == (3, 3000)
    assert [user.paid() for user in active] == [[1000]] * 3
    assert before.days() == ann.days() == []
    assert_audit_passes()


def test_signing_in_is_activity_too(db):
    bob = arrive("bob", last_login_at=YESTERDAY + timedelta(hours=1))
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert bob.paid() == [1000]


def test_the_nightly_job_does_not_reward_everybody_and_absence_breaks_a_streak(ann):
    ann.active(MORNING)
    streaks = []
    for day in range(1, 6):
        reward_active_users(now=MORNING.replace(hour=0, minute=0) + day * A_DAY)
        streaks.append(ann.streak)
    # Rewarded on the day after the visit, and never again; who comes back begins at one.
    assert streaks == [1, 1, 1, 1, 1]
    assert len(ann.days()) == 1
    assert ann.claim(MORNING + 6 * A_DAY).streak == 1


@pytest.mark.parametrize(("days", "rewarded"), [(0, {"never", "long_ago", "lately"}), (3, {"lately"}), (1, set())])
def test_how_many_days_count_as_lately_is_a_setting(db, monkeypatch, days, rewarded):
    monkeypatch.setattr(rules, "DAILY_CREDITS_ACTIVE_DAYS", days)
    for name, ago in (("never", None), ("long_ago", 400), ("lately", 3)):
        arrive(name, active=MIDNIGHT - ago * A_DAY if ago else None)
    reward_active_users(now=MIDNIGHT)
    assert set(DailyReward.objects.values_list("user__username", flat=True)) == rewarded


@pytest.mark.parametrize("days", [0, 1])
def test_suspended_users_are_never_rewarded(db, monkeypatch, days):
    monkeypatch.setattr(rules, "DAILY_CREDITS_ACTIVE_DAYS", days)
    eve = arrive("eve", active=MIDNIGHT, is_active=False)
    assert reward_active_users(now=MIDNIGHT).users == 0
    assert eve.paid() == []


def test_who_is_suspended_while_the_run_waits_for_their_row_is_not_rewarded(ann):
    ann.active(MIDNIGHT)
    summaries = []
    run = Thread(target=in_thread, args=(lambda: summaries.append(reward_active_users(now=MIDNIGHT)),))
    with transaction.atomic():
        User.objects.filter(pk=ann.id).update(is_active=False)
        run.start()
        wait_until(waiting)
    run.join(10)
    assert [summary.users for summary in summaries] == [0]
    assert ann.paid() == []


def test_again_the_same_day_rewards_nobody(ann):
    ann.active(MIDNIGHT)
    assert [reward_active_users(now=MIDNIGHT + timedelta(hours=hour)).users for hour in (0, 0, 23)] == [1, 0, 0]
    assert ann.paid() == [1000]


def test_who_claimed_already_is_left_out_and_the_rest_is_not(ann):
    bob = arrive("bob", active=MIDNIGHT)
    ann.active(MIDNIGHT)
    ann.claim(MIDNIGHT)
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert (ann.paid(), bob.paid()) == ([1000], [1000])


def test_a_task_missed_for_three_days_rewards_the_day_it_runs_and_no_other(ann):
    ann.active(YESTERDAY)
    reward_active_users(now=YESTERDAY)
    later = MIDNIGHT + 3 * A_DAY
    ann.active(later - timedelta(hours=1))
    assert reward_active_users(now=later).users == 1
    assert [(day.day, streak) for day, streak, _ in ann.days()] == [(5, 1), (9, 1)]
    assert_audit_passes()


def test_seventy_nine_users_are_not_left_unpaid_because_of_one(db):
    """Streak, reward and credits are one transaction: whom one of them fails has none, everybody else has all."""
    users = [arrive(f"user{i}", active=MIDNIGHT) for i in range(80)]
    broken = users[40]
    # Rewarded today, says one table; never, says the other: the constraint refuses.
    broken.claim(MIDNIGHT)
    execute("UPDATE users SET last_daily_reward_at = NULL, consecutive_days_online = 5 WHERE id = %s", broken.id)
    with pytest.raises(UsersUnpaid, match=f"^1 users couldn't be rewarded: {broken.id}$"):
        reward_active_users(now=MIDNIGHT)
    assert [user.paid() for user in users] == [[1000]] * 80
    assert {user.streak for user in users if user is not broken} == {1}
    assert (broken.streak, len(broken.days())) == (5, 1)


def test_twenty_eight_users_with_bonuses_of_other_kinds_that_day_are_paid(db):
    """A signup bonus, a referral bonus and a reward of yesterday are other events: no key is shared."""
    referrer = arrive("referrer", active=MIDNIGHT)
    referrer.claim(YESTERDAY)
    users = [referrer]
    for i in range(27):
        person = arrive(f"new{i}", active=MIDNIGHT, referred_by=referrer.user, created_at=MIDNIGHT)
        User.objects.filter(pk=referrer.user.pk).update(referral_count=F("referral_count") + 1)
        person.claim(YESTERDAY)
        with transaction.atomic():
            user_registered.send(sender=User, user=person.user, referrer=referrer.user, now=MIDNIGHT)
            user_verified.send(sender=User, user=person.user, referrer=referrer.user, now=MIDNIGHT)
        users.append(person)
    assert reward_active_users(now=MIDNIGHT).users == 28
    assert [person.paid() for person in users] == [[1000, 1500]] * 28
    assert_audit_passes()


def test_more_users_than_a_batch_are_all_rewarded(db):
    count = rewards.BATCH + 7
    execute(
        "INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active,"
        " is_staff, referral_code, last_active_at) SELECT new_id(), n || '@example.com', 'user' || n, '', '', false,"
        " '', '', '', true, false, lpad(n::text, 8, '0'), %s FROM generate_series(1, %s) AS n",
        MIDNIGHT,
        count,
    )
    assert reward_active_users(now=MIDNIGHT).users == count
    assert DailyReward.objects.values("user").distinct().count() == count
    assert_audit_passes()


def test_it_leaves_no_connection_behind(ann):
    def connected():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return cursor.fetchone()[0]

    before = connected()
    ann.active(MIDNIGHT)
    reward_active_users(now=MIDNIGHT)
    # A server's process ends a moment after its client has gone.
    deadline = time.monotonic() + 10
    while connected() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert connected() <= before


class TestTheTask:
    def test_it_runs_at_midnight_utc_and_when_the_scheduler_starts(self):
        (entry,) = [entry for entry in app.conf.beat_schedule.values() if entry["task"] == nightly.name]
        assert (entry["schedule"].hour, 0 in entry["schedule"].minute) == ({0}, True)
        assert nightly.name in AT_START

    def test_it_rewards_and_records_how_many(self, ann):
        ann.active(datetime.now(UTC))
        nightly()
        assert last_run("economy.reward_active_users").result == {"users": 1, "credits": "1000.00"}
        assert ann.paid() == [1000]

    def test_it_fails_for_staff_to_see_when_somebody_is_unpaid(self, ann):
        ann.claim(datetime.now(UTC))
        execute("UPDATE users SET last_daily_reward_at = NULL, last_active_at = now()")
        with pytest.raises(UsersUnpaid):
            nightly()
        run = last_run("economy.reward_active_users")
        assert (run.status, str(ann.id) in run.error) == (JobRun.Status.FAILED, True)


def test_a_row_that_somebody_holds_keeps_nobody_else_waiting():
    held, *others = [arrive(f"user{i}", active=MIDNIGHT) for i in range(5)]
    locked, release = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=held.id)
            locked.set()
            release.wait(30)
        connections.close_all()

    holder = Thread(target=hold)
    holder.start()
    locked.wait(10)
    with transaction.atomic():
        given = rewards.reward_users([held.id, *[user.id for user in others]], now=MIDNIGHT, waiting=rewards.DONT_WAIT)
    assert given.users == 4
    release.set()
    holder.join()
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert held.paid() == [1000]
