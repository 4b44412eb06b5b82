import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import environ
import psycopg
import pytest
from django.db import ConnectionHandler

from core.file_locks import is_locked
from devtools.embedded import postgres
from devtools.embedded.server import StartupError
from tests.devtools.conftest import REPOSITORY, is_process_alive, is_removed, soon

USE_UNTIL_TOLD = """
import sys
from pathlib import Path
from devtools.embedded import postgres
server = postgres.start(Path(sys.argv[1]), durable=False)
print(server.url, flush=True)
sys.stdin.readline()
server.stop()
"""
USE_UNTIL_THE_END = """
import sys
from pathlib import Path
from devtools import startup
from devtools.embedded.postgres import Postgres
print(startup.use(Postgres(Path(sys.argv[1]))).url)
"""


def is_running(directory: Path) -> bool:
    return is_locked(directory / "postgres.running") or is_locked(directory / "postgres.keeper")


def postmaster(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().split()[0])


def keeper_of(directory: Path) -> int:
    return int((directory / "postgres.keeper").read_text())


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchone()[0] if cursor.description else None


@contextmanager
def another_process(directory: Path) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [sys.executable, "-c", USE_UNTIL_TOLD, str(directory)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def test_first_start_makes_the_database_with_our_settings(directory):
    server = postgres.start(directory, durable=False)
    try:
        assert ask(server.url, "SELECT current_database()") == "thisthat"
        assert ask(server.url, "SHOW server_version_num").startswith("18")
        assert ask(server.url, "SHOW max_connections") == "200"
        assert ask(server.url, "SHOW shared_buffers") == "256MB"
        assert ask(server.url, "SHOW listen_addresses") == ""
        assert ask(server.url, "SHOW timezone") == "UTC"
        assert ask(server.url, "SHOW fsync") == "off"
    finally:
        server.stop()
    assert not is_running(directory)


OWNED = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.kept'::regclass"


def test_it_has_an_owner_and_a_role_for_the_service(directory):
    server = postgres.start(directory, durable=False)
    try:
        roles = "SELECT bool_or(rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
        assert [ask(url, roles) for url in (server.url, server.owner_url)] == [False, False]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
        ask(server.owner_url, "CREATE TABLE kept AS SELECT 7 AS number")
    finally:
        server.stop()


def test_what_was_made_before_there_was_an_owner_becomes_the_owners(directory):
    server = postgres.start(directory, durable=False)
    ask(server.superuser_url, "CREATE TABLE kept AS SELECT 7 AS number")
    ask(server.superuser_url, "ALTER DATABASE thisthat OWNER TO postgres")
    ask(server.superuser_url, "DROP ROLE thisthat_owner; DROP ROLE thisthat")
    server.stop()

    server = postgres.start(directory, durable=False)
    assert ask(server.owner_url, OWNED) == "thisthat_owner"
    server.stop()


def test_a_server_is_durable_unless_told_otherwise(directory):
    server = postgres.start(directory)
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(server.url, f"SHOW {setting}") == "on"
    finally:
        server.stop()


def test_data_is_still_there_at_the_second_start(directory):
    server = postgres.start(directory, durable=False)
    ask(server.superuser_url, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()

    server = postgres.start(directory, durable=False)
    assert ask(server.owner_url, "SELECT number FROM kept") == 7
    server.stop()


def test_the_last_user_stops_the_server_and_no_other(directory):
    first = postgres.start(directory, durable=False)
    second = postgres.start(directory, durable=False)
    assert second.url == first.url

    first.stop()
    assert ask(second.url, "SELECT 1") == 1
    first.stop()
    assert ask(second.url, "SELECT 1") == 1

    second.stop()
    assert not is_running(directory)


def test_a_command_on_its_own_stops_what_it_started(directory):
    for _ in range(2):
        command = [sys.executable, "-c", USE_UNTIL_THE_END, str(directory)]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
        assert done.stdout.startswith("postgresql://")
        assert done.stderr == ""
        assert not is_running(directory)


def test_a_command_never_stops_a_server_that_another_process_uses(directory):
    server = postgres.start(directory, durable=False)
    command = [sys.executable, "-c", USE_UNTIL_THE_END, str(directory)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == server.url
    assert ask(server.url, "SELECT 1") == 1
    server.stop()


def test_processes_that_start_at_once_share_one_server(directory):
    with ExitStack() as stack:
        users = [stack.enter_context(another_process(directory)) for _ in range(4)]
        urls = {user.stdout.readline().strip() for user in users}
        assert len(urls) == 1
        assert ask(urls.pop(), "SELECT 1") == 1
        for user in users:
            user.stdin.write("stop\n")
            user.stdin.flush()
            assert user.wait(30) == 0
    assert not is_running(directory)


def test_a_server_whose_only_user_was_killed_stops_by_itself(directory):
    with another_process(directory) as user:
        assert user.stdout.readline()
        user.kill()
    assert soon(lambda: not is_running(directory))


def test_a_server_outlives_its_killed_starter_while_others_use_it(directory):
    with another_process(directory) as starter:
        assert starter.stdout.readline()
        server = postgres.start(directory, durable=False)
        starter.kill()
    assert not soon(lambda: not is_running(directory), seconds=1.5)
    assert ask(server.url, "SELECT 1") == 1
    server.stop()
    assert not is_running(directory)


def test_a_server_whose_directory_was_removed_stops_by_itself(directory):
    server = postgres.start(directory / "removed", durable=False)
    pid = postmaster(directory / "removed")
    # It still writes into it.
    assert soon(lambda: is_removed(directory / "removed"))
    assert soon(lambda: not is_process_alive(pid))
    server.stop()


def test_a_server_whose_keeper_was_killed_serves_on_and_is_stopped(directory):
    server = postgres.start(directory, durable=False)
    pid = postmaster(directory)
    os.kill(keeper_of(directory), signal.SIGKILL)
    assert ask(server.url, "SELECT 1") == 1
    server.stop()
    assert not is_running(directory)
    assert not is_process_alive(pid)


def test_committed_rows_survive_the_death_of_the_server(directory):
    server = postgres.start(directory)
    ask(server.superuser_url, "CREATE TABLE kept AS SELECT 7 AS number")
    keeper = keeper_of(directory)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(postmaster(directory), signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    assert soon(lambda: not is_running(directory))
    server.stop()
    assert (directory / "postgres" / "postmaster.pid").exists()

    server = postgres.start(directory)
    assert ask(server.owner_url, "SELECT number FROM kept") == 7
    server.stop()


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(directory):
    server = postgres.start(directory, durable=False)
    data = directory / "postgres"
    lines = (data / "postmaster.pid").read_text().splitlines()
    server.stop()
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    (data / ".s.PGSQL.5432.lock").write_text("\n".join([str(os.getpid()), *lines[1:], ""]))

    server = postgres.start(directory, durable=False)
    assert ask(server.url, "SELECT 1") == 1
    server.stop()


def test_a_first_start_that_was_cut_off_is_made_anew(directory):
    unfinished = directory / "postgres.init"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    server = postgres.start(directory, durable=False)
    assert ask(server.url, "SELECT 1") == 1
    server.stop()
    assert not unfinished.exists()


@pytest.mark.parametrize("name", ["long-" * 30, "with a space, a comma and 100%"])
def test_any_path_will_do_and_django_reads_its_url(directory, name):
    server = postgres.start(directory / name, durable=False)
    sockets = Path(parse_qs(urlsplit(server.url).query)["host"][0])
    database = ConnectionHandler({"default": environ.Env.db_url_config(server.url)})["default"]
    connection = database.get_new_connection(database.get_connection_params())
    try:
        assert connection.execute("SELECT current_database(), current_user").fetchone() == ("thisthat", "thisthat")
        assert sockets.stat().st_mode & 0o077 == 0
    finally:
        connection.close()
        server.stop()
        shutil.rmtree(sockets)


def test_no_secret_of_ours_reaches_the_server_or_the_list_of_processes(directory, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "very-secret")
    server = postgres.start(directory, durable=False)
    try:
        for pid in (postmaster(directory), keeper_of(directory)):
            for file in ("environ", "cmdline"):
                assert b"very-secret" not in Path(f"/proc/{pid}/{file}").read_bytes()
    finally:
        server.stop()


def test_a_folder_of_something_else_is_left_alone(directory):
    (directory / "postgres").mkdir()
    (directory / "postgres" / "diary.txt").write_text("mine")
    with pytest.raises(StartupError, match="isn't empty"):
        postgres.start(directory)
    assert (directory / "postgres" / "diary.txt").read_text() == "mine"


def test_a_server_that_cannot_start_says_why(directory):
    postgres.start(directory, durable=False).stop()
    with (directory / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(StartupError, match="no_such_setting"):
        postgres.start(directory, durable=False)
