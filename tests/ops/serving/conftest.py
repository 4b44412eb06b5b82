import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from devtools.simulators.start import free_port
from ops.processes import web_command
from tests.core.service_process import REPOSITORY
from tests.devtools.conftest import soon

GET = "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"


class Client(socket.socket):
    """A connection, on which any bytes can be sent, and responses are read one after the other."""

    def response(self, method: str = "GET") -> Any:
        """The next one: `status`, `headers` with small names, and `body`."""
        if not hasattr(self, "_file"):
            self._file = self.makefile("rb")
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        is_empty = method == "HEAD" or status in (204, 304)
        body = b"" if is_empty else self._file.read(int(headers["content-length"]))
        return SimpleNamespace(status=status, headers=headers, body=body)

    def rest(self) -> bytes:
        """What comes until the server closes, cleanly or not."""
        received = b""
        with suppress(ConnectionError):
            while chunk := self.recv(65_536):
                received += chunk
        return received

    def close(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        super().close()


class Server:
    """The web server, as the service starts it, with the tests' own application."""

    def __init__(
        self,
        *,
        port: int = 0,
        workers: int = 1,
        head_seconds: float = 10,
        idle_seconds: float = 75,
        send_seconds: float = 30,
        stop_seconds: int = 10,
        connections: int = 10_000,
        errors: IO[bytes] | None = None,
        **limits: float,
    ) -> None:
        self.port = port or free_port()
        settings = SimpleNamespace(
            HOST="127.0.0.1",
            PORT=self.port,
            WEB_WORKERS=workers,
            WEB_CONNECTIONS=connections,
            WEB_HEADER_TIMEOUT=head_seconds,
            WEB_IDLE_TIMEOUT=idle_seconds,
            WEB_SEND_TIMEOUT=send_seconds,
            WEB_STOP_TIMEOUT=stop_seconds,
        )
        self.master = subprocess.Popen(
            web_command(settings, "tests.ops.serving.application:application"),
            cwd=REPOSITORY,
            env=os.environ | {"LIMITS": json.dumps(limits)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        assert soon(self.is_alive, seconds=30)

    def is_alive(self) -> bool:
        try:
            return self.ask("/health", timeout=1).status == 200
        except OSError:
            return False

    def connect(self, sent: str | bytes = b"", *, timeout: float = 20, receive_buffer: int = 0) -> Client:
        """A connection of its own, on which this much was sent."""
        client = Client()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(timeout)
        try:
            client.connect(("127.0.0.1", self.port))
            client.sendall(sent.encode() if isinstance(sent, str) else sent)
        except OSError:
            client.close()
            raise
        return client

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, *, timeout: float = 20, **headers: str
    ) -> Any:
        """A response, read whole, from a connection of its own; with `seconds` and `body`."""
        started = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.body = response.read()
            response.seconds = time.monotonic() - started
            return response
        finally:
            connection.close()

    def stop(self) -> int:
        self.master.terminate()
        try:
            return self.master.wait(30)
        finally:
            self.master.kill()
            self.master.wait()

    def worker_ids(self) -> list[int]:
        listed = ["pgrep", "-P", str(self.master.pid), "-f", "spawn_main"]
        found = subprocess.run(listed, check=False, capture_output=True, text=True).stdout
        return [int(line) for line in found.split()]

    def memory(self) -> int:
        """Bytes that the workers have in memory."""
        sizes = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.worker_ids()]
        return sum(map(int, sizes)) * os.sysconf("SC_PAGE_SIZE")


def get(path: str) -> bytes:
    return GET.format(path=path).encode()


@contextmanager
def many(count: int, make: Any) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(make()) for _ in range(count)]


@pytest.fixture(scope="session", autouse=True)
def many_files() -> None:
    """Thousands of connections are as many open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """With the limits that it ships with."""
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """With short limits."""
    running = Server(
        head_seconds=0.5, idle_seconds=1, body_seconds=0.5, send_seconds=1.0, request_seconds=1.0, queue_seconds=0.5
    )
    yield running
    running.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
