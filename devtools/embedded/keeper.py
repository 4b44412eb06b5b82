"""Runs one server for as long as somebody uses it, and starts it again when it dies.

A program of its own, on the standard library alone, so that the server outlives the command that happened to start it
and stops by itself when the last user is gone, also when that user was killed. Three files are locked: users hold a
shared lock on `users`; this process alone holds `keeper`; the server and its children hold `running`: while that is
locked, something may still write to the data. The latter two have the process's number in them.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LOOK_FOR_USERS_EVERY = 0.5
# What this process says itself, among what the server prints.
PREFIX = "keeper: "


class Backoff:
    """How long to wait before what died is started again; the more often it died lately, the longer."""

    DEATHS, WITHIN_SECONDS, STEADY_SECONDS = 5, 60.0, 10.0
    FIRST_SECONDS, LONGEST_SECONDS = 0.1, 5.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deaths: list[float] = []

    def after_death(self, *, lived_seconds: float) -> float | None:
        """Return the seconds to wait; None after DEATHS WITHIN_SECONDS without STEADY_SECONDS of life between."""
        now = self._clock()
        recent = [] if lived_seconds >= self.STEADY_SECONDS else self._deaths
        self._deaths = [at for at in recent if at > now - self.WITHIN_SECONDS] + [now]
        if len(self._deaths) >= self.DEATHS:
            return None
        return float(min(self.FIRST_SECONDS * 4 ** (len(self._deaths) - 1), self.LONGEST_SECONDS))


def describe_end(returncode: int) -> str:
    """Return how a program ended, as `subprocess` counts it, in words."""
    return f"was killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"ended with status {returncode}"


class Keeper:
    """Starts the server that its spec describes, again and again until it is stopped on purpose or nobody uses it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._asked_to_stop = False
        self._unused = False
        # Set when the server has ended, or this process is asked to stop.
        self._news = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)

    def keep(self) -> None:
        backoff = Backoff()
        first = True
        while (running := self._take_running()) is not None:
            started = time.monotonic()
            returncode = self._run(running)
            lived = time.monotonic() - started
            # A server that refuses its very first start says why; trying again would say it again.
            refused = first and (returncode or 0) > 0 and lived < Backoff.STEADY_SECONDS
            if not returncode or refused or self._is_over():
                return
            first = False
            delay = backoff.after_death(lived_seconds=lived)
            if delay is None:
                say(f"{self._spec['name']} {describe_end(returncode)} once too often: given up.")
                return
            say(f"{self._spec['name']} {describe_end(returncode)}: started again in {delay:g} s.")
            self._news.clear()
            if not self._asked_to_stop:
                self._news.wait(delay)

    def _run(self, running: int) -> int | None:
        """Return the server's status when it has ended by itself; None after stopping it."""
        for path in self._spec["stale"]:
            # Left by a crash: the number in them may by now belong to any other program.
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - pathlib costs the start 10 ms
        server = subprocess.Popen(  # noqa: S603 - the command comes from server.py
            self._spec["command"], pass_fds=[running], stdin=subprocess.DEVNULL, **self._spec["account"]
        )
        write_number(running, server.pid)
        os.close(running)
        self._news.clear()
        ended = threading.Event()
        threading.Thread(target=self._tell_end, args=(server, ended), daemon=True).start()
        while not ended.is_set():
            if self._is_over():
                self._stop(server, ended)
                return None
            self._news.wait(LOOK_FOR_USERS_EVERY)
        return server.returncode

    def _tell_end(self, server: "subprocess.Popen[bytes]", ended: threading.Event) -> None:
        server.wait()
        ended.set()
        self._news.set()

    def _take_running(self) -> int | None:
        """Return the lock to hand to a server once nothing of the one before lives; None if no server is wanted."""
        try:
            descriptor = os.open(self._spec["running"], os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        while not self._is_over():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                return descriptor
        return None

    def _ask_to_stop(self, *_: object) -> None:
        self._asked_to_stop = True
        self._news.set()

    def _is_over(self) -> bool:
        self._unused = self._unused or nobody_uses(self._spec["users"])
        return self._unused or self._asked_to_stop

    def _stop(self, server: "subprocess.Popen[bytes]", ended: threading.Event) -> None:
        for number in (*self._spec["stop_signals"], signal.SIGKILL):
            with suppress(ProcessLookupError):
                server.send_signal(number)
            if ended.wait(self._spec["signal_seconds"]):
                return


def nobody_uses(path: str) -> bool:
    """Return whether no user is left; whoever comes then waits until this process, and the server, have ended."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # The whole directory has been removed.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    # Kept open, and locked, until this process ends.
    return True


def write_number(descriptor: int, number: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(number).encode(), 0)


def say(text: str) -> None:
    sys.stdout.write(f"{PREFIX}{text}\n")
    sys.stdout.flush()


def main() -> None:
    spec = json.loads(sys.argv[1])
    keeper = os.open(spec["keeper"], os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(keeper, fcntl.LOCK_EX)
    if child := os.fork():
        # The starter learns from this exit that the lock is held; the child belongs to nobody's terminal.
        write_number(keeper, child)
        os._exit(0)
    os.setsid()
    os.chdir("/")
    Keeper(spec).keep()


if __name__ == "__main__":
    main()
