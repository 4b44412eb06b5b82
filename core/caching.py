"""Django's cache on Redis, and in the process's own memory while Redis is away."""

import logging
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisSerializer
from redis.exceptions import RedisError, ResponseError

from core.resilience import CircuitBreaker

logger = logging.getLogger(__name__)
MEMORY_ENTRIES = 20_000
PING_SECONDS = 10
# How Redis begins when the key is to blame, and not its own state, such as being read-only or out of memory.
ERRORS_OF_ONE_KEY = ("WRONGTYPE", "value is not")
# What unpickling raises for bytes that aren't a pickle, or one of another version of this code.
UNREADABLE = (pickle.UnpicklingError, AttributeError, EOFError, ImportError, LookupError, TypeError, ValueError)


class UnreadableValue(RedisError):
    """What is stored under a key is no value of the cache's."""


class Serializer(RedisSerializer):
    """Django's, with one exception for all that can be wrong with what is read."""

    def loads(self, data: Any) -> Any:
        try:
            return super().loads(data)
        except UNREADABLE as exc:
            raise UnreadableValue(str(exc)) from exc


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
                if is_of_one_key(exc):
                    logger.warning("a cached value can't be used and counts as missing: %s", exc)
                else:
                    self.breaker.record_failure(exc)
            else:
                self.note_success()
                return value
        return getattr(self.memory, operation)(*args, **kwargs)

    return run


def is_of_one_key(exc: RedisError) -> bool:
    """Return whether the key is to blame: it counts as missing, and Redis is used for the others."""
    is_refused = isinstance(exc, ResponseError) and str(exc).startswith(ERRORS_OF_ONE_KEY)
    return is_refused or isinstance(exc, UnreadableValue)


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
        """Ask Redis itself, by a write, whatever happened a moment ago. Raises RedisError."""
        self._cache.get_client(None, write=True).set(self.make_and_validate_key("ping"), 1, ex=PING_SECONDS)
        self.note_success()
