"""Kombu's transport over Redis, for a worker that lives on when Redis dies in the middle of a job."""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        """Raises what workers take for a lost connection, where kombu's own raises AttributeError and ends them.

        A message that is acknowledged or put back after the connection was closed comes here:
        https://github.com/celery/kombu/issues/582
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the queue is closed")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # not in the stubs


class Transport(redis.Transport):
    Channel = Channel
