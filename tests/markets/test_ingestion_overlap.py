"""Two runs never overlap, whoever starts them; a run whose process died stands in nobody's way (lesson 34)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from core.jobs.runs import last_run
from core.models import JobRun
from markets import tasks
from markets.errors import IngestionRunning
from markets.models import Market
from markets.polymarket.transport import RequestPolicy
from tests.concurrently import all_at_once, in_thread, wait_until
from tests.markets.factories import MARKETS, ingest, polymarket_client, read, refusal

LONG_ENOUGH = RequestPolicy(connect=1, read=15, total=20, attempts=2, backoff=0.01)


@pytest.fixture
def run_under_way(transactional_db, upstream):
    """A run that has begun and hangs on Polymarket's first response, until the test lets go; gives its future."""
    upstream.faults.set("hang", path="/events/keyset", times=1, seconds=20)
    with ThreadPoolExecutor(1) as pool:
        client = polymarket_client(upstream, LONG_ENOUGH)
        run = pool.submit(
            in_thread,
            lambda: tasks.run_ingestion(client=client, limit=500, recheck_limit=0, now=datetime.now(UTC)),
        )
        wait_until(lambda: JobRun.objects.filter(status="running").exists() and len(upstream.requests) > 0)
        yield run
        upstream.faults.clear()
        run.result(timeout=10)


def test_a_second_run_is_not_begun(run_under_way, upstream):
    requests_before = len(upstream.requests)
    now = datetime.now(UTC)
    assert tasks.run_ingestion(client=polymarket_client(upstream), limit=500, now=now) is None
    with pytest.raises(IngestionRunning):
        tasks.run_ingestion_unless_recent(
            client=polymarket_client(upstream),
            limit=5,
            category=None,
            recheck_limit=0,
            min_interval=timedelta(0),
            now=now,
        )
    tasks.ingest()
    assert len(upstream.requests) == requests_before
    assert JobRun.objects.count() == 1


def test_a_request_meanwhile_is_told_when_to_come_again(run_under_way, upstream, api):
    response = api.post(f"{MARKETS}/ingest", {}, content_type="application/json")
    refusal(response, 503, "ingestion_running")
    assert int(response["Retry-After"]) >= 1


def test_the_run_under_way_ends_well_and_its_lists_are_whole(run_under_way, upstream, api):
    assert tasks.run_ingestion(client=polymarket_client(upstream), limit=500, now=datetime.now(UTC)) is None
    upstream.faults.clear()
    assert run_under_way.result(timeout=10)["created"] == len(upstream.world.good_markets())
    assert read(api, limit=200)["total"] == len(upstream.world.good_markets())
    assert last_run(tasks.INGEST).status == JobRun.Status.SUCCEEDED
    assert tasks.run_ingestion(client=polymarket_client(upstream), limit=500, now=datetime.now(UTC)) is not None


def test_of_many_at_once_no_two_run_together(transactional_db, upstream):
    client = polymarket_client(upstream)
    results = all_at_once(lambda: tasks.run_ingestion(client=client, limit=500, now=datetime.now(UTC)), times=4)
    runs = list(JobRun.objects.order_by("started_at"))
    assert len(runs) == len([result for result in results if result]) >= 1
    assert all(earlier.finished_at <= later.started_at for earlier, later in pairwise(runs))
    assert Market.objects.count() == len(upstream.world.good_markets())


def test_a_run_whose_process_died_is_marked_abandoned_by_the_next(db, upstream):
    """A process that dies leaves its row saying "running"; its lock goes with its database session."""
    dead = JobRun.objects.create(job=tasks.INGEST, started_at=timezone.now() - timedelta(hours=1))
    ingest(upstream)
    dead.refresh_from_db()
    assert (dead.status, dead.error) == (JobRun.Status.ABANDONED, "The process died.")
    assert dead.finished_at is not None
    assert last_run(tasks.INGEST).status == JobRun.Status.SUCCEEDED


def test_the_lock_is_gone_with_the_session_that_held_it(transactional_db, upstream):
    settings = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor, "context": None}
    wanted = {key: settings[key] for key in ("dbname", "user", "password", "host", "port") if settings.get(key)}
    other = psycopg.connect(**wanted, autocommit=True)
    other.execute("SELECT pg_advisory_lock(hashtextextended('job:markets.ingest', 0))")
    assert tasks.run_ingestion(client=polymarket_client(upstream), limit=5, now=datetime.now(UTC)) is None
    other.close()
    wait_until(
        lambda: tasks.run_ingestion(client=polymarket_client(upstream), limit=5, now=datetime.now(UTC)) is not None
    )
