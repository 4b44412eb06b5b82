"""Behind the real PgBouncer nothing of one user reaches another, whatever the mode, with the default settings."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from core.db.pooling import Pooling, find_pooling
from devtools.embedded.postgres import account
from tests.core.service_process import PRODUCTION, REPOSITORY
from tests.devtools.conftest import soon
from tests.ops.servers import Web, free_port
from tests.ops.test_database_away import sign_up

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
VERSION = tuple(map(int, re.findall(r"\d+", subprocess.check_output([PROGRAM, "--version"], text=True))[:2]))
# From 1.21 on PgBouncer can keep prepared statements of its clients apart.
KEEPS_STATEMENTS_APART = VERSION >= (1, 21)

HOLD_A_LOCK = """
import sys, django
django.setup()
from core.db.transactions import try_lock
with try_lock("job:swordfish") as held:
    print(held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pooled(folder, database):
    """Starts PgBouncer in a mode; gives the address of the tests' database through it."""
    started = []

    def start(mode, *, pool_size=3, prepared_statements=0):
        url = urlsplit(database)
        info = psycopg.conninfo.conninfo_to_dict(database)
        port = free_port()
        users, config = folder / "users.txt", folder / f"{mode}.ini"
        users.write_text(f'"{info["user"]}" "{info["password"]}"\n')
        config.write_text(
            f"[databases]\n* = host={info['host']} port={info.get('port', 5432)}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n"
            + (f"max_prepared_statements = {prepared_statements}\n" if KEEPS_STATEMENTS_APART else "")
        )
        folder.chmod(0o755)
        started.append(subprocess.Popen([PROGRAM, "-q", str(config)], **account()))
        address = urlunsplit(url._replace(netloc=f"{info['user']}:{info['password']}@127.0.0.1:{port}", query=""))
        assert soon(lambda: responds(address))
        return address

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def responds(url):
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def found(url, *, prepare=False):
    with psycopg.connect(url) as one:
        return find_pooling(one, {"conninfo": url}, prepare=prepare)


@pytest.mark.parametrize(("mode", "pooling"), [("session", Pooling.SESSION), ("transaction", Pooling.TRANSACTION)])
def test_how_sessions_are_given_out_is_found(pooled, mode, pooling):
    url = pooled(mode)
    assert {found(url) for _ in range(5)} == {pooling}


def test_sessions_of_ones_own_with_none_left_for_another_are_no_shared_ones(pooled):
    assert found(pooled("session", pool_size=1)) == Pooling.SESSION


def test_the_database_itself_is_no_pooler(database):
    assert found(database) == Pooling.NONE


@contextmanager
def busy(url):
    """Others who use the pooler all the time."""
    with ThreadPoolExecutor(4) as pool:
        ended = []

        def use():
            with psycopg.connect(url, autocommit=True, prepare_threshold=None) as one:
                while not ended:
                    one.execute("SELECT pg_sleep(0.001)")

        for _ in range(4):
            pool.submit(use)
        try:
            yield
        finally:
            ended.append(True)


def test_it_is_found_while_others_use_the_pooler(pooled):
    url = pooled("transaction")
    with busy(url):
        assert {found(url) for _ in range(10)} == {Pooling.TRANSACTION}


HOW_STATEMENTS_ARE_SENT = [("transaction", 3, 0), ("session", 20, 0)]
if KEEPS_STATEMENTS_APART:
    HOW_STATEMENTS_ARE_SENT.append(("transaction", 3, 100))


@pytest.mark.parametrize(("mode", "size", "prepared_statements"), HOW_STATEMENTS_ARE_SENT)
def test_a_thousand_requests_of_twenty_users_are_each_about_their_own_user(
    pooled, running, mode, size, prepared_statements
):
    """With prepared statements too, where the pooler is there for them and `DATABASE_PREPARE` says so."""
    url = pooled(mode, pool_size=size, prepared_statements=prepared_statements)
    web = running(Web, DATABASE_URL=url, WEB_THREADS="8", PUBLIC_CACHE_SECONDS="0", THROTTLE_SIGNUP="1000/min",
                  DATABASE_PREPARE="true" if prepared_statements else "")  # fmt: skip
    users = [(f"user{number}", sign_up(web, f"user{number}").json()["accessToken"]) for number in range(20)]

    def ask(number):
        name, token = users[number % 20]
        path = "/api/v1/auth/me" if number % 3 else "/api/v1/bets/me"
        response = web.get(path, Authorization=f"Bearer {token}")
        return response.status, not number % 3 or response.json()["user"]["username"] == name, response.text

    with ThreadPoolExecutor(8) as at_once:
        responses = list(at_once.map(ask, range(1_000)))
    assert [response for response in responses if response[:2] != (200, True)] == []


@contextmanager
def holder(url):
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "thisthat.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_LOCK],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_jobs_lock_is_one_processs_and_gone_when_it_dies(pooled, database, mode):
    url = pooled(mode, pool_size=5)
    with holder(url) as (first, held):
        assert held == "True"
        with holder(url) as (_, held_too):
            assert held_too == "False"
        with holder(database) as (_, held_too):
            assert held_too == "False", "whichever way one comes"
        first.kill()
        first.wait()

        def is_free():
            with holder(url) as (_, held_again):
                return held_again == "True"

        assert soon(is_free)


def manage(command, url, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=REPOSITORY,
        env=kept | PRODUCTION | {"DATABASE_URL": url, "DJANGO_READ_DOT_ENV": "false", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [["serve"], ["work"], ["beat"]])
def test_prepared_statements_that_get_mixed_up_stop_the_start_with_what_to_set(pooled, folder, command):
    """PgBouncer before 1.21, or without max_prepared_statements."""
    ended = manage(command, pooled("transaction"), DATABASE_PREPARE="true", VAR_DIR=str(folder))
    assert ended.returncode == 1
    assert "DATABASE_PREPARE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_doctor_tells_of_it(pooled, folder):
    ended = manage(["doctor", "--json"], pooled("transaction"), VAR_DIR=str(folder))
    (finding,) = [finding for finding in json.loads(ended.stdout)["findings"] if finding["check"] == "pooler"]
    assert finding["state"] == "ok"
    assert "shared" in finding["text"]
