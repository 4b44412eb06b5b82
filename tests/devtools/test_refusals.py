"""What can't work is refused by `make run` in one line, with status 1, before anything is started."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from core.file_locks import is_locked
from devtools.embedded import postgres
from devtools.simulators.start import free_port
from tests.devtools.conftest import REPOSITORY, soon
from tests.e2e.terminal import environment_in, make_run

PASSWORD = "swordfish-of-the-server"


def refused(var_dir: Path, *prefix: str, **environment: str) -> str:
    """The one line that `make run` ends with."""
    done = subprocess.run(
        [*prefix, sys.executable, "manage.py", "dev"],
        cwd=REPOSITORY,
        env=environment_in(var_dir) | {"PORT": str(free_port())} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def nothing_was_started(var_dir: Path) -> bool:
    return not any((var_dir / name).exists() for name in ("postgres", "postgres.keeper", "valkey", "valkey.keeper"))


@pytest.mark.parametrize("place", ["/dev/null/thisthat", "/proc/thisthat"])
def test_a_folder_that_cannot_be_written_is_refused(place):
    line = refused(Path(place))
    assert f"VAR_DIR {place} can't be written" in line


@pytest.mark.parametrize("port", ["http", "0", "-1", "65536", "8000.5", "8 000"])
def test_an_invalid_port_is_refused(directory, port):
    line = refused(directory, PORT=port)
    assert line.startswith("PORT can't be read")
    assert nothing_was_started(directory)


def test_a_port_in_use_is_refused(directory):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(directory, PORT=str(port))
    assert f"Port {port} on 127.0.0.1" in line
    assert "in use" in line
    assert f"PORT={port + 1}" in line
    assert nothing_was_started(directory)


def test_an_invalid_host_is_refused(directory):
    assert "no-such-host.invalid" in refused(directory, HOST="no-such-host.invalid")
    assert nothing_was_started(directory)


@dataclass(frozen=True)
class SmallDisk:
    """Too small for the service; `full` is what its programs say when it is."""

    full: str
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()


@pytest.fixture
def small_disk(directory) -> Iterator[SmallDisk]:
    """Mount a disk of 20 MiB on the directory where that is allowed; elsewhere limits stand for it."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(directory)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield SmallDisk("No space left on device", {})
        subprocess.run(["umount", str(directory)], check=True)
    else:
        # No file may become larger than 100 blocks.
        limit = ("bash", "-c", 'ulimit -f 100; exec "$@"', "--")
        yield SmallDisk("too large", {"VAR_FREE_MIB": str(10**9)}, limit)


def test_too_little_disk_space_is_refused(directory, small_disk):
    line = refused(directory, **small_disk.environment)
    assert f"VAR_DIR {directory} has" in line
    assert "make room" in line
    assert nothing_was_started(directory)


def test_space_that_ends_while_the_database_is_made(directory, small_disk):
    line = refused(directory, *small_disk.prefix, VAR_FREE_MIB="0")
    assert "initdb" in line
    assert small_disk.full in line
    assert not (directory / "postgres").exists()
    assert not (directory / "postgres.init").exists()


def test_a_database_of_a_newer_postgresql(directory):
    (directory / "postgres").mkdir()
    (directory / "postgres" / "PG_VERSION").write_text(f"{postgres.VERSION + 1}\n")
    line = refused(directory)
    assert f"made by PostgreSQL {postgres.VERSION + 1}" in line
    assert not is_locked(directory / "postgres.running")


def test_a_database_with_migrations_of_a_newer_version(directory):
    server = postgres.start(directory, durable=False)
    try:
        environment = os.environ | server.environment
        migrate = [sys.executable, "manage.py", "migrate", "common", "--verbosity", "0"]
        subprocess.run(migrate, cwd=REPOSITORY, env=environment, check=True, timeout=120)
        with psycopg.connect(server.owner_url, autocommit=True) as connection:
            for app in ("common", "an_app_that_was_removed"):
                connection.execute(
                    "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", [app, "9999_later"]
                )
        line = refused(directory)
        assert "newer version" in line
        assert "common.9999_later" in line
        assert "removed" not in line
    finally:
        server.stop()


def test_another_one_in_the_same_folder(directory):
    with make_run(directory, free_port()) as first:
        # It has the folder to itself before it makes this.
        assert soon((directory / "postgres.lock").exists, seconds=60), first.text
        assert f"already running in {directory}" in refused(directory)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REDIS_URL", f"http://:{PASSWORD}@localhost/0"),
        ("REDIS_URL", f"redis://:{PASSWORD}@localhost:port/0"),
        ("DATABASE_URL", f"mysql://someone:{PASSWORD}@localhost/thisthat"),
        ("DATABASE_URL", f"postgresql://someone:{PASSWORD}@localhost:port/thisthat"),
        ("DATABASE_URL", f"postgresql://someone:{PASSWORD}@localhost"),
    ],
)
def test_an_address_that_cannot_be_read(directory, name, url):
    line = refused(directory, **{name: url})
    assert line.startswith(f"{name} can't be read: write ")
    assert PASSWORD not in line
    assert nothing_was_started(directory)


def test_a_database_that_is_away(directory):
    line = refused(directory, DATABASE_URL=f"postgresql://someone:{PASSWORD}@127.0.0.1:1/thisthat")
    assert "The database can't be used" in line
    assert PASSWORD not in line


def test_a_machine_without_a_valkey(directory):
    """The package's program is hidden, and there is none on the PATH: one line says what to install."""
    hide = "import platform, runpy, sys; platform.machine = lambda: 'vax'; sys.argv = ['manage.py', 'dev']; sys.path.insert(0, '.'); runpy.run_path('manage.py', run_name='__main__')"
    environment = environment_in(directory) | {"PORT": str(free_port()), "PATH": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", hide],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "There is no Valkey for this machine: install valkey-server or redis-server, or set REDIS_URL."
    ]


def test_a_server_on_the_path_is_used_where_the_package_has_none(directory):
    from devtools.embedded import valkey

    (directory / "redis-server").symlink_to(shutil.which("redis-server") or valkey.program())
    ask = "import platform; platform.machine = lambda: 'vax'; from devtools.embedded import valkey; print(valkey.program())"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(directory / "redis-server")
