"""Django's cache on Redis, and in the process's own memory while Redis is away."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from core.resilience import CircuitBreaker

MEMORY_ENTRIES = 20_000


@cache
def breaker_of(location: str) -> CircuitBreaker:
    """Return the location's breaker, one for all threads' cache objects. The location may hold a password."""
    return CircuitBreaker("Redis", fallback="each process caches and counts for itself")


def or_in_memory(operation: str) -> Callable[..., Any]:
    """Return a method that runs the operation on Redis, or in memory when that fails or failed a moment ago."""

    def run(self: "RedisOrMemory", *args: Any, **kwargs: Any) -> Any:
        if self.breaker.allows():
            try:
                value = getattr(RedisCache, operation)(self, *args, **kwargs)
            except RedisError as exc:
                self.breaker.record_failure(exc)
            else:
                self.note_success()
                return value
        return getattr(self.memory, operation)(*args, **kwargs)

    return run


class RedisOrMemory(RedisCache):
    """Uses memory while Redis is away, and never raises for it. What is in memory is dropped when Redis is back."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.breaker = breaker_of(server)
        self.memory = LocMemCache(f"instead of {server}", {"OPTIONS": {"MAX_ENTRIES": MEMORY_ENTRIES}})

    add = or_in_memory("add")
    get = or_in_memory("get")
    set = or_in_memory("set")
    touch = or_in_memory("touch")
    delete = or_in_memory("delete")
    get_many = or_in_memory("get_many")
    has_key = or_in_memory("has_key")
    incr = or_in_memory("incr")
    set_many = or_in_memory("set_many")
    delete_many = or_in_memory("delete_many")
    clear = or_in_memory("clear")

    def note_success(self) -> None:
        if self.breaker.record_success():
            self.memory.clear()

    def ping(self) -> None:
        """Ask Redis itself, whatever happened a moment ago. Raises RedisError."""
        self._cache.get_client(None, write=True).ping()
        self.note_success()
