"""The environment of a test run, set before Django reads its settings: `-p tests.environment` in pyproject.toml.

The controller starts one database server for all its workers, which find everything in the environment they inherit.
TEST_DATABASE_URL, a superuser's, and TEST_REDIS_URL put the tests on real services instead. Each worker has a database of its
own in both. The owner of the databases and the role of the service are made here (tests/roles.py). With pytest's
`--reuse-db` TEST_TEMPLATE_DATABASE names a migrated database to copy, which takes less time than to migrate.
"""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from devtools.embedded import postgres, valkey
from devtools.embedded.postgres import OWNER, ROLE
from tests.databases import make_roles, with_database, with_role

TEST_DIR = Path(__file__).resolve().parent.parent / "var" / "test"
# Nothing listens on port 1: a test that forgets to say which upstream it means is refused at once.
NOWHERE = "http://127.0.0.1:1"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "thisthat.settings",
    "DJANGO_READ_DOT_ENV": "false",
    "DEBUG": "true",
    "LOG_LEVEL": "WARNING",
    "THROTTLE_ENABLED": "true",
    "WEB_THREADS": "4",
    # Most tests reckon with odds at which one buys and sells alike; tests/betting/test_fills.py with a spread.
    "HOUSE_MARKET_SPREAD": "0",
    "POLYMARKET_GAMMA_URL": NOWHERE,
    "POLYMARKET_CLOB_URL": NOWHERE,
    "POLYMARKET_WS_URL": "ws://127.0.0.1:1/ws/market",
    # Tests of the feed run their own.
    "FEED_ENABLED": "false",
}
# What a developer's shell or CI may have set for a service, and no test is meant to see.
FORGOTTEN = (
    *("DATABASE_", "REDIS_URL", "SECRET_KEY", "JWT_", "ALLOWED_HOSTS", "FRONTEND_URL", "PORT", "WEB_", "X_"),
    *(
        "CORS_",
        "CSRF_",
        "SECURE_",
        "TRUST_PROXY",
        "NUM_PROXIES",
        "THROTTLE_",
        "PUBLIC_CACHE_",
        "MARKET_",
        "SIMULATOR_",
        "STOCK_",
        "STRIPE_",
        "FEED_",
        "PURCHASE",
        "DAILY_CREDITS_",
        "EMAIL_",
        "DEFAULT_FROM_EMAIL",
    ),
)

_servers = []


def set_up() -> None:
    for name in [name for name in os.environ if name.startswith(FORGOTTEN)]:
        del os.environ[name]
    os.environ |= ENVIRONMENT | {"VAR_DIR": str(session_dir(os.getpid()))}
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        _servers.append(postgres.start(TEST_DIR, durable=False))
        url = _servers[-1].superuser_url
    remove_leftovers(url)
    make_roles(url)
    if template := os.environ.get("TEST_TEMPLATE_DATABASE"):
        copy_database(url, template, f"test_thisthat_{os.getpid()}")
    url = with_database(url, f"thisthat_{os.getpid()}")
    os.environ["TEST_SUPERUSER_URL"] = url
    os.environ |= {"DATABASE_URL": with_role(url, ROLE), "DATABASE_OWNER_URL": with_role(url, OWNER)}
    redis_url = os.environ.get("TEST_REDIS_URL")
    if not redis_url:
        _servers.append(valkey.start(session_dir(os.getpid()), durable=False))
        redis_url = _servers[-1].url
    os.environ["REDIS_URL"] = with_redis_database(redis_url, 0)


def session_dir(pid: int) -> Path:
    return TEST_DIR / f"session-{pid}"


def copy_database(url: str, template: str, name: str) -> None:
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}")
        connection.execute(copy.format(*map(sql.Identifier, (name, template, OWNER))))


def with_redis_database(url: str, number: int) -> str:
    """The same server, and its database of that number."""
    if url.startswith("unix:"):
        return f"{url.partition('?')[0]}?db={number}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))


def remove_leftovers(url: str) -> None:
    """Databases and folders of runs that were killed."""
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^test_thisthat_'"):
            if is_over(name):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    for folder in TEST_DIR.glob("session-*"):
        if is_over(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def is_over(name: str) -> bool:
    pid = re.search(r"\d+", name)
    if pid is None:
        return False
    try:
        os.kill(int(pid[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def pytest_unconfigure() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    for server in _servers:
        server.stop()
    shutil.rmtree(session_dir(os.getpid()), ignore_errors=True)


if "PYTEST_XDIST_WORKER" in os.environ:
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.environ["REDIS_URL"] = with_redis_database(os.environ["REDIS_URL"], worker + 1)
else:
    set_up()
