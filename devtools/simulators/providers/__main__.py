"""`python -m devtools.simulators.providers`: the simulator as a process of its own, until SIGTERM or SIGINT.

Clients are taken from X_CLIENT_ID, X_CLIENT_SECRET and those of the others, as the service has them.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from threading import Event as Signal

from devtools.simulators.providers import ProvidersSimulator
from devtools.simulators.providers.endpoints import DIALECTS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.simulators.providers", description=__doc__)
    parser.add_argument("--port", type=int, default=8766, help="on loopback; 0 takes a free one")
    port = parser.parse_args(arguments).port
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        simulator = ProvidersSimulator(
            {name: (given(name, "ID"), given(name, "SECRET")) for name in DIALECTS}, port=port
        )
    except OSError as error:
        sys.stderr.write(f"The simulator cannot listen: {error}\n")
        return 1
    with simulator:
        sys.stdout.write(f"Simulator of X, Google and Discord ready at {simulator.url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def given(name: str, part: str) -> str:
    return os.environ.get(f"{name.upper()}_CLIENT_{part}", "")


if __name__ == "__main__":
    raise SystemExit(main())
