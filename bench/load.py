"""A small HTTP load generator: keep-alive connections that each send the next request when the response has come."""

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Result:
    """Latencies in milliseconds. `statuses` counts the responses by status."""

    rate: float
    p50: float
    p99: float
    statuses: dict[int, int]


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Return the status of the response, once it is whole."""
        self.buffer += self.socket.recv(262_144)
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        status = int(head[9:12])
        if status != 304 and len(body) < content_length(head):
            return None
        self.buffer = b""
        return status


def content_length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    end = head.find(b"\r\n", at)
    return int(head[at : end if end >= 0 else None])


def request_bytes(url: str, **headers: str) -> bytes:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post_bytes(url: str, body: bytes, **headers: str) -> bytes:
    parts = urlsplit(url)
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {text}" for name, text in given.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def run(base: str, next_request: Callable[[], bytes], *, connections: int = 16, seconds: float = 5.0) -> Result:
    """Send as fast as responses come, for that long, after half a second that isn't counted."""
    parts = urlsplit(base)
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(str(parts.hostname), parts.port or 80)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next_request())
    start = time.perf_counter() + 0.5
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    while (now := time.perf_counter()) < start + seconds:
        for ready, _ in selector.select(timeout=1):
            connection = ready.data
            status = connection.receive()
            if status is None:
                continue
            if now >= start:
                latencies.append(time.perf_counter() - connection.sent_at)
                statuses[status] = statuses.get(status, 0) + 1
            connection.send(next_request())
    selector.close()
    latencies.sort()
    return Result(
        rate=len(latencies) / seconds,
        p50=1000 * latencies[len(latencies) // 2],
        p99=1000 * latencies[int(len(latencies) * 0.99)],
        statuses=statuses,
    )
