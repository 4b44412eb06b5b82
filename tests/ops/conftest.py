import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection

from devtools.embedded import postgres
from tests.databases import with_database
from tests.migrated import copy_server
from tests.ops.servers import Process, Redis, Web
from tests.staff.conftest import boss, member  # noqa: F401 - fixtures


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for sockets live in it, and open to the account that PostgreSQL runs as."""
    path = Path(os.environ["VAR_DIR"]) / uuid4().hex[:8]
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def redis_server(folder) -> Iterator[Redis]:
    """Not started."""
    server = Redis(folder)
    yield server
    server.kill()


@pytest.fixture
def database(transactional_db) -> str:
    """The address of the tests' database, for processes of their own: what they commit is seen here."""
    return with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])


@pytest.fixture
def database_server(folder) -> Iterator[postgres.Postgres]:
    """A PostgreSQL of this test alone, with the tables; durable, for what was committed has to be there after a crash."""
    copy_server(folder)
    server = postgres.start(folder)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def running(folder) -> Iterator[Callable[..., Process]]:
    """Starts processes of the service, which are stopped at the end."""
    with ExitStack() as stack:

        def run(kind: type[Process], *arguments: object, **environment: str) -> Process:
            process = kind(*arguments, folder, **environment) if kind is Web else kind(*arguments, folder, environment)
            stack.callback(lambda: process.is_running() and process.stop())
            return process

        yield run
