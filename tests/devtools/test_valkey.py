"""The embedded Valkey: its settings, what it keeps, and that it is shared, stopped and started again like PostgreSQL."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection

from core.backends import BROKER_OPTIONS, broker_url
from core.file_locks import is_locked
from devtools.embedded import postgres, valkey
from devtools.embedded.keeper import Backoff
from tests.devtools.conftest import REPOSITORY, is_process_alive, soon


def number_in(path: Path) -> int:
    return int(path.read_text() or 0)


@pytest.fixture
def server(directory):
    server = valkey.start(directory)
    yield server
    server.stop()


def client_of(server):
    return redis.Redis.from_url(server.url, socket_timeout=5)


def responds(server):
    try:
        with client_of(server) as client:
            return client.ping()
    except redis.RedisError:
        return False


def test_it_listens_on_a_private_socket_alone_and_keeps_what_it_is_given(server, directory):
    with client_of(server) as client:
        config = client.config_get()
        assert config["port"] == "0"
        assert (config["appendonly"], config["appendfsync"]) == ("yes", "everysec")
        assert config["maxmemory-policy"] == "noeviction"
    assert Path(urlsplit(server.url).path).stat().st_mode & 0o077 == 0
    assert (directory / "valkey").stat().st_mode & 0o077 == 0


def test_what_was_queued_is_there_at_the_next_start(directory):
    server = valkey.start(directory)
    with client_of(server) as client:
        client.lpush("queue", *range(100))
    server.stop()
    assert not is_locked(directory / "valkey.running")
    server = valkey.start(directory)
    with client_of(server) as client:
        assert client.llen("queue") == 100
    server.stop()


def test_killed_it_is_started_again_with_all_that_it_had(server, directory):
    with client_of(server) as client:
        client.lpush("queue", *range(100))
    killed = number_in(directory / "valkey.running")
    os.kill(killed, signal.SIGKILL)
    assert soon(lambda: number_in(directory / "valkey.running") != killed and responds(server))
    with client_of(server) as client:
        assert client.llen("queue") == 100
    assert server.new_keeper_messages() == ["valkey was killed by SIGKILL: started again in 0.1 s."]
    assert server.new_keeper_messages() == []


@pytest.mark.parametrize("kind", [valkey, postgres])
def test_with_its_keeper_killed_too_a_user_starts_both_again(kind, directory):
    server = kind.start(directory)
    try:
        name = server.name
        for file in ("keeper", "running"):
            os.kill(number_in(directory / f"{name}.{file}"), signal.SIGKILL)
        assert soon(lambda: not server.is_running())
        assert server.start_again_if_down()
        assert soon(server._is_ready)
        assert not server.start_again_if_down()
    finally:
        server.stop()
    assert not server.is_running()


class Impatient(valkey.Valkey):
    signal_seconds = 0.2


@pytest.mark.parametrize("with_keeper", [True, False])
def test_one_that_no_longer_listens_to_signals_is_killed_in_the_end(with_keeper, directory):
    server = Impatient(directory)
    server.start()
    os.kill(number_in(directory / "valkey.running"), signal.SIGSTOP)
    if not with_keeper:
        os.kill(number_in(directory / "valkey.keeper"), signal.SIGKILL)
        assert soon(lambda: not is_locked(directory / "valkey.keeper"))
    server.stop()
    assert not server.is_running()


def test_postgresql_killed_is_started_again_while_it_is_used(directory):
    server = postgres.start(directory, durable=False)
    try:
        for _ in range(2):
            killed = number_in(directory / "postgres.running")
            os.kill(killed, signal.SIGKILL)
            assert soon(
                lambda killed=killed: number_in(directory / "postgres.running") != killed and server._is_ready(),
                seconds=30,
            )
    finally:
        server.stop()
    assert not server.is_running()


def test_one_that_dies_again_and_again_is_given_up(server, directory):
    for _ in range(Backoff.DEATHS - 1):
        killed = number_in(directory / "valkey.running")
        os.kill(killed, signal.SIGKILL)
        assert soon(
            lambda killed=killed: number_in(directory / "valkey.running") != killed and responds(server), seconds=30
        )
    os.kill(number_in(directory / "valkey.running"), signal.SIGKILL)
    assert soon(lambda: not server.is_running())
    assert server.new_keeper_messages()[-1] == "valkey was killed by SIGKILL once too often: given up."


def test_a_program_that_a_command_becomes_keeps_the_server_up(directory):
    """As `manage.py serve`, `work` and `beat` become granian and Celery."""
    become = """
import os, sys
from pathlib import Path
from devtools import startup
from devtools.embedded.valkey import Valkey
startup.use(Valkey(Path(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.readline()"])
"""
    with subprocess.Popen(
        [sys.executable, "-c", become, str(directory)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        pid = number_in(directory / "valkey.running")
        assert not soon(lambda: not is_process_alive(pid), seconds=1.5)
        process.kill()
    assert soon(lambda: not is_process_alive(pid))


@pytest.mark.parametrize("name", ["long-" * 30, "with a space, a comma and 100%"])
def test_any_path_will_do_and_kombu_reads_its_url(directory, name):
    server = valkey.start(directory / name)
    try:
        with Connection(broker_url(f"{server.url}?db=3"), transport_options=BROKER_OPTIONS) as connection:
            queue = connection.SimpleQueue("jobs")
            queue.put({"number": 7})
        with redis.Redis.from_url(f"{server.url}?db=3") as client:
            assert client.llen("jobs") == 1
    finally:
        server.stop()
        socket = Path(urlsplit(server.url).path)
        if directory not in socket.parents:
            shutil.rmtree(socket.parent)
