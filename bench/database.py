"""A database of a bench's own, in var/, durable as in production, gone afterwards."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.markets import environment

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def own_database(bench: str) -> Iterator[None]:
    """Set Django up on a database of its own, with its tables."""
    var = ROOT / "var" / f"bench-{bench}-{os.getpid()}"
    var.mkdir(parents=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(var), valkey.start(var)
    os.environ.update(
        # Benches make tables of their own, and clean up after themselves.
        environment(database.superuser_url, queue.url),
        VAR_DIR=str(var),
        DJANGO_SETTINGS_MODULE="thisthat.settings",
    )
    import django
    from django.core.management import call_command
    from django.db import connections

    try:
        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections.close_all()
        database.stop()
        queue.stop()
        shutil.rmtree(var, ignore_errors=True)
