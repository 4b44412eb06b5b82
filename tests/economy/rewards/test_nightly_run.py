"""The nightly task: who was active lately is rewarded, once, and whatever is wrong with one stops nobody else."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from accounts import tokens
from accounts.models import User
from accounts.registration import user_registered, user_verified
from accounts.tokens import Client
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
A_MOMENT = timedelta(microseconds=1)
# The work has connections of its own, which see what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_who_was_active_on_the_day_that_ended_is_rewarded_for_that_day(ann):
    moments = {"first": YESTERDAY, "last": MIDNIGHT - A_MOMENT}
    active = [arrive(name, active=moment) for name, moment in moments.items()]
    today = arrive("today", active=MIDNIGHT)
    summary = reward_active_users(now=MIDNIGHT)
    assert (summary.users, summary.credits) == (2, 2000)
    assert [user.days() for user in active] == [[(YESTERDAY.date(), 1, 1000)]] * 2
    assert today.days() == ann.days() == []
    assert_audit_passes()


def test_signing_in_is_activity_too(ann):
    with transaction.atomic():
        tokens.issue_token_pair(user=ann.user, client=Client("", None), now=YESTERDAY)
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert ann.paid() == [1000]


def test_a_reward_for_a_day_that_ended_is_told_as_of_that_day(ann):
    """So that a client which compares days sees that today can still be claimed."""
    ann.active(YESTERDAY)
    reward_active_users(now=MIDNIGHT)
    assert ann.user.last_daily_reward_at == MIDNIGHT - A_MOMENT
    assert ann.claim(MORNING + A_DAY).streak == 2
    assert ann.user.last_daily_reward_at == MORNING + A_DAY


def test_who_visits_every_second_day_begins_again_at_one_each_time(ann):
    for day in range(0, 8, 2):
        ann.active(MORNING + day * A_DAY)
        for run in (1, 2):
            reward_active_users(now=YESTERDAY + (day + run) * A_DAY)
    assert [(day.day, streak) for day, streak, _ in ann.days()] == [(5, 1), (7, 1), (9, 1), (11, 1)]
    assert_audit_passes()


def test_who_visits_every_day_and_never_claims_keeps_the_streak(ann):
    for day in range(3):
        ann.active(MORNING + day * A_DAY)
        reward_active_users(now=MIDNIGHT + day * A_DAY)
    assert [(day.day, streak) for day, streak, _ in ann.days()] == [(5, 1), (6, 2), (7, 3)]


def test_the_nightly_job_does_not_reward_everybody_and_absence_breaks_a_streak(ann):
    ann.active(MORNING)
    streaks = []
    for day in range(1, 6):
        reward_active_users(now=MORNING.replace(hour=0, minute=0) + day * A_DAY)
        streaks.append(ann.streak)
    # Rewarded for the day of the visit, and never again; who comes back begins at one.
    assert streaks == [1, 1, 1, 1, 1]
    assert [day.day for day, _, _ in ann.days()] == [5]
    assert ann.claim(MORNING + 6 * A_DAY).streak == 1


class TestLate:
    """A day that ended is rewarded though the run comes late, or the user came back before it."""

    def test_who_came_back_before_the_run_is_rewarded_for_yesterday(self, ann):
        ann.active(MORNING, MIDNIGHT + timedelta(minutes=1))
        assert reward_active_users(now=MIDNIGHT + timedelta(minutes=5)).users == 1
        assert [day.day for day, _, _ in ann.days()] == [5]

    def test_a_claim_before_the_run_rewards_yesterday_too_and_the_run_nothing(self, ann):
        ann.active(MORNING)
        claim = ann.claim(MIDNIGHT)
        assert (claim.credits, claim.streak, claim.balance) == (1500, 2, 2500)
        assert reward_active_users(now=MIDNIGHT).users == 0
        assert [(day.day, streak) for day, streak, _ in ann.days()] == [(5, 1), (6, 2)]
        assert_audit_passes()

    def test_activity_that_was_recorded_after_the_first_run_is_found_by_the_second(self, ann):
        assert reward_active_users(now=MIDNIGHT).users == 0
        ann.active(MIDNIGHT - A_MOMENT)
        assert reward_active_users(now=MIDNIGHT + timedelta(minutes=5)).users == 1
        assert [day.day for day, _, _ in ann.days()] == [5]

    def test_runs_missed_for_days_are_made_good_for_the_days_visited_and_no_others(self, ann):
        visits = (0, 1, 3)
        ann.active(*(MORNING + day * A_DAY for day in visits))
        assert reward_active_users(now=MIDNIGHT + 5 * A_DAY).credits == 1000 + 1500 + 1000
        assert [(day.day, streak) for day, streak, _ in ann.days()] == [(5, 1), (6, 2), (8, 1)]
        assert ann.claim(MIDNIGHT + 5 * A_DAY).streak == 1
        assert_audit_passes()

    def test_a_streak_goes_on_over_a_day_without_a_run(self, ann):
        ann.claim(MORNING - A_DAY)
        ann.active(MORNING, MORNING + A_DAY)
        reward_active_users(now=MIDNIGHT + A_DAY)
        assert [streak for _, streak, _ in ann.days()] == [1, 2, 3]

    def test_a_day_too_long_ago_is_not_made_good(self, ann):
        ann.active(MORNING)
        assert reward_active_users(now=MIDNIGHT + rules.DAYS_REWARDED_LATE * A_DAY).users == 0
        assert reward_active_users(now=MIDNIGHT + (rules.DAYS_REWARDED_LATE - 1) * A_DAY).users == 1


def test_suspended_users_are_never_rewarded(db):
    eve = arrive("eve", active=YESTERDAY, is_active=False)
    assert reward_active_users(now=MIDNIGHT).users == 0
    assert eve.paid() == []


def test_who_is_suspended_while_the_run_waits_for_their_row_is_not_rewarded(ann):
    ann.active(YESTERDAY)
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
    ann.active(YESTERDAY)
    assert [reward_active_users(now=MIDNIGHT + timedelta(hours=hour)).users for hour in (0, 0, 23)] == [1, 0, 0]
    assert ann.paid() == [1000]


def test_who_claimed_already_is_left_out_and_the_rest_is_not(ann):
    bob = arrive("bob", active=YESTERDAY)
    ann.active(YESTERDAY)
    ann.claim(YESTERDAY)
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert (ann.paid(), bob.paid()) == ([1000], [1000])


def test_seventy_nine_users_are_not_left_unpaid_because_of_one(db):
    """Streak, reward and credits are one transaction: whom one of them fails has none, everybody else has all."""
    users = [arrive(f"user{i}", active=YESTERDAY) for i in range(80)]
    broken = users[40]
    # Rewarded for the day, says one table; never, says the other: the constraint refuses.
    broken.claim(YESTERDAY)
    execute("UPDATE users SET last_daily_reward_at = NULL, consecutive_days_online = 5 WHERE id = %s", broken.id)
    with pytest.raises(UsersUnpaid, match=f"^1 users couldn't be rewarded: {broken.id}$"):
        reward_active_users(now=MIDNIGHT)
    assert [user.paid() for user in users] == [[1000]] * 80
    assert {user.streak for user in users if user is not broken} == {1}
    assert (broken.streak, len(broken.days())) == (5, 1)


def test_twenty_eight_users_with_bonuses_of_other_kinds_that_day_are_paid(db):
    """A signup bonus, a referral bonus and a reward of yesterday are other events: no key is shared."""
    referrer = arrive("referrer", active=YESTERDAY)
    referrer.claim(YESTERDAY - A_DAY)
    users = [referrer]
    for i in range(27):
        person = arrive(f"new{i}", active=YESTERDAY, referred_by=referrer.user, created_at=MIDNIGHT)
        User.objects.filter(pk=referrer.user.pk).update(referral_count=F("referral_count") + 1)
        person.claim(YESTERDAY - A_DAY)
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
        YESTERDAY,
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
    ann.active(YESTERDAY)
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
        ann.active(datetime.now(UTC) - A_DAY)
        nightly()
        assert last_run("economy.reward_active_users").result == {"users": 1, "credits": "1000.00"}
        assert ann.paid() == [1000]

    def test_it_fails_for_staff_to_see_when_somebody_is_unpaid(self, ann):
        yesterday = datetime.now(UTC) - A_DAY
        ann.active(yesterday)
        ann.claim(yesterday)
        execute("UPDATE users SET last_daily_reward_at = NULL")
        with pytest.raises(UsersUnpaid):
            nightly()
        run = last_run("economy.reward_active_users")
        assert (run.status, str(ann.id) in run.error) == (JobRun.Status.FAILED, True)


def test_a_row_that_somebody_holds_keeps_nobody_else_waiting():
    held, *others = [arrive(f"user{i}", active=YESTERDAY) for i in range(5)]
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
        everybody = [held.id, *[user.id for user in others]]
        days = rewards.days_ended(MIDNIGHT)
        given = rewards.reward_users(everybody, days=days, now=MIDNIGHT, waiting=rewards.DONT_WAIT)
    assert given.users == 4
    release.set()
    holder.join()
    assert reward_active_users(now=MIDNIGHT).users == 1
    assert held.paid() == [1000]
