"""Ends the process groups of a supervisor that was killed.

A program of its own, on the standard library alone. The supervisor writes `+GROUP` and `-GROUP` lines to its standard
input; the end of that input with groups left means that the supervisor died without stopping them.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

GRACE_SECONDS = 10
ORPHAN_SECONDS = 2


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # What macOS answers for a group of zombies.
        return False
    return True


def does_exist(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_while(is_so: Callable[[int], bool], groups: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(is_so, groups)) and time.monotonic() < deadline:
        time.sleep(0.05)


def end(groups: set[int]) -> None:
    """Ask the leaders, which end their own children in good order; then end what is left of the groups."""
    send(os.kill, groups, signal.SIGTERM)
    wait_while(does_exist, groups, GRACE_SECONDS)
    send(os.killpg, groups, signal.SIGTERM)
    wait_while(is_alive, groups, ORPHAN_SECONDS)
    send(os.killpg, groups, signal.SIGKILL)


def send(kill: Callable[[int, int], None], groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            kill(group, number)


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    end(groups)


if __name__ == "__main__":
    main()
