"""With Redis away the API serves, from the start or from any moment on, and it comes back to Redis by itself."""

import subprocess
import sys

import pytest

from tests.core.service_process import PRODUCTION, REPOSITORY
from tests.devtools.conftest import soon
from tests.ops.servers import Web

READS = ("/api/v1/markets", "/api/v1/markets/random", "/api/v1/leaderboard/pnl", "/api/v1/economy/stocks")
AWAY = "Redis is away"


@pytest.fixture
def web(running, database, redis_server):
    def start(**environment):
        return running(Web, DATABASE_URL=database, REDIS_URL=redis_server.url, **environment)

    return start


def sign_up(web, name):
    body = {"username": name, "email": f"{name}@example.com", "name": name, "password": "correct horse battery"}
    return web.post("/api/v1/auth/signup", body)


def log_in(web, name):
    return web.post("/api/v1/auth/login", {"email": f"{name}@example.com", "password": "wrong"})


def serves(web, name):
    responses = [web.get(path) for path in READS]
    assert [response.status for response in responses] == [200] * len(READS), responses
    assert sign_up(web, name).status == 201
    return True


def counts_in(redis_server):
    return redis_server.keys("thisthat:*:throttle:*")


def test_away_from_the_start_the_api_serves_and_uses_redis_once_it_is_there(web, redis_server):
    asked = web()
    assert serves(asked, "ann")
    assert asked.get("/ready").json()["checks"]["cache"] == "unavailable"
    assert asked.said_once_a_minute(AWAY)
    redis_server.start()
    # No restart, nothing but requests.
    assert soon(lambda: sign_up(asked, "bea").status in (201, 409) and counts_in(redis_server))
    assert asked.get("/ready").json()["checks"]["cache"] == "ok"
    assert serves(asked, "cem")
    assert asked.said("Traceback") == 0


def test_away_in_the_middle_the_api_goes_on_and_uses_redis_once_it_is_back(web, redis_server):
    redis_server.start()
    asked = web()
    assert serves(asked, "ann")
    assert counts_in(redis_server)
    assert asked.said(AWAY) == 0
    redis_server.kill()
    assert all(serves(asked, f"bea{number}") for number in range(5))
    # One line for all of these requests.
    assert asked.said_once_a_minute(AWAY)
    redis_server.start()
    assert soon(lambda: sign_up(asked, "cem").status in (201, 409) and counts_in(redis_server))
    assert asked.said("Traceback") == 0


def test_a_redis_that_hangs_costs_half_a_second_now_and_then_and_not_each_request(web, redis_server):
    redis_server.start()
    asked = web()
    usual = [log_in(asked, f"nobody{number}") for number in range(25)]
    with redis_server.frozen():
        responses = [log_in(asked, f"nobody{number}") for number in range(25, 50)]
    assert {response.status for response in usual + responses} == {401}
    # Four uses of the cache each: two seconds more for each request, if all of them waited for Redis.
    assert sum(response.seconds for response in responses) < sum(response.seconds for response in usual) + 20
    assert max(response.seconds for response in responses) < 10


def test_a_client_that_asks_too_often_is_still_refused_while_redis_is_away(web, redis_server):
    asked = web(THROTTLE_ACCOUNT="3/min")
    responses = [log_in(asked, "ann") for _ in range(4)]
    assert [response.status for response in responses] == [401, 401, 401, 429]
    assert log_in(asked, "bea").status == 401


BEST_EFFORT = """
import time
from uuid import uuid4
import django
django.setup()
from betting.tasks import settle_market
from core.jobs.queues import enqueue_best_effort
started = time.monotonic()
print([enqueue_best_effort(settle_market, str(uuid4())) for _ in range(50)].count(True), time.monotonic() - started)
"""


def enqueue_fifty_times(redis_server):
    """How many were queued, in how many seconds, and what was logged."""
    environment = PRODUCTION | {"DJANGO_SETTINGS_MODULE": "thisthat.settings", "REDIS_URL": redis_server.url}
    done = subprocess.run(
        [sys.executable, "-c", "import thisthat.celery" + BEST_EFFORT],
        cwd=REPOSITORY,
        env=environment | {"DJANGO_READ_DOT_ENV": "false"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    queued, seconds = done.stdout.split()
    return int(queued), float(seconds), done.stderr


def test_best_effort_tasks_never_fail_nor_wait_while_the_queue_is_away(redis_server):
    queued, seconds, log = enqueue_fifty_times(redis_server)
    assert queued == 0
    assert seconds < 10
    assert log.count("the queue is away") == 1
    redis_server.start()
    assert enqueue_fifty_times(redis_server)[0] == 50
    with redis_server.frozen():
        queued, seconds, log = enqueue_fifty_times(redis_server)
    assert queued == 0
    assert seconds < 10
    assert log.count("the queue is away") == 1
