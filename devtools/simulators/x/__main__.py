"""`python -m devtools.simulators.x`: the X simulator as a process of its own, until SIGTERM or SIGINT.

The client is taken from X_CLIENT_ID and X_CLIENT_SECRET, as the service has them.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from threading import Event as Signal

from devtools.simulators.x import XSimulator


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.simulators.x", description=__doc__)
    parser.add_argument("--port", type=int, default=8766, help="on loopback; 0 takes a free one")
    port = parser.parse_args(arguments).port
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    client = {name: os.environ.get(f"X_{name.upper()}", "") for name in ("client_id", "client_secret")}
    try:
        simulator = XSimulator(**client, port=port)
    except OSError as error:
        sys.stderr.write(f"The X simulator cannot listen: {error}\n")
        return 1
    with simulator:
        sys.stdout.write(f"X simulator ready at {simulator.url}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
