"""The database, and the cache and the jobs' queue on Redis: how they are reached, and how long they are waited for."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from kombu.transport import TRANSPORT_ALIASES

# Ours, wherever a URL says Redis.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "core.jobs.redis_transport:Transport"))

# Seconds to connect to the database; then milliseconds until what was sent must have arrived, and seconds between
# looks whether the server's machine is still there. Without these a machine that vanishes is waited for for hours.
DATABASE_TIMEOUTS = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# Connecting and waiting for a response, each: a Redis that takes longer counts as away.
REDIS_TIMEOUT_SECONDS = 0.5


def database(config: dict[str, Any], *, prepare: bool | None) -> dict[str, Any]:
    """Return Django's `DATABASES["default"]`, from what the URL says; its own options win.

    One connection a thread, kept. With `prepare` a statement that comes again is planned once; None: unless a pooler is
    found that shares sessions between transactions (core/db/pooling.py).
    """
    statements = {
        "server_side_binding": True,
        "prepare_threshold": None if prepare is False else 2,
        "prepare_anyway": prepare is True,
    }
    return {
        **config,
        "ENGINE": "core.db",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_TIMEOUTS, **config.get("OPTIONS", {}), **statements},
    }


def bound_statements(config: dict[str, Any], *, seconds: float) -> None:
    """Bound every statement of this process, before it connects: somebody waits for the response."""
    config["OPTIONS"]["statement_seconds"] = seconds


def cache(redis_url: str) -> dict[str, Any]:
    """Return Django's `CACHES["default"]`."""
    return {
        "BACKEND": "core.caching.RedisOrMemory",
        "LOCATION": redis_url,
        "KEY_PREFIX": "thisthat",
        "OPTIONS": {
            "serializer": "core.caching.Serializer",
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
        },
    }


def broker_url(redis_url: str) -> str:
    """Return Celery's `broker_url`: the same Redis, as kombu writes it."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


# Celery's `broker_transport_options`, in seconds.
BROKER_OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "visibility_timeout": 3600,
    "unacked_restore_interval": 5,
}
# More of them, for a sender that can't wait: one try, no retries.
QUICK_BROKER_OPTIONS: dict[str, Any] = {
    "socket_timeout": REDIS_TIMEOUT_SECONDS,
    "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
    "max_retries": 0,
}
