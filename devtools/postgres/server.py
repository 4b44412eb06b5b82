"""A real PostgreSQL for development and tests, shared by all processes that use one directory.

Every user holds a shared lock on `postgres.users`. The first one has a keeper (keeper.py) run the server; the last one
to leave stops it, and where that one was killed the keeper does. Nobody can take the server from under another.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from core.file_locks import exclusively, is_locked, lock_shared, open_lock, try_lock
from devtools.postgres import cluster, keeper
from devtools.postgres.cluster import ClusterError

DATABASE = "thisthat"
# Recovery after a power cut may take a while; a server that won't come up at all is noticed at once.
START_SECONDS = 180
STOP_SECONDS = 60
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgres:
    """One use of the server: it stays up at least until `stop`."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._directory = directory
        self._data = directory / "postgres"
        self._durable = durable
        self._owner = os.getpid()
        self._users: int | None = None
        self.url = ""

    def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        with exclusively(self._directory / "postgres.lock"):
            self._users = open_lock(self._directory / "postgres.users")
            try:
                # Waits while a server that nobody used any more is being stopped.
                lock_shared(self._users)
                cluster.ensure_initialised(self._data, durable=self._durable)
                sockets = self._ensure_running()
                _ensure_database(sockets)
            except BaseException:
                self._leave()
                raise
        self.url = database_url_at(sockets, DATABASE)

    def stop(self) -> None:
        """Leave, and stop the server if nobody else uses it. Does nothing the second time, or in a forked child."""
        if self._users is None or os.getpid() != self._owner:
            return
        try:
            if try_lock(self._users):
                self._shut_down()
            elif not try_lock(self._users, shared=True):
                # Exclusively locked: somebody is stopping the server at this moment. Come back when it's down.
                lock_shared(self._users)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    @property
    def _running(self) -> Path:
        return self._directory / "postgres.running"

    @property
    def _output(self) -> Path:
        return self._directory / "postgres.out"

    def _ensure_running(self) -> Path:
        deadline = time.monotonic() + START_SECONDS
        launched = False
        while time.monotonic() < deadline:
            sockets = _socket_directory_in_use(self._data)
            if sockets and _answers(sockets):
                return sockets
            if not is_locked(self._running):
                if launched:
                    raise ClusterError(f"PostgreSQL didn't start:\n{self._last_words()}")
                self._launch()
                launched = True
            time.sleep(0.02)
        raise ClusterError(f"PostgreSQL wasn't ready within {START_SECONDS} s:\n{self._last_words()}")

    def _launch(self) -> None:
        # No process of this directory lives and no server listens: these are left from a crash, and the number in them
        # may by now belong to any other program, which PostgreSQL would take for itself.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (cluster.socket_directory(self._data) / f"{cluster.SOCKET_NAME}.lock").unlink(missing_ok=True)
        with self._output.open("wb") as output:
            subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", keeper.__file__, json.dumps(self._order())],
                check=True,
                env=cluster.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _order(self) -> dict[str, object]:
        options = [f"unix_socket_directories={cluster.socket_directory(self._data)}"]
        options += [] if self._durable else NOT_DURABLE
        command = [str(cluster.programs() / "postgres"), "-D", str(self._data)]
        for option in options:
            command += ["-c", option]
        return {
            "command": command,
            "account": cluster.account(),
            "users": str(self._directory / "postgres.users"),
            "running": str(self._running),
        }

    def _shut_down(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT):
            pid = _postmaster(self._data)
            if pid is None or not is_locked(self._running):
                return
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while is_locked(self._running) and time.monotonic() < deadline:
                time.sleep(0.02)

    def _last_words(self) -> str:
        """What it printed before its log was open, then the end of the log if that is of this start."""
        since = self._output.stat().st_mtime
        logs = [path for path in (self._data / "log").glob("*.log") if path.stat().st_mtime >= since]
        lines = [line for path in (self._output, *logs) for line in path.read_text(errors="replace").splitlines()]
        return "\n".join(lines[-10:])


def start(directory: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """Use the server whose data is in `directory`/postgres, starting it if need be.

    `durable=False` trades safety at a power cut for speed: for tests. A server that already runs stays as it is.
    Raises ClusterError.
    """
    server = EmbeddedPostgres(directory.resolve(), durable=durable)
    server.start()
    return server


_in_use: dict[Path, EmbeddedPostgres] = {}


def database_url(directory: Path) -> str:
    """The URL of the server in `directory`, used by this process until it ends."""
    directory = directory.resolve()
    if directory not in _in_use:
        server = _in_use[directory] = start(directory)
        atexit.register(server.stop)
    return _in_use[directory].url


def database_url_at(sockets: Path, database: str) -> str:
    return f"postgresql://{cluster.SUPERUSER}@/{database}?host={quote(str(sockets), safe='/')}"


def _postmaster(data: Path) -> int | None:
    lines = _pid_file(data)
    return int(lines[0]) if lines else None


def _socket_directory_in_use(data: Path) -> Path | None:
    lines = _pid_file(data)
    # The fifth line is the first socket directory; the file grows while the server starts.
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None  # noqa: PLR2004


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _answers(sockets: Path) -> bool:
    """True when ready; False when nothing listens, or what listens is still starting or already stopping."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(sockets / cluster.SOCKET_NAME))
        except OSError:
            return False
    try:
        psycopg.connect(database_url_at(sockets, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _ensure_database(sockets: Path) -> None:
    with psycopg.connect(database_url_at(sockets, "postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
