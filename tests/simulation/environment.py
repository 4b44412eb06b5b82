"""The environment of a simulation, set before Django reads its settings: a server, a migrated template, a database.

The template is made once for the migrations as they are, and stays on the server: a run begins with a copy of it, which
takes a tenth of a second. SIMULATION_DIR is where an embedded server has its data (default: var/simulation); several
trees may share it. SIMULATION_DATABASE_URL, a superuser's, names another server.
"""

import os
from pathlib import Path

import psycopg
from psycopg import sql

from devtools.embedded import postgres
from devtools.embedded.postgres import OWNER, ROLE
from tests.databases import make_roles, with_database, with_role
from tests.migrated import USE, template_database

ROOT = Path(__file__).resolve().parent.parent.parent
# Nothing listens there: no simulation reaches anything but its own simulators.
NOWHERE = "http://127.0.0.1:1"
NO_REDIS = "redis://127.0.0.1:1/0"
# What a developer's shell may have set for a service, and a simulation must not depend on.
FORGOTTEN = (
    *("DATABASE_", "REDIS_URL", "SECRET_KEY", "JWT_", "ALLOWED_HOSTS", "FRONTEND_URL", "PORT", "WEB_", "X_", "CORS_"),
    *("CSRF_", "SECURE_", "TRUST_PROXY", "NUM_PROXIES", "THROTTLE_", "PUBLIC_CACHE_", "MARKET_", "SIMULATOR_"),
    *("STOCK_", "STRIPE_", "PURCHASE", "DAILY_CREDITS_", "REFERRAL_", "STARTING_", "ADMIN_", "ANCHOR_", "HOUSE_"),
    *("EMAIL_", "DEFAULT_FROM_EMAIL"),
)
# A low cap and limit, so that they are reached; nothing that waits for real time.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "thisthat.settings",
    "DJANGO_READ_DOT_ENV": "false",
    "DEBUG": "true",
    "LOG_LEVEL": "CRITICAL",
    "THROTTLE_ENABLED": "false",
    "PUBLIC_CACHE_SECONDS": "0",
    "WEB_THREADS": "4",
    "REDIS_URL": NO_REDIS,
    "POLYMARKET_GAMMA_URL": NOWHERE,
    "POLYMARKET_CLOB_URL": NOWHERE,
    "POLYMARKET_BOOK_REQUESTS_PER_SECOND": "1000000",
    "MARKET_FILL_SECONDS": "30",
    "MARKET_FILL_COLLECT_SECONDS": "0",
    "REFERRAL_DAILY_CAP": "3",
    "ACCOUNT_DELETION_DAYS": "1",
    "STRIPE_SECRET_KEY": "sk_test_simulation",
    "STRIPE_WEBHOOK_SECRET": "whsec_simulation",
    "STRIPE_API_URL": NOWHERE,
    "FRONTEND_URL": "https://front.example",
    # Mails wait: their job isn't simulated.
    "EMAIL_URL": "smtp://127.0.0.1:1",
}


class Databases:
    """The databases of this process, on a server that others may use as well."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.name = f"simulation_{os.getpid()}"
        self.template = ""
        self._admin = psycopg.connect(with_database(server, "postgres"), autocommit=True)

    @property
    def superuser_url(self) -> str:
        return with_database(self._server, self.name)

    @property
    def url(self) -> str:
        return with_role(self.superuser_url, ROLE)

    @property
    def owner_url(self) -> str:
        return with_role(self.superuser_url, OWNER)

    def prepare(self) -> None:
        """Make the roles and the template unless they are there, and remove what killed runs left."""
        make_roles(self._server)
        self._remove_leftovers()
        self.template = template_database(self._server, prefix="simulated_")
        self._admin.execute(USE, [self.template])

    def renew(self) -> None:
        """Make the database of this process anew, as the migrations left it. Nobody is connected to it."""
        self.drop()
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        self._admin.execute(create.format(*map(sql.Identifier, (self.name, self.template, OWNER))))
        # A deadlock is found at once: no test of time waits for a second.
        self._admin.execute(
            sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '15ms'").format(sql.Identifier(self.name))
        )
        self._admin.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(self.name)))

    def drop(self) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def _remove_leftovers(self) -> None:
        rows = self._admin.execute("SELECT datname FROM pg_database WHERE datname ~ '^simulation_[0-9]+$'")
        for (name,) in rows.fetchall():
            if not is_alive(int(name.removeprefix("simulation_"))):
                self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def set_up() -> Databases:
    """Start or find the server, make the database, and set the environment for Django."""
    for name in [name for name in os.environ if name.startswith(FORGOTTEN)]:
        del os.environ[name]
    directory = Path(os.environ.get("SIMULATION_DIR", ROOT / "var" / "simulation")).resolve()
    server = os.environ.get("SIMULATION_DATABASE_URL") or postgres.start(directory, durable=False).superuser_url
    os.environ |= ENVIRONMENT | {"VAR_DIR": str(directory / f"run-{os.getpid()}")}
    databases = Databases(server)
    databases.prepare()
    databases.renew()
    os.environ |= {"DATABASE_URL": databases.url, "DATABASE_OWNER_URL": databases.owner_url}
    return databases
