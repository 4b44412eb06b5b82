"""Whether the process is alive, and whether it is ready; what happens while something is away."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from core.models import JobRun
from tests.core.service_process import PRODUCTION, REDIS_AWAY, ask, run
from tests.databases import with_database

ALL_OK = {"database": "ok", "migrations": "ok", "cache": "ok", "broker": "ok"}


def test_the_process_responds_without_touching_the_database(stranger):
    # No `django_db`: a query would fail this test.
    response = stranger.get("/health")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert body.keys() == {"status", "timestamp"}
    assert body["status"] == "ok"
    assert abs(datetime.fromisoformat(body["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_health_responds_to_a_head(stranger):
    response = stranger.head("/health")
    assert response.status_code == 200
    assert response.content == b""


def test_there_is_a_greeting(stranger):
    response = stranger.get("/api/hello")
    assert response.json() == {"message": "Hello from THISTHAT"}
    assert stranger.get("/api/hello", headers={"If-None-Match": response["ETag"]}).status_code == 304


@pytest.mark.django_db
def test_when_everything_is_there_the_service_is_ready(stranger):
    response = stranger.get("/ready")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {"status": "ready", "checks": ALL_OK, "jobs": {}}


@pytest.mark.django_db
def test_ready_shows_each_jobs_newest_run_and_last_success_but_no_error_text(stranger):
    now = timezone.now()
    for minutes, status in ((30, "succeeded"), (20, "succeeded"), (10, "failed")):
        start = now - timedelta(minutes=minutes)
        JobRun.objects.create(
            job="one", status=status, started_at=start, finished_at=start + timedelta(seconds=5), error="swordfish"
        )
    JobRun.objects.create(job="two", started_at=now)
    response = stranger.get("/ready")
    jobs = response.json()["jobs"]
    assert response.status_code == 200
    assert {job: shown["status"] for job, shown in jobs.items()} == {"one": "failed", "two": "running"}
    assert jobs["one"].keys() == {"status", "startedAt", "lastSuccessAt", "brokenObjects"}
    last_success = datetime.fromisoformat(jobs["one"]["lastSuccessAt"])
    assert abs(last_success - (now - timedelta(minutes=20) + timedelta(seconds=5))) < timedelta(milliseconds=1)
    assert jobs["two"]["lastSuccessAt"] is None
    assert "swordfish" not in response.content.decode()


@pytest.mark.django_db
def test_ready_shows_how_many_broken_objects_a_jobs_last_success_had_to_skip(stranger):
    now = timezone.now()
    results = {"one": {"errors": 3, "skippedObjects": [{"id": "0x1", "reason": "swordfish"}]}, "two": {}, "three": None}
    for job, result in results.items():
        JobRun.objects.create(job=job, status="succeeded", started_at=now, finished_at=now, result=result)
    JobRun.objects.create(job="one", started_at=now + timedelta(seconds=1))
    JobRun.objects.create(job="four", started_at=now)
    response = stranger.get("/ready")
    broken = {job: shown["brokenObjects"] for job, shown in response.json()["jobs"].items()}
    assert broken == {"one": 3, "two": 0, "three": 0, "four": 0}
    assert response.status_code == 200, "one odd object of Polymarket's takes nobody out of service"
    assert "swordfish" not in response.content.decode()


@pytest.fixture
def empty_database():
    """The address of a database without a table."""
    url, owner = os.environ["DATABASE_URL"], os.environ["DATABASE_OWNER_URL"]
    name = f"test_thisthat_{os.getpid()}_{uuid4().hex[:8]}"
    with psycopg.connect(with_database(owner, "postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield with_database(url, name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_pending_migrations_make_the_service_not_ready(empty_database):
    conversation = ask("/ready", "/health", DATABASE_URL=empty_database)
    ready, alive = conversation.responses
    assert ready.status == 503
    assert ready.json() == {"status": "unavailable", "checks": ALL_OK | {"migrations": "unavailable"}, "jobs": {}}
    assert "migrations are not applied" in conversation.log
    assert alive.status == 200


@pytest.fixture(scope="module")
def with_the_database_away():
    return ask("/health", "/ready", "/api/tests/asks-database", "/plain/asks-database", "/api/hello", "/api/v1/markets")


def test_with_the_database_away_the_process_still_responds(with_the_database_away):
    alive = with_the_database_away.responses[0]
    assert alive.status == 200
    assert alive.json()["status"] == "ok"
    assert with_the_database_away.responses[4].status == 200


def test_with_the_database_away_the_service_is_not_ready_and_says_why(with_the_database_away):
    response = with_the_database_away.responses[1]
    assert response.status == 503
    assert response.json() == {
        "status": "unavailable",
        "checks": {"database": "unavailable", "migrations": "unavailable", "cache": "ok", "broker": "ok"},
        "jobs": {},
    }


@pytest.mark.parametrize("place", [2, 3, 5])
def test_with_the_database_away_a_request_is_told_to_try_again_at_once(with_the_database_away, place):
    response = with_the_database_away.responses[place]
    assert response.status == 503
    assert response.json()["code"] == "try_again"
    assert response.headers["retry-after"] == "2"
    assert response.seconds < 6


def test_with_the_database_away_each_request_writes_one_line_without_a_stack(with_the_database_away):
    lines = [line for line in with_the_database_away.log_lines() if ": unavailable: " in line["message"]]
    assert len(lines) == 3
    assert len({line["requestId"] for line in lines}) == 3
    assert not any("exception" in line for line in lines)
    of_those = {line["requestId"] for line in lines}
    assert sum(line["requestId"] in of_those for line in with_the_database_away.log_lines()) == 3
    assert "Traceback" not in with_the_database_away.log
    assert "nothing@" not in with_the_database_away.log


def test_a_database_that_goes_away_after_it_was_there_is_seen(transactional_db, stranger):
    assert stranger.get("/ready").status_code == 200
    there = connection.settings_dict

    def ask_without_database():
        # This thread has a connection of its own, whose address is wrong.
        connection.settings_dict = there | {"HOST": "127.0.0.1", "PORT": 1}
        return stranger.get("/ready")

    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(ask_without_database).result()
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "unavailable"
    assert response.json()["jobs"] == {}


@pytest.fixture(scope="module")
def with_redis_away():
    return ask("/ready", "/health", *["/tests/rare"] * 3, REDIS_URL=REDIS_AWAY)


def test_with_redis_away_the_service_is_not_ready_and_says_so_in_time(with_redis_away):
    ready, alive, *_ = with_redis_away.responses
    assert ready.status == 503
    assert ready.json()["checks"]["cache"] == "unavailable"
    assert ready.json()["checks"]["broker"] == "unavailable"
    assert ready.seconds < 10
    assert alive.status == 200


def test_with_redis_away_clients_are_served_and_still_counted(with_redis_away):
    assert [response.status for response in with_redis_away.responses[2:]] == [200, 200, 429]
    assert all(response.seconds < 3 for response in with_redis_away.responses[2:])
    assert "Traceback" not in with_redis_away.log
    said = [line for line in with_redis_away.log_lines() if line["message"].startswith("Redis is away")]
    assert [line["level"] for line in said] == ["WARNING"]


SERVE = """
import json, threading
from django.test import Client
from thisthat.wsgi import application
client = Client(raise_request_exception=False)
for path in ("/health", "/ready", "/api/v1/markets", "/api/hello"):
    client.get(path)
print(json.dumps([thread.name for thread in threading.enumerate()]))
"""


def test_a_web_process_runs_no_job_and_no_thread_beside_its_requests():
    ended = run(["-c", SERVE], PRODUCTION)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == ["MainThread"]
