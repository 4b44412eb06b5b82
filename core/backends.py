"""The database; caches and the jobs' queue, on Redis when there is one, else what a process or a folder can do alone.

How long each is waited for when it is away.
"""

from pathlib import Path
from typing import Any

# Seconds to connect to the database; then milliseconds until what was sent must have arrived, and seconds between
# looks whether the server's machine is still there. Without these a machine that vanishes is waited for for hours.
DATABASE_PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# Connecting and waiting for an answer, each: a Redis that takes longer counts as away.
PATIENCE_SECONDS = 0.5


def database(config: dict[str, Any], *, prepare: bool) -> dict[str, Any]:
    """Django's `DATABASES["default"]`, from what the URL says; its own options win.

    One connection a thread, kept. With `prepare` a statement that comes again is planned once (not behind a proxy that
    shares connections between transactions, unless it knows prepared statements).
    """
    statements = {"server_side_binding": True, "prepare_threshold": 2 if prepare else None}
    return {
        **config,
        "ENGINE": "core.db",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_PATIENCE, **config.get("OPTIONS", {}), **statements},
    }


def cache(redis_url: str) -> dict[str, Any]:
    """Django's `CACHES["default"]`."""
    if not redis_url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
    return {
        "BACKEND": "core.caching.RedisOrMemory",
        "LOCATION": redis_url,
        "KEY_PREFIX": "thisthat",
        "OPTIONS": {"socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS},
    }


def broker_options(redis_url: str, folder: Path) -> dict[str, Any]:
    """Celery's `broker_transport_options`, in seconds; the filesystem's queue is kept in the folder."""
    if redis_url:
        return {"socket_timeout": 5, "socket_connect_timeout": 2, "visibility_timeout": 3600}
    queue = folder / "queue"
    return {"data_folder_in": queue, "data_folder_out": queue, "control_folder": folder / "control"}


def broker_transport(redis_url: str) -> str | None:
    """Celery's `broker_transport`; None: the one that the URL's scheme names."""
    return "core.jobs.redis_transport:Transport" if redis_url.startswith(("redis://", "rediss://")) else None


def quick_broker_options(redis_url: str) -> dict[str, Any]:
    """More of them, for who can't wait: one try, and no patience."""
    if not redis_url:
        return {}
    return {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS, "max_retries": 0}
