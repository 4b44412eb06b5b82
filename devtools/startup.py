"""What happens before the settings are read: what can't work is refused in one line, and the embedded servers start."""

import atexit
import json
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from core.environment import Env
from core.file_locks import is_locked, open_lock, try_lock
from devtools.embedded.postgres import Postgres
from devtools.embedded.server import EmbeddedServer, StartupError
from devtools.embedded.valkey import Valkey
from devtools.simulators.start import SIMULATOR

BASE_DIR = Path(__file__).resolve().parent.parent
MEBIBYTE = 1024 * 1024
# A new database takes 60 MiB, and its log of changes may take as much again at any time.
FREE_MEBIBYTES = 200
EMBEDDED: dict[str, type[EmbeddedServer]] = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey}
# Held by a `make run`, and what it tells other commands.
LOCK, RUNNING = "dev.lock", "dev.json"
# The servers that this process uses until it ends.
in_use: list[EmbeddedServer] = []


def provide_services(arguments: Sequence[str]) -> None:
    """Start the servers whose address isn't set, and set it, for this command line of manage.py in development.

    The servers stay up until this process, or the program that it becomes, ends. Does nothing in production. Raises
    StartupError or ImproperlyConfigured, for a wrong setting before anything is started.
    """
    env = Env()
    if env.bool("DJANGO_READ_DOT_ENV", default=True):
        env.read_env(BASE_DIR / ".env")
    is_dev = list(arguments[1:2]) == ["dev"]
    if not env.bool("DEBUG", default=False):
        if is_dev:
            raise StartupError("`make run` is for development: set DEBUG=true, or start the processes one by one.")
        return
    var_dir = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
    refuse_bad_addresses(env)
    if is_dev:
        refuse_taken_port(env.str("HOST", default="127.0.0.1"), env.port("PORT", default=8000))
    wanted = {name: kind for name, kind in EMBEDDED.items() if not env.str(name, default="")}
    if is_dev or wanted:
        refuse_bad_folder(var_dir, free_mebibytes=env.int("VAR_FREE_MIB", default=FREE_MEBIBYTES))
    if is_dev:
        take_folder(var_dir)
    else:
        os.environ.update(running_environment(var_dir))
    for kind in wanted.values():
        os.environ.update(use(kind(var_dir)).environment)


def use(server: EmbeddedServer) -> EmbeddedServer:
    """Return the server, started, for this process to use until it ends. Raises StartupError."""
    try:
        server.start()
    except OSError as exc:
        raise StartupError(f"VAR_DIR {server.directory} can't be used: {exc}.") from exc
    atexit.register(server.stop)
    in_use.append(server)
    return server


def refuse_bad_addresses(env: Env) -> None:
    if env.str("DATABASE_URL", default=""):
        env.database("DATABASE_URL")
    if env.str("REDIS_URL", default=""):
        env.redis_url("REDIS_URL")


def refuse_taken_port(host: str, port: int) -> None:
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: connections that linger from an earlier run don't count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as exc:
        other = port + 1 if port + 1 < 2**16 else port - 1
        raise StartupError(
            f"Port {port} on {host} can't be had: {exc.strerror or exc}. "
            f"Stop what uses it, or choose another port: make run PORT={other}"
        ) from exc


def refuse_bad_folder(var_dir: Path, *, free_mebibytes: int) -> None:
    """Raise StartupError where the folder can't be made or written, or where its disk is full."""
    probe = var_dir / f".probe-{uuid4().hex}"
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(var_dir).free // MEBIBYTE
    except OSError as exc:
        raise StartupError(
            f"VAR_DIR {var_dir} can't be written: {exc.strerror}. Choose another, or make it writable."
        ) from exc
    if free < free_mebibytes:
        raise StartupError(
            f"VAR_DIR {var_dir} has {free} MiB left, and {free_mebibytes} are needed: make room, or choose another."
        )


def take_folder(var_dir: Path) -> None:
    """Hold the folder for one `make run` alone, until this process ends."""
    # Not closed: the lock goes with the process.
    if not try_lock(open_lock(var_dir / LOCK)):
        raise StartupError(f"`make run` is already running in {var_dir}: stop it, or choose another VAR_DIR.")


def publish_running(var_dir: Path, environment: Mapping[str, str]) -> None:
    """Write down where the simulators of this `make run` are, for other commands in the same folder."""
    given = {name: os.environ.get(name, "") for name in environment}
    (var_dir / RUNNING).write_text(json.dumps({"given": given, "environment": dict(environment)}))


def previous_simulator_port(var_dir: Path) -> int:
    """Return the port of the simulator that ran in the folder last, if nothing uses it now, else 0."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        running = json.loads((var_dir / RUNNING).read_text())
        port = urlsplit(running["environment"]["POLYMARKET_GAMMA_URL"]).port or 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return port
    return 0


def running_environment(var_dir: Path) -> dict[str, str]:
    """Return the addresses that a `make run` in the folder has put in place of the same settings; empty without one."""
    if not (var_dir / RUNNING).exists() or not is_locked(var_dir / LOCK):
        return {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        running = json.loads((var_dir / RUNNING).read_text())
        # Whoever sets another upstream for one command means it.
        given = running["given"]
        return {
            name: value
            for name, value in running["environment"].items()
            if os.environ.get(name, "") in ("", SIMULATOR, given[name])
        }
    return {}
