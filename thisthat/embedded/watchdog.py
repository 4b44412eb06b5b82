"""Ends the process groups of a supervisor that was killed.

A program of its own, on the standard library alone. The supervisor writes `+GROUP` and `-GROUP` lines to its standard
input; the end of that input with groups left means that the supervisor died without stopping them.
"""

import os
import signal
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 10


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # What macOS answers for a group of zombies.
        return False
    return True


def ask(group: int) -> None:
    """Its leader, which ends its own children in good order; the children where the leader has gone."""
    try:
        os.kill(group, signal.SIGTERM)
    except ProcessLookupError:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)


def end(groups: set[int]) -> None:
    for group in groups:
        ask(group)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(is_alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


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
