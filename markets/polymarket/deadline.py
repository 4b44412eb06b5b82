"""A bound on a whole exchange: the read timeout of `requests` starts anew with every byte that drips in."""

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_SHORTEST = 0.001  # seconds; a socket timeout of zero would mean "don't block"


class Deadline:
    """The moment after which nothing is waited for any more."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def remaining(self) -> float:
        """Seconds left; zero or negative when it has passed."""
        return self._at - self._clock()

    def bounded(self, seconds: float) -> float:
        """A timeout of `seconds` that doesn't outlast the deadline; always positive, as sockets need."""
        return max(min(seconds, self.remaining()), _SHORTEST)


_current: ContextVar[Deadline | None] = ContextVar("upstream_deadline", default=None)


@contextmanager
def bounding(deadline: Deadline) -> Iterator[None]:
    """Hold whatever is read through a `DeadlineAdapter` inside this block to `deadline`."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


class _BoundedReader(io.RawIOBase):
    """Bytes from a socket, every wait cut to what the deadline leaves."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        deadline = _current.get()
        if deadline is not None:
            if deadline.remaining() <= 0:
                raise TimeoutError("the time for the whole call is up")
            self._sock.settimeout(deadline.bounded(deadline.remaining() if self._timeout is None else self._timeout))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock))


class _Connection(HTTPConnection):
    response_class = _BoundedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport of `requests`, reading under the deadline of `bounding` (through a proxy: without it)."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
