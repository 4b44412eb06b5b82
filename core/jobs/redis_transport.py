"""Kombu's transport over Redis, for queues that lose nothing and workers that live on when Redis dies.

Kombu takes a message out of its queue and then, with a second command, notes it as not acknowledged: a worker killed
between the two loses it. What was noted comes back an hour later. Here a message moves in one step to a list of the
worker's own, and each worker holds a lease, a key that expires: what was taken by one whose lease ran out goes back to
its queue at once. Needs Redis 6.2.
"""

# mypy: disable-error-code="attr-defined"
# Kombu has more than its stubs know.

import logging
from queue import Empty
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
LEASE_SECONDS = 20
# Also the time between looks for leases that ran out: `unacked_restore_interval` in core/backends.py.
RENEW_SECONDS = 5
HOLDERS = "queue-holders"
RESTORE_SECONDS = 60


def _lease(holder: str) -> str:
    return f"queue-lease:{holder}"


def _unacked(holder: str) -> str:
    return f"queue-unacked:{holder}"


def _taken(holder: str) -> str:
    return f"queue-taken:{holder}"


class QoS(redis.QoS):
    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Restore what others left, too. Kombu calls this every RENEW_SECONDS."""
        self.channel.renew_lease()
        self.channel.restore_abandoned()
        super().restore_visible(*args, **kwargs)


class Channel(redis.Channel):
    QoS = QoS
    # One list for each queue: no message here has a priority.
    priority_steps = [0]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._holder = uuid4().hex
        self._renew_at = 0.0
        self._waited_for = ""
        self.unacked_key = _unacked(self._holder)
        self.unacked_index_key = f"{self.unacked_key}:times"

    def renew_lease(self) -> None:
        """Say that this consumer lives, unless it has just been said."""
        now = monotonic()
        if now < self._renew_at:
            return
        with self.conn_or_acquire() as client:
            client.pipeline().set(_lease(self._holder), 1, ex=LEASE_SECONDS).sadd(HOLDERS, self._holder).execute()
        self._renew_at = now + RENEW_SECONDS

    def restore_abandoned(self) -> None:
        """Put back what consumers whose lease ran out had taken and not acknowledged."""
        with self.conn_or_acquire() as client:
            for holder in map(bytes_to_str, client.smembers(HOLDERS)):
                if client.exists(_lease(holder)):
                    continue
                try:
                    with redis.Mutex(client, f"queue-restoring:{holder}", RESTORE_SECONDS):
                        self._restore_from(client, holder)
                except redis.MutexHeld:
                    continue

    def _restore_from(self, client: Any, holder: str) -> None:
        unacked, taken = _unacked(holder), _taken(holder)
        noted = client.hgetall(unacked)
        for tag, stored in noted.items():
            message, exchange, routing_key = loads(bytes_to_str(stored))
            pipe = client.pipeline()
            self._do_restore_message(message, exchange, routing_key, pipe)
            pipe.hdel(unacked, tag).execute()
        tags = {bytes_to_str(tag) for tag in noted}
        for item in client.lrange(taken, 0, -1):
            message = loads(bytes_to_str(item))
            pipe = client.pipeline()
            # One that was noted, too, has gone back above.
            if message["properties"]["delivery_tag"] not in tags:
                delivery = message["properties"]["delivery_info"]
                self._do_restore_message(message, delivery["exchange"], delivery["routing_key"], pipe)
            pipe.lrem(taken, 1, item).execute()
        client.pipeline().delete(f"{unacked}:times").srem(HOLDERS, holder).execute()

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for the next message, of one queue after the other where there are several."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        self.renew_lease()
        self._waited_for = queues[0]
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        seconds = (timeout or self.brpop_timeout) / len(queues)
        self.client.connection.send_command(
            "BLMOVE", self._waited_for, _taken(self._holder), "RIGHT", "LEFT", f"{seconds:.3f}"
        )

    def _brpop_read(self, **options: Any) -> bool:
        try:
            item = self._read_reply(**options)
            self._queue_cycle.rotate(self._waited_for)
            if item is None:
                raise Empty
            self._deliver(item)
            with self.conn_or_acquire() as client:
                client.lrem(_taken(self._holder), 1, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _deliver(self, item: bytes) -> None:
        """Hand a message to the worker. One that can't be read is dropped: it would end one worker after another."""
        try:
            message = loads(bytes_to_str(item))
            message["properties"]["delivery_tag"]
        except (ValueError, TypeError, LookupError) as exc:
            logger.error("a message in the queue %s can't be read and is dropped: %s", self._waited_for, exc)  # noqa: TRY400
        else:
            self.connection._deliver(message, self._waited_for)  # noqa: SLF001 - as kombu does

    def _read_reply(self, **options: Any) -> Any:
        try:
            return self.client.parse_response(self.client.connection, "BLMOVE", **options)
        except self.connection_errors:
            # The next try connects anew.
            self.client.connection.disconnect()
            raise

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        """Raise what workers take for a lost connection, where kombu's own raises AttributeError and ends them.

        A message that is acknowledged or put back after the connection was closed comes here:
        https://github.com/celery/kombu/issues/582
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the queue is closed")
        return super()._connparams(asynchronous)  # type: ignore[misc]


class Transport(redis.Transport):
    """A Redis that refuses commands is one that is away.

    It may be read-only after a failover, out of memory or unable to save, and want a password; kombu takes that for an
    error of the program's, and its workers end.
    """

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError)
