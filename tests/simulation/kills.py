"""Real processes that run a job and are killed, by SIGKILL, before a chosen statement.

They are forked from a process that was itself forked before this one had threads or connections, and which does nothing
else: so each begins at once, and has connections of its own.
"""

import os
import pickle
import struct
import sys
from datetime import datetime
from typing import Any

LENGTH = struct.Struct("!I")


class Killer:
    """The process that forks those that are killed; it waits for commands on a pipe."""

    def __init__(self) -> None:
        command_reader, self._commands = os.pipe()
        self._replies, reply_writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._commands)
            os.close(self._replies)
            serve(command_reader, reply_writer)
            os._exit(0)
        os.close(command_reader)
        os.close(reply_writer)
        self.urls: tuple[str, ...] = ()

    def tell(self, *urls: str) -> None:
        """Tell which upstreams there are."""
        self.urls = urls

    def run_and_kill(self, job: str, now: datetime, at: int) -> bool:
        """Run the job in a new process that is killed before a statement; return whether it came so far."""
        send(self._commands, (job, now, at, self.urls))
        status = receive(self._replies)
        return bool(os.WIFSIGNALED(status))

    def stop(self) -> None:
        os.close(self._commands)
        os.waitpid(self._pid, 0)


def serve(commands: int, replies: int) -> None:
    while (command := receive(commands)) is not None:
        child = os.fork()
        if child == 0:
            run(*command)
        send(replies, os.waitpid(child, 0)[1])


def run(job: str, now: datetime, at: int, urls: tuple[str, ...]) -> None:
    """Run a job until the statement; never returns."""
    import time_machine
    from django.conf import settings

    from tests.simulation import hooks, service

    settings.POLYMARKET_GAMMA_URL = settings.POLYMARKET_CLOB_URL = urls[0]
    settings.STRIPE_API_URL = urls[1]

    def kill(place: hooks.Place) -> None:
        if place.number == at:
            hooks.die()

    try:
        with time_machine.travel(now, tick=False), hooks.at_statements(kill):
            service.job(job)()
    except BaseException as exc:  # noqa: BLE001 - the process ends here
        sys.stderr.write(f"{job}: {exc}\n")
        os._exit(1)
    os._exit(0)


def send(pipe: int, message: Any) -> None:
    data = pickle.dumps(message)
    os.write(pipe, LENGTH.pack(len(data)) + data)


def receive(pipe: int) -> Any:
    """Return the next message; None where the pipe is closed there."""
    head = os.read(pipe, LENGTH.size)
    if not head:
        return None
    (length,) = LENGTH.unpack(head)
    return pickle.loads(os.read(pipe, length))  # noqa: S301 - of the process that forked this one, or was
