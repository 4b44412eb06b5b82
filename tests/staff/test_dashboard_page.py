"""The first page of the admin: what it says to whom, and what it costs."""

import re

import pytest
from celery.schedules import crontab
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from economy.tasks import audit_ledger
from staff.services import refresh_dashboard_counts
from staff.tasks import count_days
from tests.betting.factories import sign_up
from tests.markets.factories import add_market
from tests.roles import as_owner
from tests.staff.factories import add_daily, add_job, add_run
from thisthat.celery import app

pytestmark = pytest.mark.django_db
# Session and user; the six of the metrics; the last ingestion and audit; the schedule and its runs; what waits.
QUERIES = 2 + 7 + 2 + 2 + 7
OF_FIGURES = 6


def page_of(desk):
    response = desk.get("/admin/")
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode().split('class="board"')[1]).split())


def queries(desk):
    with CaptureQueriesContext(connection) as captured:
        page_of(desk)
    return [query["sql"] for query in captured.captured_queries]


def test_an_empty_installation_has_a_page(desk):
    page = page_of(desk)
    assert "In circulation 0 credits" in page
    assert "Markets read never" in page
    assert "Audit never run" in page
    assert "None yet: the scheduler copies its schedule here when it starts." in page
    assert "None " not in page.replace("None yet", "")


def test_numbers_carry_their_units(desk):
    ann, market = sign_up("ann"), add_market()
    ann.bet(market, 600, "that")
    sign_up("bob")
    refresh_dashboard_counts(now=timezone.now())
    page = page_of(desk)
    assert re.search(r"In circulation 1,400 credits counted \d+ s ago", page)
    assert "Stake 600 credits in 1 open bet" in page
    assert "Owed at worst 1,500 credits" in page
    assert "Active today 1 user 2 joined today" in page


def test_the_jobs_last_runs_are_shown(desk):
    add_job()
    off = add_job("resolve-markets", "markets.resolve")
    off.enabled = False
    off.save()
    add_run("betting.settle_markets", "failed", ago=125, error="DatabaseError: gone away")
    add_run("betting.settle_markets", ago=65)
    response = desk.get("/admin/").content.decode()
    assert '<i class="failed" title="failed 2 min ago, took 250 ms: DatabaseError: gone away"></i>' in response
    assert '<i class="succeeded" title="succeeded 1 min ago, took 250 ms"></i>' in response
    page = page_of(desk)
    assert "Settle markets 1 min ago" in page
    assert "Resolve markets switched off" in page


@pytest.mark.django_db(transaction=True)
def test_the_last_audit_is_told(desk):
    sign_up("ann")
    audit_ledger()
    assert re.search(r"Audit passed \d+ checks, \d+ s ago", page_of(desk))


def test_a_failed_audit_is_marked(desk):
    add_run("economy.audit_ledger", ago=7_000)
    add_run("economy.audit_ledger", "failed", ago=3_600, took=4, error="Broken invariants: {'chains': ['x']}")
    add_run("economy.audit_ledger", "running", ago=5)
    assert "Audit failed 59 min ago" in page_of(desk)
    assert re.search(r'board-tile bad">\s*<dt>Audit</dt>', desk.get("/admin/").content.decode())


def test_late_ingestion_is_marked(desk):
    add_run("markets.ingest", ago=1_000)
    assert re.search(r'board-tile bad">\s*<dt>Markets read</dt>', desk.get("/admin/").content.decode())
    add_run("markets.ingest", ago=100)
    assert re.search(r'board-tile good">\s*<dt>Markets read</dt>', desk.get("/admin/").content.decode())


def test_what_is_late_follows_from_the_schedule(desk, monkeypatch):
    monkeypatch.setitem(app.conf.beat_schedule["ingest-markets"], "schedule", crontab(minute="0"))
    add_run("markets.ingest", ago=3_600)
    assert re.search(r'board-tile good">\s*<dt>Markets read</dt>', desk.get("/admin/").content.decode())


def test_staff_who_may_not_see_the_system_see_sums_and_no_jobs(member, browser):
    add_job()
    for role in ("support", "market managers", ""):
        page = page_of(browser(member(f"sue{len(role)}", role=role)))
        assert "In circulation" in page
        assert "Jobs and their last runs" not in page
        assert "Audit" not in page


def test_nobody_else_sees_it(browser, client):
    assert client.get("/admin/").status_code == 302
    assert browser(sign_up("ann").user).get("/admin/").status_code == 302


def fill(first, last):
    for place in range(first, last):
        market = add_market(slug=f"rain-{place}", title=f"Will it rain {place}?")
        sign_up(f"ann{place}").bet(market, 20)
        add_job(f"job-{place}", f"tests.job_{place}")
        add_run(f"tests.job_{place}")
    refresh_dashboard_counts(now=timezone.now())
    cache.clear()


def test_it_asks_the_same_few_queries_however_much_there_is(desk):
    fill(0, 1)
    assert len(queries(desk)) == QUERIES
    fill(1, 6)
    assert len(queries(desk)) == QUERIES


def test_the_metrics_are_remembered_for_a_minute(desk):
    fill(0, 1)
    assert len(queries(desk)) == QUERIES
    assert len(queries(desk)) == QUERIES - OF_FIGURES


def test_it_reads_no_table_that_grows_for_ever(desk):
    fill(0, 2)
    add_daily("audit-ledger", "economy.audit_ledger")
    read = {table for sql in queries(desk) for table in re.findall(r'(?:FROM|JOIN) "?(\w+)"?', sql)}
    assert {"ledger_days", "counted_days", "market_exposures", "markets", "job_runs"} <= read
    assert not read & {"credit_transactions", "bets", "bet_sales", "user_days", "daily_rewards"}


def test_runs_are_found_by_index(desk):
    """However many a job has: nothing is sorted, and no other runs are looked at."""
    for place in range(3):
        add_job(f"job-{place}", f"tests.job_{place}")
        for ago in range(40):
            add_run(f"tests.job_{place}", ago=ago)
    with connection.cursor() as cursor:
        with as_owner():
            cursor.execute("ANALYZE job_runs")
        # So few rows would fit into one page: the planner is to choose among ways that hold for millions.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        (statement,) = [sql for sql in queries(desk) if "named (job)" in sql]
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert re.search(r"using job_runs_job_started on job_runs \(actual rows=20(\.00)? loops=3\)", plan), plan


@pytest.mark.django_db(transaction=True)
def test_the_job_counts_and_says_so(desk):
    sign_up("ann").bet(add_market(), 100)
    count_days()
    add_job("count-days", "staff.count_days")
    page = page_of(desk)
    assert re.search(r"Count days \d+ s ago", page)
    assert "Stake 100 credits" in page
