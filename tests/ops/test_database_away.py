"""With the database away requests are told so in bounded time, and when it is back they are served, without a restart."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import psycopg

from devtools.embedded import postgres
from tests.core.service_process import ask
from tests.devtools.conftest import soon
from tests.ops.servers import Web, crash


def sign_up(web, name):
    body = {"username": name, "email": f"{name}@example.com", "name": name, "password": "correct horse battery"}
    return web.post("/api/v1/auth/signup", body)


def is_told_to_try_again(response):
    assert response.status == 503
    assert response.json().keys() == {"success", "error", "code"}
    assert response.json()["code"] == "try_again"
    assert int(response.headers["retry-after"]) >= 1
    assert response.seconds < 10
    return True


def test_a_server_that_crashes_and_comes_back_is_served_from_without_a_restart(folder, database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0")
    ann = sign_up(web, "ann").json()
    bearer = {"Authorization": f"Bearer {ann['accessToken']}"}
    assert web.get("/api/v1/auth/me", **bearer).status == 200

    crash(folder)
    for _ in range(3):
        assert is_told_to_try_again(web.get("/api/v1/markets"))
        assert is_told_to_try_again(web.get("/api/v1/auth/me", **bearer))
        assert is_told_to_try_again(sign_up(web, "bea"))
    assert web.get("/health").status == 200
    assert web.get("/ready").json()["checks"]["database"] == "unavailable"

    again = postgres.start(folder)
    try:
        # The very next requests: each thread of the server has a connection that died.
        with ThreadPoolExecutor(8) as at_once:
            responses = list(at_once.map(lambda _: web.get("/api/v1/auth/me", **bearer), range(40)))
        assert {response.status for response in responses} == {200}
        assert sign_up(web, "cem").status == 201
        assert web.get("/ready").json()["checks"]["database"] == "ok"
        assert web.said("Traceback") == 0
    finally:
        again.stop()


def test_a_server_that_takes_connections_and_never_responds_holds_up_one_request_and_not_all():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        started = time.monotonic()
        conversation = ask(*["/api/v1/markets"] * 20, DATABASE_URL=url)
    # Each for itself would wait three seconds.
    assert time.monotonic() - started < 30
    assert all(is_told_to_try_again(response) for response in conversation.responses)
    assert conversation.log.count("the database is away") == 1


def set_read_only(url, value):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        connection.execute("SELECT pg_reload_conf()")


def test_a_database_that_became_read_only_is_said_to_be_and_left_for_one_that_takes_writes(database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0")
    assert sign_up(web, "ann").status == 201
    set_read_only(database_server.superuser_url, "on")
    assert soon(lambda: sign_up(web, "bea").status == 503)
    for _ in range(3):
        assert is_told_to_try_again(sign_up(web, "bea"))
        assert web.get("/api/v1/markets").status == 200
    assert web.get("/ready").json()["checks"]["database"] == "unavailable"
    assert web.get("/ready").status == 503
    set_read_only(database_server.superuser_url, "off")
    assert soon(lambda: sign_up(web, "bea").status == 201)
    assert web.get("/ready").json()["checks"]["database"] == "ok"
    assert web.said("Traceback") == 0


def connections(database_url):
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchall()
        return {pid for (pid,) in rows} - {connection.info.backend_pid}


def test_a_connection_to_a_read_only_server_is_dropped_so_that_the_next_may_reach_another(database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0", WEB_THREADS="1")
    assert sign_up(web, "ann").status == 201
    set_read_only(database_server.superuser_url, "on")
    assert soon(lambda: sign_up(web, "bea").status == 503)
    first = connections(database_server.url)
    assert sign_up(web, "bea").status == 503
    assert connections(database_server.url).isdisjoint(first)


@contextmanager
def frozen(folder):
    """The server's processes accept connections and statements, and never respond."""
    postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def test_a_server_that_freezes_costs_seconds_and_not_the_time_that_it_is_frozen(folder, database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0", WEB_STATEMENT_TIMEOUT="2")
    bearer = {"Authorization": f"Bearer {sign_up(web, 'ann').json()['accessToken']}"}
    with frozen(folder), ThreadPoolExecutor(8) as at_once:
        # Those that have a connection wait for their statement, and those after them fail to connect.
        for _ in range(3):
            assert all(map(is_told_to_try_again, at_once.map(lambda _: web.get("/api/v1/markets"), range(8))))
        assert web.get("/health").status == 200
    # Threads whose connection was dropped connect again once the breaker lets one of them try.
    assert soon(lambda: {web.get("/api/v1/auth/me", **bearer).status for _ in range(20)} == {200})
    assert sign_up(web, "bea").status == 201
    assert web.said("Traceback") == 0


def test_a_statement_that_takes_too_long_is_ended_and_told_as_such(database_server, running):
    web = running(Web, DATABASE_URL=database_server.url, PUBLIC_CACHE_SECONDS="0", WEB_STATEMENT_TIMEOUT="0.5")
    assert web.get("/api/v1/markets").status == 200
    with psycopg.connect(database_server.url) as other:
        other.execute("LOCK TABLE markets, market_rankings IN ACCESS EXCLUSIVE MODE")
        assert is_told_to_try_again(web.get("/api/v1/markets"))
    assert web.get("/api/v1/markets").status == 200
