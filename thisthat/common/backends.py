"""Caches and the jobs' queue: on Redis when there is one, else what a process, or the file system, can do alone."""

from pathlib import Path
from typing import Any


def cache(redis_url: str) -> dict[str, Any]:
    """Django's `CACHES["default"]`. A Redis that is away is given half a second."""
    if not redis_url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_url,
        "KEY_PREFIX": "thisthat",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }


def broker_options(redis_url: str, folder: Path) -> dict[str, Any]:
    """Celery's `broker_transport_options`, in seconds; the filesystem's queue is kept in the folder."""
    if redis_url:
        return {"socket_timeout": 5, "socket_connect_timeout": 2, "visibility_timeout": 3600}
    queue = folder / "queue"
    return {"data_folder_in": queue, "data_folder_out": queue, "control_folder": folder / "control"}
