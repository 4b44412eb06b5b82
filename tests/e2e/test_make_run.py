"""`make run`, as a person at a terminal has it: its one process, its output, Ctrl-C."""

import json
import re
import socket
import time
import urllib.request
from pathlib import Path

import psycopg

from core.file_locks import is_locked
from devtools.embedded import postgres
from devtools.simulators.start import free_port
from tests.devtools.conftest import is_process_alive, soon
from tests.e2e.terminal import make_run


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def titles(base: str) -> set[str]:
    return {market["title"] for market in get(f"{base}/api/v1/markets?limit=50")["data"]}


def children_of(var_dir: Path) -> list[int]:
    """Every living process that was started with this VAR_DIR, or runs a database in it."""
    marks = (f"VAR_DIR={var_dir}".encode(), f"{var_dir}/postgres".encode(), f"{var_dir}/valkey".encode())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if any(mark in known for mark in marks) and is_process_alive(int(folder.name)):
            found.append(int(folder.name))
    return found


def as_before_there_were_roles(var_dir):
    """All is `postgres`'s, and the service's role may read nothing."""
    server = postgres.start(var_dir)
    try:
        with psycopg.connect(server.superuser_url, autocommit=True) as connection:
            connection.execute(f"REASSIGN OWNED BY {postgres.OWNER} TO {postgres.SUPERUSER}")
            connection.execute(f"DROP OWNED BY {postgres.ROLE}")
    finally:
        server.stop()


def test_it_runs_stops_is_quick_the_second_time_and_starts_after_a_kill(var_dir):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    gone = "http://127.0.0.1:1"
    started = time.monotonic()
    with make_run(var_dir, port, POLYMARKET_GAMMA_URL=gone) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        first_took = time.monotonic() - started
        assert f"Polymarket can't be reached at {gone}: markets come from the bundled simulator." in terminal.lines
        assert re.search(r"Simulator +http://127\.0\.0\.1:\d+", terminal.text)
        assert re.search(rf"API docs +{base}/api/docs", terminal.text)
        assert get(f"{base}/health")["status"] == "ok"
        # Another web process may show what it remembers, an empty list, for a second more.
        first: set[str] = set()
        assert soon(lambda: first.update(titles(base)) or first, seconds=60), terminal.text
        assert len(children_of(var_dir)) > 4
        another_one_is_refused(var_dir)

        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text
    assert not re.search("Traceback|started again", terminal.text), terminal.text
    assert soon(lambda: not children_of(var_dir))
    assert not any(is_locked(var_dir / f"{name}.running") for name in ("postgres", "valkey"))

    as_before_there_were_roles(var_dir)
    started = time.monotonic()
    with make_run(var_dir, port) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        assert time.monotonic() - started < first_took
        assert "Markets come from the bundled simulator" in terminal.text
        assert titles(base) & first
        terminal.process.kill()
        terminal.process.wait(10)
    # Killed, it leaves nothing behind, and the next starts.
    assert soon(lambda: not children_of(var_dir), seconds=30)
    with make_run(var_dir, port) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text


def another_one_is_refused(var_dir: Path) -> None:
    """In the same place, in one line."""
    with make_run(var_dir, free_port()) as second:
        assert second.ends() == 1
        assert second.lines == [f"`make run` is already running in {var_dir}: stop it, or choose another VAR_DIR."]


def test_a_taken_port_is_named_before_anything_is_started(var_dir):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with make_run(var_dir, port) as terminal:
            assert terminal.ends() == 1
            assert len(terminal.lines) == 1
            assert f"Port {port} on 127.0.0.1" in terminal.lines[0]


def test_production_mode_is_refused_in_one_line(var_dir):
    production = {
        "DEBUG": "false",
        "SECRET_KEY": "x" * 60,
        "JWT_ACCESS_SECRET": "y" * 60,
        "STOCK_SIGNING_KEYS": "key:" + "z" * 60,
        "ALLOWED_HOSTS": "localhost",
        "FRONTEND_URL": "https://www.example.com",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "no-reply@example.com",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "HOUSE_MARKET_SPREAD": "0.02",
        # The simulator has a refusal of its own.
        "POLYMARKET_GAMMA_URL": "http://127.0.0.1:1",
    }
    with make_run(var_dir, free_port(), **production) as terminal:
        assert terminal.ends() == 1
        assert len(terminal.lines) == 1
        assert "DEBUG=true" in terminal.lines[0]
