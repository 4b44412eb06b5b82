"""Real servers that a test starts, kills, freezes and starts again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from core.file_locks import is_locked
from devtools.embedded import valkey
from devtools.simulators.start import free_port, listens
from tests.core.service_process import PRODUCTION, REPOSITORY, Response
from tests.devtools.conftest import soon


def redis_program() -> str:
    """The machine's Redis, or else the compatible one that development has too."""
    return shutil.which("redis-server") or str(valkey.program())


class Redis:
    """At an address that stays the same, whether or not the server is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--dir": str(self._folder)}
        command = [redis_program(), *(part for option in options.items() for part in option)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert soon(lambda: listens(self.port))

    def kill(self) -> None:
        """At once, with all that it holds."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and never responds."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def keys(self, pattern: str) -> list[bytes]:
        with redis.Redis.from_url(self.url) as client:
            return client.keys(pattern)


class Process:
    """One of the service's, in production mode, its output in a file."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        kept |= {"DJANGO_READ_DOT_ENV": "false", "VAR_DIR": str(folder)}
        self._output = folder / f"{uuid4().hex[:8]}.log"
        self._started = time.monotonic()
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=kept | PRODUCTION | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._output.read_text(errors="replace")

    def said(self, text: str) -> int:
        return self.log.count(text)

    def said_once_a_minute(self, text: str) -> bool:
        """Said, and no more often than that since the start, however long the test takes."""
        return 1 <= self.said(text) <= 1 + (time.monotonic() - self._started) // 60

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, seconds: float = 30) -> int:
        """Its exit status after being asked to end; fails where it doesn't in time."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()


class Web(Process):
    def __init__(self, folder: Path, **environment: str) -> None:
        self.base = f"http://127.0.0.1:{free_port()}"
        port = self.base.rsplit(":", 1)[1]
        own = {"PORT": port, "WEB_WORKERS": "1", "ALLOWED_HOSTS": "127.0.0.1"}
        super().__init__([sys.executable, "manage.py", "serve"], folder, own | environment)
        assert soon(lambda: not self.is_running() or self.is_alive(), seconds=60)
        assert self.is_running(), self.log

    def is_alive(self) -> bool:
        try:
            return self.get("/health").status == 200
        except (OSError, HTTPException):
            return False

    def get(self, path: str, **headers: str) -> Response:
        return self._ask(urllib.request.Request(f"{self.base}{path}", headers=headers))

    def post(self, path: str, body: Any, **headers: str) -> Response:
        headers = {"Content-Type": "application/json"} | headers
        return self._ask(urllib.request.Request(f"{self.base}{path}", json.dumps(body).encode(), headers))

    def _ask(self, request: urllib.request.Request) -> Response:
        started = time.monotonic()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=30) as response:
                status, headers, text = response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, headers, text = refusal.code, refusal.headers, refusal.read().decode()
        found = {name.lower(): value for name, value in headers.items()}
        return Response(status, found, text, time.monotonic() - started)


def crash(folder: Path) -> None:
    """Every process of the PostgreSQL in the folder at once, without a goodbye; its keeper takes it for a stop."""
    postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    assert soon(lambda: not is_locked(folder / "postgres.running"))
