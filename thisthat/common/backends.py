"""Caches and the jobs' queue: on Redis when there is one, else what a process, or the file system, can do alone."""

from pathlib import Path
from typing import Any

# Connecting and waiting for an answer, each: a Redis that takes longer counts as away.
PATIENCE_SECONDS = 0.5


def cache(redis_url: str) -> dict[str, Any]:
    """Django's `CACHES["default"]`."""
    if not redis_url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
    return {
        "BACKEND": "thisthat.common.caching.RedisOrMemory",
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


def quick_broker_options(redis_url: str) -> dict[str, Any]:
    """More of them, for who can't wait: one try, and no patience."""
    if not redis_url:
        return {}
    return {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS, "max_retries": 0}
