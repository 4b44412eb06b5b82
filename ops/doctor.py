"""Examines everything the service needs and reports what to do about what is wrong.

Each check is a generator of findings and runs in a thread of its own; the whole never hangs and never raises.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import requests
from django.conf import settings
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.providers.protocol import PROVIDERS
from core.db import schema
from core.db.pooling import Pooling, current_pooling
from core.db.roles import rights_too_many
from core.db.sql import fetch_all, fetch_one
from core.jobs.runs import histories
from core.jobs.scheduling import late_jobs
from markets import rules as market_rules
from markets.feed.selectors import feed_health
from ops import health
from purchases import rules as purchase_rules

SHORTEST_SECRET = 6


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `advice`: what to do; empty where nothing is to be done."""

    check: str
    state: State
    text: str
    advice: str = ""

    def without_secrets(self) -> "Finding":
        return Finding(self.check, self.state, without_secrets(self.text), without_secrets(self.advice))


def ok(check: str, text: str) -> Finding:
    return Finding(check, State.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, State.WARNING, text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    return Finding(check, State.FAILURE, text, advice)


def without_secrets(text: str) -> str:
    """Return the text without addresses and passwords, which a library may quote when a connection fails."""
    for secret in secrets():
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def secrets() -> Iterator[str]:
    yield settings.SECRET_KEY
    yield str(settings.SIMPLE_JWT["SIGNING_KEY"])
    yield from settings.STOCK_SIGNING_KEYS.values()
    yield from (settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET)
    yield from (provider.setting("CLIENT_SECRET") for provider in PROVIDERS.values())
    yield str(settings.DATABASES["default"].get("PASSWORD") or "")
    for url in (settings.DATABASE_URL, settings.DATABASE_OWNER_URL, settings.REDIS_URL):
        password = urlsplit(url).password or ""
        yield from (password, unquote(password))


SHORT = 50
FEW_DIFFERENT = 10
PLACEHOLDERS = ("development-only", "django-insecure", "change", "secret", "example")


def check_configuration() -> Iterator[Finding]:
    if settings.DEBUG:
        yield warning("settings", "DEBUG is on: made-up secrets, embedded services", "In production, set DEBUG=false.")
        return
    found = [*secret_findings(), *address_findings(), *proxy_findings(), *feature_findings()]
    yield from found
    if not found:
        yield ok("settings", "nothing is weak or missing")


def secret_findings() -> Iterator[Finding]:
    named = {"SECRET_KEY": settings.SECRET_KEY, "JWT_ACCESS_SECRET": str(settings.SIMPLE_JWT["SIGNING_KEY"])}
    for name, secret in named.items():
        if len(secret) < SHORT or len(set(secret)) < FEW_DIFFERENT or secret.lower().startswith(PLACEHOLDERS):
            yield failure(
                "settings", f"{name} is weak", f"Set {name} to {SHORT} random letters or more, and keep it secret."
            )
    if len({*named.values(), *settings.STOCK_SIGNING_KEYS.values()}) < len(named) + len(settings.STOCK_SIGNING_KEYS):
        yield failure(
            "settings",
            "two of SECRET_KEY, JWT_ACCESS_SECRET and STOCK_SIGNING_KEYS are the same",
            "Give each a random text of its own.",
        )


def address_findings() -> Iterator[Finding]:
    if "*" in settings.ALLOWED_HOSTS:
        yield warning("settings", "ALLOWED_HOSTS lets any host name in", "Name the hosts that the service responds to.")
    if not settings.FRONTEND_URL.startswith("https://"):
        yield warning("settings", "FRONTEND_URL is not https", "Tokens go there in an address: serve it over HTTPS.")


def proxy_findings() -> Iterator[Finding]:
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER is not None
    hops = settings.REST_FRAMEWORK["NUM_PROXIES"]
    if behind_proxy and not hops:
        yield warning(
            "settings",
            "TRUST_PROXY is on and NUM_PROXIES is 0: all clients count as one address, the proxy's",
            "Set NUM_PROXIES to how many proxies add to X-Forwarded-For.",
        )
    if not behind_proxy and not settings.SECURE_SSL_REDIRECT:
        yield warning(
            "settings",
            "SECURE_SSL_REDIRECT and TRUST_PROXY are off: passwords and tokens may travel in the clear",
            "End TLS in a proxy, and set TRUST_PROXY=true.",
        )


def feature_findings() -> Iterator[Finding]:
    if not settings.THROTTLE_ENABLED:
        yield warning(
            "settings", "THROTTLE_ENABLED is off: passwords can be guessed fast", "Set THROTTLE_ENABLED=true."
        )
    if purchase_rules.PURCHASES_ALLOW_SIMULATED:
        yield failure(
            "settings", "PURCHASES_ALLOW_SIMULATED is on: credits are for free", "Set PURCHASES_ALLOW_SIMULATED=false."
        )
    clients = {
        f"{name}_CLIENT_ID, {name}_CLIENT_SECRET and {name}_REDIRECT_URI": [
            provider.setting(part) for part in ("CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI")
        ]
        for name, provider in ((provider.name.upper(), provider) for provider in PROVIDERS.values())
    }
    for name, parts in {
        **clients,
        "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET": [settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET],
    }.items():
        if any(parts) and not all(parts):
            yield failure("settings", f"of {name} some are missing", "Set all of them, or none.")


OLDEST_VERSION = 150_000  # as PostgreSQL numbers them; docs/operations.md
SKEW_SECONDS = 2.0
STATEMENT_TIMEOUT = "5s"
MOST_LINES = 10
START_DATABASE = "Start PostgreSQL, or set DATABASE_URL to where it is."
START_PROCESSES = "See that worker and beat run (`manage.py work`, `celery beat`), and what their logs say of it."

ABOUT = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(),
    current_setting('fsync')::bool AND current_setting('full_page_writes')::bool, pg_is_in_recovery()
"""


def check_database() -> Iterator[Finding]:
    pooling = current_pooling()
    shared = pooling == Pooling.TRANSACTION
    if not shared:
        fetch_one("SELECT set_config('statement_timeout', %s, false)", [STATEMENT_TIMEOUT])
    before = datetime.now(UTC)
    ((number, version, its_time, durable, read_only),) = fetch_all(ABOUT)
    after = datetime.now(UTC)
    if number < OLDEST_VERSION:
        yield failure("database", f"PostgreSQL {version} is too old", "Upgrade to PostgreSQL 15 or newer.")
    else:
        yield ok("database", f"PostgreSQL {version} responds")
    if shared:
        yield ok("pooler", "sessions are shared between transactions, and nothing is left in them")
    elif pooling == Pooling.SESSION:
        yield ok("pooler", "each connection has a session of its own")
    if not durable:
        yield warning("database", "fsync or full_page_writes is off: a crash loses credits", "Switch both on.")
    if read_only:
        yield failure("database", "it is a replica, which can't be written", "Set DATABASE_URL to the primary.")
    yield clock_finding(before, its_time, after)


def clock_finding(before: datetime, its_time: datetime, after: datetime) -> Finding:
    """Return how the database's clock, read between the two moments, differs from ours."""
    skew = max((before - its_time).total_seconds(), (its_time - after).total_seconds(), 0.0)
    if skew > SKEW_SECONDS:
        return warning(
            "clock",
            f"this machine and the database differ by {skew:.0f} seconds or more",
            "Keep both on time (NTP): closing times and days are counted by them.",
        )
    return ok("clock", "this machine and the database agree")


def check_migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        yield failure("migrations", f"{len(pending)} not applied: {names} …", "Run `python manage.py migrate`.")
    else:
        yield ok("migrations", "all applied")


def check_role() -> Iterator[Finding]:
    rights = rights_too_many()
    if rights:
        yield warning(
            "role",
            f"the role of DATABASE_URL {', '.join(rights)}",
            "Keep the owner for migrations, in DATABASE_OWNER_URL, and run as another role: docs/operations.md.",
        )
    else:
        yield ok("role", "the service may read and write rows, and nothing else")


def check_schema() -> Iterator[Finding]:
    lines = schema.differences()
    for line in lines[:MOST_LINES]:
        yield failure("schema", line, "Find out who changed it. `python manage.py migrate` makes no such change.")
    if len(lines) > MOST_LINES:
        yield failure("schema", f"and {len(lines) - MOST_LINES} more", "`manage.py audit_ledger` lists twenty.")
    if not lines:
        yield ok("schema", f"all {schema.examined()} definitions and grants are as migrated")


def check_jobs() -> Iterator[Finding]:
    history = histories()
    late = late_jobs(history, now=timezone.now())
    for job in late:
        since = f"{job.last_success_at:%Y-%m-%d %H:%M} UTC" if job.last_success_at else "ever"
        yield failure("jobs", f"{job.job} has not succeeded since {since}", START_PROCESSES)
    failed = sorted(job for job, past in history.items() if past.status in ("failed", "abandoned"))
    for name in failed:
        yield warning("jobs", f"the last run of {name} failed", "Its error is in the admin, under job runs.")
    if not history:
        yield warning("jobs", "none ever ran", START_PROCESSES)
    elif not late and not failed:
        yield ok("jobs", f"{len(history)} ran when they should")


UPSTREAM_SECONDS = 4.0
START_REDIS = "Start Redis, or set REDIS_URL to where it is. Meanwhile the API serves without."
MEBIBYTE = 1024 * 1024
LITTLE_SPACE, TOO_LITTLE_SPACE = 1024 * MEBIBYTE, 100 * MEBIBYTE


def check_cache() -> Iterator[Finding]:
    health.check_cache()
    yield ok("cache", "Redis responds")


def check_broker() -> Iterator[Finding]:
    health.check_broker()
    yield ok("broker", "Redis responds")


def check_upstream() -> Iterator[Finding]:
    yield from check_url("POLYMARKET_GAMMA_URL", f"{settings.POLYMARKET_GAMMA_URL}/events/keyset?limit=1&closed=false")
    yield from check_url("POLYMARKET_CLOB_URL", f"{settings.POLYMARKET_CLOB_URL}/time")


def check_url(name: str, url: str) -> Iterator[Finding]:
    if not url.startswith(("http://", "https://")):
        yield warning("upstream", f"{name} names no server: only `make run` knows what to do", f"Set {name} to a URL.")
        return
    advice = f"See that this machine reaches it, and that {name} is right. Meanwhile there are no live odds."
    try:
        response = requests.get(url, timeout=UPSTREAM_SECONDS, stream=True, allow_redirects=False)
    except (requests.RequestException, ValueError, OSError) as exc:
        yield failure("upstream", f"{name} can't be reached: {type(exc).__name__}", advice)
        return
    with response:
        if response.status_code != HTTPStatus.OK:
            yield failure("upstream", f"{name} responds with status {response.status_code}", advice)
        else:
            yield ok("upstream", f"{name} responds")


def check_feed() -> Iterator[Finding]:
    now = timezone.now()
    feed = feed_health(now=now)
    refreshed = f"watched odds are refreshed every {market_rules.ODDS_REFRESH_SECONDS} seconds"
    if not market_rules.FEED_ENABLED:
        yield ok("feed", f"FEED_ENABLED is off: {refreshed}")
    elif not feed.is_running:
        yield warning("feed", "no process is the price feed", f"See that `manage.py feed` runs. Meanwhile {refreshed}.")
    elif not feed.is_healthy(now=now):
        since = f"since {feed.heard_at:%Y-%m-%d %H:%M:%S} UTC" if feed.heard_at else "of some connections yet"
        yield warning(
            "feed",
            f"the price feed has heard nothing {since}",
            f"See that this machine reaches POLYMARKET_WS_URL. Meanwhile {refreshed}.",
        )
    else:
        yield ok("feed", f"it follows {feed.trusted} of {feed.tokens} tokens over {feed.connections} connections")


def check_disk() -> Iterator[Finding]:
    folder: Path = settings.VAR_DIR
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield failure("disk", f"{existing} can't be written", "Let the service's account write to VAR_DIR.")
        return
    free = shutil.disk_usage(existing).free
    text = f"{free // MEBIBYTE} MiB are free in VAR_DIR"
    if free < TOO_LITTLE_SPACE:
        yield failure("disk", text, "Make room.")
    elif free < LITTLE_SPACE:
        yield warning("disk", text, "Make room soon.")
    else:
        yield ok("disk", text)


TIMEOUT_SECONDS = 12.0
Check = Callable[[], Iterator[Finding]]


class Examined(NamedTuple):
    check: Check
    advice: str  # where the check itself fails


CHECKS: dict[str, Examined] = {
    "settings": Examined(check_configuration, "Read .env.example."),
    "database": Examined(check_database, START_DATABASE),
    "migrations": Examined(check_migrations, START_DATABASE),
    "role": Examined(check_role, START_DATABASE),
    "schema": Examined(check_schema, START_DATABASE),
    "cache": Examined(check_cache, START_REDIS),
    "broker": Examined(check_broker, START_REDIS),
    "upstream": Examined(check_upstream, "See that this machine reaches Polymarket."),
    "feed": Examined(check_feed, "See to the database and the migrations first."),
    "jobs": Examined(check_jobs, "See to the database and the migrations first."),
    "disk": Examined(check_disk, "Let the service's account write to VAR_DIR."),
}


def examine() -> list[Finding]:
    """Return the findings in the order of CHECKS, within TIMEOUT_SECONDS."""
    found: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=look, args=(name, examined, found), daemon=True) for name, examined in CHECKS.items()
    ]
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [finding.without_secrets() for name in CHECKS for finding in found.get(name) or [hanging(name)]]


def look(name: str, examined: Examined, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = list(examined.check())
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is what was looked for
        first_line = (str(exc).splitlines() or [""])[0]
        found[name] = [failure(name, f"{type(exc).__name__}: {first_line}", examined.advice)]
    finally:
        connections.close_all()


def hanging(name: str) -> Finding:
    return failure(name, f"no response within {TIMEOUT_SECONDS:.0f} seconds", CHECKS[name].advice)
