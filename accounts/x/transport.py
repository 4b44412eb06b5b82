"""Questions to X within bounds: of time, in all and not only between two bytes; of size; and without redirects."""

import logging
import socket
from contextlib import suppress
from http import HTTPStatus
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

logger = logging.getLogger(__name__)
CONNECT_SECONDS = 3.05
MAX_BODY = 256 * 1024  # bytes, unpacked; X answers with less than 2 KiB


class BoundedSession(requests.Session):
    """For one exchange. What it sends and gets is secret: it logs a refusal's status and nothing else."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        for scheme in ("http://", "https://"):
            self.mount(scheme, _HangingUpAdapter(seconds))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        timeout = (min(CONNECT_SECONDS, self._seconds), self._seconds)
        kwargs |= {"allow_redirects": False, "stream": True, "timeout": timeout}
        if urlsplit(str(request.url)).hostname == "127.0.0.1":
            # The stand-in is here, whatever proxy leads elsewhere.
            kwargs["proxies"] = {}
        response = super().send(request, **kwargs)
        body = response.raw.read(MAX_BODY + 1, decode_content=True)
        if len(body) > MAX_BODY:
            raise requests.RequestException("the answer is too long")
        # Where `requests` itself keeps a body that was read.
        response._content = body  # noqa: SLF001
        if response.status_code != HTTPStatus.OK:
            logger.warning("X answered %s with status %s", request.method, response.status_code)
        return response


class _HangsUp:
    """A connection that ends `seconds` after it was made: a read timeout alone begins anew with every byte."""

    seconds: float
    sock: socket.socket | None
    _timer: Timer | None = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # urllib3's
        self._timer = Timer(self.seconds, _hang_up, [self.sock])
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        super().close()  # type: ignore[misc]  # urllib3's


class _Connection(_HangsUp, HTTPConnection):
    pass


class _SecureConnection(_HangsUp, HTTPSConnection):
    pass


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class _HangingUpAdapter(HTTPAdapter):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": self._bounded(_Connection)}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": self._bounded(_SecureConnection)}),
        }

    def _bounded(self, kind: type[_HangsUp]) -> type[_HangsUp]:
        return type(kind.__name__, (kind,), {"seconds": self._seconds})
