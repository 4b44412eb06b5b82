"""All checks at once, each in a thread of its own and bounded: what hangs is a finding, too."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.db import connections

from ops.doctor import configuration, database, surroundings
from ops.doctor.findings import Finding, failure

PATIENCE_SECONDS = 12.0
Check = Callable[[], Iterator[Finding]]


class Examined(NamedTuple):
    check: Check
    advice: str  # where the check itself fails


CHECKS: dict[str, Examined] = {
    "settings": Examined(configuration.check_configuration, "Read .env.example."),
    "database": Examined(database.check_database, database.START_DATABASE),
    "migrations": Examined(database.check_migrations, database.START_DATABASE),
    "cache": Examined(surroundings.check_cache, surroundings.START_REDIS),
    "broker": Examined(surroundings.check_broker, surroundings.START_REDIS),
    "upstream": Examined(surroundings.check_upstream, "See that this machine reaches Polymarket."),
    "jobs": Examined(database.check_jobs, "See to the database and the migrations first."),
    "disk": Examined(surroundings.check_disk, "Let the service's account write to VAR_DIR."),
}


def examine() -> list[Finding]:
    """In the order of CHECKS, within PATIENCE_SECONDS."""
    found: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=look, args=(name, examined, found), daemon=True) for name, examined in CHECKS.items()
    ]
    deadline = time.monotonic() + PATIENCE_SECONDS
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
    return failure(name, f"no answer within {PATIENCE_SECONDS:.0f} seconds", CHECKS[name].advice)
