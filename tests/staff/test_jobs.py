"""The jobs in the admin: what is seen of them, and who may switch them and have them run."""

import re
from functools import partial

import pytest
from celery import current_app
from django.contrib import admin
from django.contrib.auth import models as auth
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from accounts.errors import NotAllowed
from accounts.models import Permission
from accounts.staff import StaffMember
from staff.errors import AlreadySwitched, NoSuchJob
from staff.services import send_job, switch_job
from tests.economy.factories import staff_actions
from tests.staff.factories import add_daily, add_job, add_run

JOBS = "/admin/staff/job/"
RUNS = "/admin/common/jobrun/"
WHY = {"reason": "Polymarket is being repaired."}

pytestmark = pytest.mark.django_db


def words(response, status=200):
    assert response.status_code == status, response.content
    body = re.sub(r"(?s)<(script|style).*?</\1>", " ", response.content.decode())
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def address(job, action=""):
    return f"{JOBS}{job.pk}/{action or 'change'}/"


def is_on(job):
    return PeriodicTask.objects.get(pk=job.pk).enabled


@pytest.fixture
def keeper(member):
    """Staff who see the system, and may do nothing to it."""
    user = member("kim")
    user.user_permissions.add(auth.Permission.objects.get(codename=Permission.VIEW_SYSTEM.value))
    return user


def test_each_job_says_its_schedule_in_words_and_how_it_went(desk):
    add_job()
    add_job("watch-open-bets", "betting.watch_open_bets", seconds=300)
    add_job("refresh-odds", "markets.refresh_odds", seconds=30)
    add_daily("audit-ledger", "economy.audit_ledger")
    add_daily("reward-active-users", "economy.reward_active_users", "0,5", "0")
    add_daily("update-leaderboard", "leaderboard.update", "*/15", "*")
    add_run("betting.settle_markets", ago=3_700)
    add_run("betting.settle_markets", "failed", ago=130, took=2.5, error="DatabaseError: the server closed")
    page = words(desk.get(JOBS))
    assert "Settle markets every minute" in page
    assert "Watch open bets every 5 minutes" in page
    assert "Refresh odds every 30 seconds" in page
    assert "Audit ledger daily at 04:07 UTC" in page
    assert "Reward active users daily at 00:00 and 00:05 UTC" in page
    assert "Update leaderboard every 15 minutes" in page
    assert "2 min ago failed 2.5 s 1 h ago DatabaseError: the server closed" in page


def test_the_list_costs_the_same_however_many_jobs_and_runs(desk, django_assert_num_queries):
    for number in range(9):
        add_job(f"job-{number}", f"tests.job_{number}")
        add_run(f"tests.job_{number}")
    # Session, user, count and rows.
    with django_assert_num_queries(4):
        desk.get(JOBS)


def test_a_job_has_a_page_with_its_last_runs(desk):
    job = add_job()
    add_run(job.task, ago=125)
    page = words(desk.get(address(job)))
    assert "Settle markets" in page
    assert "Schedule every minute" in page
    assert "Last success 2 min ago" in page
    assert "succeeded 250 ms" in page
    assert "Switch off" in page
    assert "Run now" in page


def test_switching_off_asks_for_a_reason_and_is_on_record(desk, boss):
    job = add_job()
    assert "Nobody does its work until it is switched on again." in words(desk.get(address(job, "switch")))
    assert "required" in words(desk.post(address(job, "switch"), {"reason": " "}), 400)
    assert is_on(job)

    response = desk.post(address(job, "switch"), WHY, follow=True, REMOTE_ADDR="203.0.113.9")
    assert "Settle markets: switched off." in words(response)
    assert not is_on(job)
    record = staff_actions().get()
    assert (record.staff, record.ip, record.action) == (boss, "203.0.113.9", "switch_off_job")
    assert (record.target_type, record.target_id) == ("django_celery_beat.periodictask", str(job.pk))
    assert record.reason == WHY["reason"]
    assert record.before == {"job": "settle-markets", "on": True}
    assert record.after == {"job": "settle-markets", "on": False}

    assert "Settle markets: switched on." in words(desk.post(address(job, "switch"), WHY, follow=True))
    assert is_on(job)
    assert list(staff_actions().order_by("id").values_list("action", flat=True))[1:] == ["switch_on_job"]


@pytest.mark.django_db(transaction=True)
def test_beat_sends_no_more_what_was_switched_off(desk):
    job = add_job()
    beat = DatabaseScheduler(current_app, lazy=True)
    assert job.name in beat.schedule
    assert not beat.schedule_changed()
    desk.post(address(job, "switch"), WHY)
    assert PeriodicTasks.last_change()
    assert beat.schedule_changed()
    assert job.name not in beat.all_as_schedule()


@pytest.mark.django_db(transaction=True)
def test_two_who_switch_the_same_do_it_once(boss):
    job = add_job()
    act = {"by": StaffMember(boss), "reason": "Why.", "now": timezone.now()}
    switch_job(job_id=job.pk, on=False, **act)
    with pytest.raises(AlreadySwitched):
        switch_job(job_id=job.pk, on=False, **act)
    with pytest.raises(NoSuchJob):
        switch_job(job_id=job.pk + 1, on=False, **act)
    assert staff_actions().count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [partial(switch_job, on=False), send_job])
def test_the_services_themselves_ask_who_may(keeper, act):
    job = add_job()
    with pytest.raises(NotAllowed):
        act(job_id=job.pk, by=StaffMember(keeper), reason="Why.", now=timezone.now())
    assert is_on(job)
    assert not staff_actions().exists()


@pytest.mark.parametrize("action", ["switch", "run"])
def test_who_may_only_look_may_not_switch_nor_run(keeper, browser, action):
    job, client = add_job(), browser(keeper)
    page = words(client.get(address(job)))
    assert "Switch off" not in page
    assert "Run now" not in page
    assert client.get(address(job, action)).status_code == 403
    assert client.post(address(job, action), WHY).status_code == 403
    assert is_on(job)
    assert not staff_actions().exists()


@pytest.mark.parametrize("role", ["support", "market managers", ""])
def test_who_may_not_see_the_system_sees_no_jobs(member, browser, role):
    job, run = add_job(), add_run("betting.settle_markets")
    client = browser(member("sue", role=role))
    for page in (JOBS, RUNS, address(job), f"{RUNS}{run.pk}/change/", address(job, "switch")):
        assert client.get(page).status_code == 403, page


def test_nothing_else_of_a_job_is_changed(desk):
    job = add_job()
    assert desk.post(address(job), {"name": "x", "task": "y", "enabled": ""}).status_code == 403
    assert desk.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.get(f"{JOBS}add/").status_code == 403
    job.refresh_from_db()
    assert (job.name, job.task, job.enabled) == ("settle-markets", "betting.settle_markets", True)


def test_beats_raw_tables_have_no_pages():
    shown = {model._meta.model_name for model in admin.site._registry}
    assert "job" in shown
    assert not shown & {"periodictask", "clockedschedule", "crontabschedule", "intervalschedule", "solarschedule"}


@pytest.mark.django_db(transaction=True)
def test_a_job_runs_at_once_and_that_is_on_record(desk):
    job = add_job("purge-job-runs", "common.purge_job_runs")
    # Makes the queue's folder where there is none.
    desk.get("/ready")
    response = desk.post(address(job, "run"), WHY, follow=True)
    assert "Purge job runs: sent to the workers." in words(response)
    assert staff_actions().get().action == "run_job"
    assert is_sent(job.task)


def is_sent(task):
    """Takes from the task's queue what is there, until it is found."""
    name = current_app.amqp.router.route({}, task)["queue"].name
    with current_app.connection_for_read() as connection, connection.SimpleQueue(name) as queue:
        while True:
            message = queue.get(timeout=5)
            message.ack()
            if message.headers["task"] == task:
                return True


def test_runs_are_listed_newest_first_and_by_job(desk):
    add_job()
    for ago, job in ((300, "markets.ingest"), (200, "betting.settle_markets"), (100, "markets.ingest")):
        add_run(job, ago=ago)
    add_run("betting.settle_markets", "failed", ago=50, error="OperationalError: away")
    rows = re.findall(r"\d\d:\d\d:\d\d ([\w.]+) (\w+) 250 ms", words(desk.get(RUNS)))
    assert rows == [
        ("betting.settle_markets", "failed"),
        ("markets.ingest", "succeeded"),
        ("betting.settle_markets", "succeeded"),
        ("markets.ingest", "succeeded"),
    ]
    of_one = re.findall(r"\d\d:\d\d:\d\d ([\w.]+) (\w+) 250 ms", words(desk.get(f"{RUNS}?job=betting.settle_markets")))
    assert of_one == [("betting.settle_markets", "failed"), ("betting.settle_markets", "succeeded")]
    assert "OperationalError: away" in words(desk.get(f"{RUNS}?status=failed"))


def test_the_list_of_runs_costs_the_same_however_many(desk, django_assert_num_queries):
    for ago in range(60):
        add_run("markets.ingest", ago=ago)
    # Session, user, the filter's jobs, count and rows.
    with django_assert_num_queries(5):
        desk.get(RUNS)


def test_a_run_says_what_it_did_in_words(desk):
    result = {
        "passed": True,
        "seconds": 1.5,
        "checks": {"chains": {"examined": 12_345, "examples": []}},
        "repaired": None,
    }
    run = add_run("economy.audit_ledger", result=result)
    page = words(desk.get(f"{RUNS}{run.pk}/change/"))
    assert "What it did Passed yes Seconds 1.5 Repaired none" in page
    assert "Checks Of Examined Examples Chains 12,345 none" in page
    assert desk.get(f"{RUNS}{run.pk + 1}/change/").status_code == 404


def test_a_run_names_the_broken_objects_that_it_had_to_skip(desk):
    skipped = [{"id": "0xabc", "reason": "bad_outcomes: 1 usable of 2"}, {"id": "0xdef", "reason": "<b>odd</b>"}]
    run = add_run("markets.ingest", result={"created": 5, "errors": 2, "skippedObjects": skipped})
    response = desk.get(f"{RUNS}{run.pk}/change/")
    page = words(response)
    assert "What it did Errors 2 Created 5" in page
    assert "Skipped objects Id Reason 0xabc bad_outcomes: 1 usable of 2 0xdef" in page
    assert "&lt;b&gt;odd&lt;/b&gt;" in response.content.decode()
