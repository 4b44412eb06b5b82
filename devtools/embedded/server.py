"""What both embedded servers share: starting, sharing and stopping one, and where its socket is.

They are real servers, for development and tests, each shared by all processes that use one directory. Every user holds
a shared lock on a file of the server's. The first one has a keeper (keeper.py) run the server; the last one to leave
stops it, and where that one was killed the keeper does. Nobody can take it from under another.
"""

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypedDict

from core.file_locks import exclusively, is_locked, lock_shared, open_lock, try_lock
from devtools.embedded import keeper

# Recovery after a power cut may take a while; a server that won't come up at all is noticed at once.
START_SECONDS = 180
# How long a process that stops a server waits for its keeper, which goes on without it.
KEEPER_SECONDS = 60
# Operating systems limit the length of a socket's path: to 104 bytes on macOS, to 108 on Linux.
LONGEST_SOCKET_PATH = 100


class Account(TypedDict, total=False):
    """Arguments of `subprocess` for who runs a program; empty means ourselves."""

    user: int
    group: int
    extra_groups: list[int]


class StartupError(RuntimeError):
    """The service can't start as things are; the text says why and what to do, in one line."""


class EmbeddedServer(ABC):
    """One use of a server: it stays up until `stop` at least, or until this process ends, also after an `exec`."""

    name: ClassVar[str]
    socket_name: ClassVar[str]
    # Tried in turn, and SIGKILL at last; after each the server has `signal_seconds` to end.
    stop_signals: ClassVar[Sequence[signal.Signals]]
    signal_seconds: ClassVar[float] = 60

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety at a power cut for speed: for tests. A server that runs stays as it is."""
        self.directory = directory.resolve()
        self.data = self.directory / self.name
        self._durable = durable
        self._owner = os.getpid()
        self._users: int | None = None
        self._output_read = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """What its clients are told."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The settings of a process of the service that uses this server."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs before its first start. Raises StartupError."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the server's command line."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Return whether it responds; False while nothing listens, or what listens is still starting or stopping."""

    def _account(self) -> Account:
        return {}

    def _stale(self) -> list[Path]:
        """Return the files that a server which crashed may have left in the way of the next."""
        return []

    def _logs(self) -> list[Path]:
        return []

    def _after_start(self) -> None:  # noqa: B027 - nothing, for most
        """Do what needs a running server."""

    def start(self) -> None:
        """Start the server unless it runs. Raises StartupError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with exclusively(self._file("lock")):
            self._users = open_lock(self._file("users"))
            # After an `exec` the new program goes on using the server.
            os.set_inheritable(self._users, True)
            try:
                # Waits while a server that nobody used any more is being stopped.
                lock_shared(self._users)
                self._prepare()
                self._ensure_running()
                self._after_start()
            except BaseException:
                self._leave()
                raise

    def stop(self) -> None:
        """Leave, and stop the server if nobody else uses it. Does nothing the second time, or in a forked child."""
        if self._users is None or os.getpid() != self._owner:
            return
        try:
            if try_lock(self._users):
                self._shut_down()
            elif not try_lock(self._users, shared=True):
                # Exclusively locked: somebody is stopping the server at this moment. Come back when it's down.
                lock_shared(self._users)
        finally:
            self._leave()

    def start_again_if_down(self) -> bool:
        """Start what has neither a keeper nor a server any more, without waiting for it; return whether that was so."""
        if self.is_running():
            return False
        with exclusively(self._file("lock")):
            if self.is_running():
                return False
            self._launch()
        return True

    def is_running(self) -> bool:
        return is_locked(self._file("keeper")) or is_locked(self._file("running"))

    def new_keeper_messages(self) -> list[str]:
        """Return what the keeper has said since this was last asked: each restart, and why."""
        with suppress(FileNotFoundError), self._output.open("rb") as output:
            if output.seek(0, os.SEEK_END) < self._output_read:
                self._output_read = 0
            output.seek(self._output_read)
            whole, newline, _ = output.read().rpartition(b"\n")
            self._output_read += len(whole + newline)
            lines = whole.decode(errors="replace").splitlines()
            return [line.removeprefix(keeper.PREFIX) for line in lines if line.startswith(keeper.PREFIX)]
        return []

    def _file(self, kind: str) -> Path:
        return self.directory / f"{self.name}.{kind}"

    @property
    def _output(self) -> Path:
        return self._file("out")

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        launched = False
        while time.monotonic() < deadline:
            if self._is_ready():
                return
            if not self.is_running():
                if launched:
                    raise StartupError(f"The embedded {self.name} didn't start: {self._last_log_lines()}")
                self._launch()
                launched = True
            time.sleep(0.02)
        raise StartupError(f"The embedded {self.name} wasn't ready within {START_SECONDS} s: {self._last_log_lines()}")

    def _launch(self) -> None:
        spec = {
            "name": self.name,
            "command": self._command(),
            "account": self._account(),
            "users": str(self._file("users")),
            "keeper": str(self._file("keeper")),
            "running": str(self._file("running")),
            "stale": [str(path) for path in self._stale()],
            "stop_signals": list(self.stop_signals),
            "signal_seconds": self.signal_seconds,
        }
        with self._output.open("wb") as output:
            subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", keeper.__file__, json.dumps(spec)],
                check=True,
                env=plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _shut_down(self) -> None:
        if not self.directory.exists():
            # Its keeper stops a server whose directory was removed.
            return
        if is_locked(self._file("keeper")):
            self._send_and_wait("keeper", signal.SIGTERM, seconds=KEEPER_SECONDS)
            return
        # The keeper was killed: the server itself is told.
        for number in (*self.stop_signals, signal.SIGKILL):
            if not self.is_running():
                return
            self._send_and_wait("running", number, seconds=self.signal_seconds)

    def _send_and_wait(self, whom: str, number: signal.Signals, *, seconds: float) -> None:
        with suppress(ProcessLookupError):
            os.kill(int(self._file(whom).read_text()), number)
        deadline = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _last_log_lines(self) -> str:
        """Return what it said last of this start, in one line."""
        since = self._output.stat().st_mtime
        logs = [path for path in self._logs() if path.stat().st_mtime >= since]
        lines = [line for path in (*logs, self._output) for line in path.read_text(errors="replace").splitlines()]
        return " / ".join(line.strip() for line in lines[-5:] if line.strip()) or "it said nothing"


def plain_environment() -> dict[str, str]:
    """Return what the servers are told: no variable that changes what they do, one language, and no secret."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def socket_directory(data: Path, socket_name: str, account: Account) -> Path:
    """Return the data directory, or a private one with a short, plain name where a socket can't have that path."""
    plain = re.fullmatch(r"[\w./+@=-]+", str(data), re.ASCII)
    if plain and len(str(data / socket_name)) <= LONGEST_SOCKET_PATH:
        return data
    owner = account.get("user", os.geteuid())
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    short = Path("/tmp") / f"thisthat-{owner}-{name}"  # noqa: S108 - its owner and mode are checked below
    try:
        short.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        hand_over(short, account)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        raise StartupError(f"{short} isn't a private folder of user {owner}; remove it.")
    return short


def hand_over(path: Path, account: Account) -> None:
    """Make the account the owner of the path."""
    if account:
        os.chown(path, account["user"], account["group"])
