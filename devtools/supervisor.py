"""Runs several programs under one terminal and stops them together. Knows nothing of Django."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TextIO

from devtools import watchdog

COLOURS = ("36", "33", "35", "32", "34", "31")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_EVERY = 0.1
# Leftovers of a group whose leader has ended have nothing to finish.
ORPHAN_SECONDS = 2


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    # The others ask it things until they end: it is stopped after them.
    serves_others: bool = False


class Output:
    """One terminal for many writers, whole lines only. A terminal that has gone away is no error."""

    def __init__(self, stream: TextIO | None = None, *, width: int = 9) -> None:
        self._stream = stream or sys.stdout
        self._width = width
        self._lock = threading.Lock()
        self._colours = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._names: dict[str, str] = {}

    def say(self, text: str, name: str = "") -> None:
        line = f"{self._prefix(name)} {text}" if name else text
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    def _prefix(self, name: str) -> str:
        plain = f"{name:<{self._width}} |"
        if not self._colours:
            return plain
        colour = self._names.setdefault(name, COLOURS[len(self._names) % len(COLOURS)])
        return f"\x1b[{colour}m{plain}\x1b[0m"


class Supervisor:
    """Start programs, `wait` until a signal or the first death, `stop` what is left.

    Each program leads a session of its own, so that Ctrl-C reaches only the supervisor, and a stop reaches the
    program's own children too. Use it in the main thread: that is where signals arrive.
    """

    def __init__(self, output: Output, *, grace_seconds: float = 15) -> None:
        self._output = output
        self._grace_seconds = grace_seconds
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._servers: set[str] = set()
        self._pumps: list[threading.Thread] = []
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", watchdog.__file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP end `wait` instead of the process; a second one hurries `stop`."""
        for number in SIGNALS:
            signal.signal(number, lambda received, _: self._signals.put(received))

    def start(self, program: Program) -> None:
        child = subprocess.Popen(  # noqa: S603 - the caller's own command
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(program.environment),
            start_new_session=True,
        )
        self._children[program.name] = child
        if program.serves_others:
            self._servers.add(program.name)
        self._tell_watchdog(f"+{child.pid}")
        pump = threading.Thread(target=self._pump, args=(program.name, child.stdout), daemon=True)
        pump.start()
        self._pumps.append(pump)

    def was_asked_to_stop(self) -> bool:
        return not self._signals.empty()

    def died(self) -> str | None:
        """What to say of the first program found dead, if any."""
        for name, child in self._children.items():
            status = child.poll()
            if status is not None:
                how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
                return f"{name} {how}"
        return None

    def wait(self) -> int:
        """The exit status to end with: 0 after a signal, 1 after a death."""
        while True:
            with suppress(queue.Empty):
                self._signals.get(timeout=LOOK_EVERY)
                return 0
            death = self.died()
            if death is not None:
                self._output.say(f"{death}: stopping everything.")
                return 1

    def stop(self) -> None:
        """Ask each program, and leave its own children to it; then end what is left of the groups."""
        self.stopping.set()
        self._stop_leaders(self._children.keys() - self._servers)
        self._stop_leaders(self._servers)
        self._wait_while(self._has_orphans, ask=lambda: self._send_all(signal.SIGTERM), seconds=ORPHAN_SECONDS)
        self._send_all(signal.SIGKILL)
        for child in self._children.values():
            child.wait()
            self._tell_watchdog(f"-{child.pid}")
        for pump in self._pumps:
            pump.join(timeout=1)
        self._dismiss_watchdog()

    def _wait_while(self, is_so: Callable[[], bool], *, ask: Callable[[], None], seconds: float) -> None:
        if not is_so():
            return
        ask()
        deadline = time.monotonic() + seconds
        while is_so() and time.monotonic() < deadline and not self.was_asked_to_stop():
            time.sleep(0.02)

    def _stop_leaders(self, names: Collection[str]) -> None:
        leaders = [self._children[name] for name in names]

        def ask() -> None:
            for leader in leaders:
                leader.terminate()

        # A list, for each is to be looked at: that is also what reaps it.
        self._wait_while(lambda: None in [leader.poll() for leader in leaders], ask=ask, seconds=self._grace_seconds)

    def _has_orphans(self) -> bool:
        return any(watchdog.is_alive(child.pid) for child in self._children.values() if child.poll() is not None)

    def _send_all(self, number: signal.Signals) -> None:
        for child in self._children.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)

    def _pump(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._output.say(line.decode(errors="replace").rstrip(), name)

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.write(f"{line}\n".encode())
                self._watchdog.stdin.flush()

    def _dismiss_watchdog(self) -> None:
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.close()
        self._watchdog.wait()
