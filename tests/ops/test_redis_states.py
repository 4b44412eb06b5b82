"""A Redis that responds and refuses is like one that is away: requests go on, and workers stay and come back."""

import shutil
from contextlib import contextmanager

import pytest
import redis

from tests.devtools.conftest import soon
from tests.ops.servers import Redis, Web
from tests.ops.test_jobs import Jobs

PASSWORD = "a password that nobody was told"


@pytest.fixture
def redis_server(folder):
    data = folder / "redis"
    data.mkdir()
    server = Redis(data)
    server.start()
    yield server
    server.kill()


@contextmanager
def read_only(client, folder):
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield "READONLY", "read only replica"
    client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def out_of_memory(client, folder):
    client.config_set("maxmemory", 1)
    yield "OOM", "maxmemory"
    client.config_set("maxmemory", 0)


@contextmanager
def unable_to_save(client, folder):
    client.config_set("save", "3600 1")
    shutil.rmtree(folder / "redis")
    client.set("unsaved", 1)
    client.bgsave()
    assert soon(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    yield "MISCONF", "snapshot"
    (folder / "redis").mkdir()
    client.config_set("stop-writes-on-bgsave-error", "no")


@contextmanager
def wanting_a_password(client, folder):
    client.config_set("requirepass", PASSWORD)
    client.client_kill_filter(_type="normal", skipme=True)
    yield "NOAUTH", "Authentication required"
    client.config_set("requirepass", "")


STATES = {state.__name__: state for state in (read_only, out_of_memory, unable_to_save, wanting_a_password)}


def log_in(web, name):
    return web.post("/api/v1/auth/login", {"email": f"{name}@example.com", "password": "wrong"})


def uses_redis(web, client, name):
    """A refused sign-in is counted there."""
    client.flushall()
    return log_in(web, name).status == 401 and bool(client.keys("thisthat:*:throttle:*"))


@pytest.mark.parametrize("state", STATES)
def test_requests_go_on_while_redis_refuses_and_use_it_again_afterwards(state, database, running, redis_server, folder):
    web = running(Web, DATABASE_URL=database, REDIS_URL=redis_server.url, THROTTLE_LOGIN="1000/min")
    with redis.Redis.from_url(redis_server.url) as client:
        assert uses_redis(web, client, "ann")
        with STATES[state](client, folder):
            assert [log_in(web, f"bea{number}").status for number in range(5)] == [401] * 5
            assert web.get("/api/v1/markets").status == 200
            assert web.get("/ready").json()["checks"]["cache"] == "unavailable"
        assert soon(lambda: uses_redis(web, client, "cem"))
    assert web.said_once_a_minute("Redis is away")
    assert web.said("Traceback") == 0


def test_a_value_of_another_type_costs_that_value_alone(database, running, redis_server):
    web = running(Web, DATABASE_URL=database, REDIS_URL=redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        assert log_in(web, "ann").status == 401
        keys = client.keys("thisthat:*:throttle:*")
        for spoil in (lambda key: client.set(key, b"no pickle"), lambda key: client.rpush(key, "an item")):
            for key in keys:
                client.delete(key)
                spoil(key)
            assert log_in(web, "ann").status == 401
        assert web.said("Redis is away") == 0
        assert web.said("Traceback") == 0


def test_workers_and_scheduler_stay_through_every_state_and_work_again(database, running, redis_server, folder):
    jobs = Jobs(running, database, redis_server)
    jobs.start()
    assert jobs.worker_works()
    with redis.Redis.from_url(redis_server.url) as client:
        for state in STATES.values():
            with state(client, folder) as (_, words):
                assert jobs.come_true(lambda said=words: jobs.processes[0].said(said))
                # The scheduler does them meanwhile.
                assert jobs.go_on()
            assert jobs.worker_works()
        client.lpush("default", "no message", "{}")
        assert jobs.come_true(lambda: jobs.processes[0].said("can't be read and is dropped") == 2)
        assert jobs.worker_works()
    assert jobs.stop()
