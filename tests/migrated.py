"""Databases and servers with all migrations applied: made once for a state of the migrations, and copied from then on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.file_locks import exclusively
from devtools.embedded import postgres
from devtools.embedded.postgres import OWNER, ROLE
from tests.databases import with_database, with_role

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ROOT / "var" / "migrated"
LOCK = "SELECT pg_advisory_lock(63)"
USE = "SELECT pg_advisory_lock_shared(hashtext(%s))"
IS_UNUSED = "SELECT pg_try_advisory_lock(hashtext(%s))"
TEMPLATES = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"


def template_database(url: str, *, prefix: str = "migrated_") -> str:
    """Return the name of a migrated database on the server of a superuser's address, for others to be copies of.

    Migrations record rules that the environment sets: each environment has a prefix. Whoever needs the database for
    longer holds USE of it.
    """
    name = prefix + migrations_hash()
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(LOCK)
        found = [other for (other,) in connection.execute(TEMPLATES, [prefix])]
        if name not in found:
            remove_unused(connection, found)
            make_template(connection, url, name)
    return name


def remove_unused(connection: "psycopg.Connection[Any]", names: Iterable[str]) -> None:
    for name in names:
        (is_unused,) = connection.execute(IS_UNUSED, [name]).fetchone()
        if is_unused:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def make_template(connection: "psycopg.Connection[Any]", url: str, name: str) -> None:
    """Migrate a database beside its place, and give it its name when it is whole."""
    fresh = f"{name}_new"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {}")
    connection.execute(create.format(sql.Identifier(fresh), sql.Identifier(OWNER)))
    of_owner, of_service = (with_role(with_database(url, fresh), role) for role in (OWNER, ROLE))
    migrate({"DATABASE_URL": of_service, "DATABASE_OWNER_URL": of_owner})
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    connection.execute(rename.format(sql.Identifier(fresh), sql.Identifier(name)))


def copy_server(directory: Path) -> None:
    """Put the data of an embedded PostgreSQL into `directory`, where all migrations are applied."""
    made = SERVERS / migrations_hash()
    SERVERS.mkdir(parents=True, exist_ok=True)
    with exclusively(SERVERS / "lock"):
        if not made.exists():
            make_server(made)
    directory.mkdir(parents=True, exist_ok=True)
    # As the account that the server runs as has them.
    subprocess.run(["cp", "-a", str(made / "postgres"), str(directory)], check=True)


def make_server(path: Path) -> None:
    """Make a server beside its place, and move it there when it is whole; those of other migrations are removed."""
    for other in SERVERS.iterdir():
        if other.is_dir():
            shutil.rmtree(other)
    fresh = path.with_name("new")
    server = postgres.start(fresh, durable=False)
    try:
        migrate(server.environment)
    finally:
        server.stop()
    fresh.rename(path)


def migrate(database: Mapping[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | database, check=True, timeout=180)


def migrations_hash() -> str:
    """Return what changes with anything that a migrated database depends on."""
    digest = sha256()
    for path in migrated_from():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def migrated_from() -> Iterator[Path]:
    """Return the migrations, and what gives the permissions and grants that come with them."""
    for pattern in ("*/migrations/*.py", "*/*/migrations/*.py", "*/apps.py", "*/models.py", "*/*/models.py"):
        yield from sorted(ROOT.glob(pattern))
    yield from (ROOT / "core/db/roles.py", ROOT / "devtools/embedded/postgres.py", ROOT / "requirements.txt")
