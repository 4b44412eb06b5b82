"""Runs one PostgreSQL server for as long as somebody uses it.

A program of its own, on the standard library alone, so that the server outlives the command that happened to start it
and stops by itself when the last user is gone, also when that user was killed. Users hold a shared lock on one file.
Another file is locked exclusively by this process and, inherited, by the server and its backends: while that lock is
held, something may still write to the data.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

LOOK_FOR_USERS_EVERY = 0.5
FAST_SHUTDOWN_SECONDS = 60


def nobody_uses(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        # The whole directory has been removed.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    # Kept open on success: a newcomer waits for its turn until this process, and the server with it, is gone.
    return True


def stop(server: "subprocess.Popen[bytes]", stopped: threading.Event) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            server.send_signal(number)
        if stopped.wait(FAST_SHUTDOWN_SECONDS):
            return


def tell_when_stopped(server: "subprocess.Popen[bytes]", stopped: threading.Event) -> None:
    server.wait()
    stopped.set()


def keep(order: dict[str, Any], running: int) -> None:
    server = subprocess.Popen(  # noqa: S603 - the command comes from postgres.py
        order["command"], pass_fds=[running], stdin=subprocess.DEVNULL, **order["account"]
    )
    stopped = threading.Event()
    wanted = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: wanted.set())
    threading.Thread(target=tell_when_stopped, args=(server, stopped), daemon=True).start()
    while not stopped.wait(LOOK_FOR_USERS_EVERY):
        if wanted.is_set() or nobody_uses(order["users"]):
            stop(server, stopped)
            return


def main() -> None:
    order = json.loads(sys.argv[1])
    running = os.open(order["running"], os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(running, fcntl.LOCK_EX)
    if os.fork():
        # The starter learns from this exit that the lock is held; the child belongs to nobody's terminal.
        os._exit(0)
    os.setsid()
    os.chdir("/")
    keep(order, running)


if __name__ == "__main__":
    main()
