"""`python -m devtools.simulators.polymarket`: the simulator as a process of its own, until SIGTERM or SIGINT."""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event as Signal

from .formats import read_time
from .lively import load_or_begin
from .server import Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    world = None
    if options.lively:
        length = timedelta(seconds=options.tick_seconds)
        world = load_or_begin(options.state, seed=options.seed, events=options.events, tick_length=length)
    try:
        simulator = Simulator(
            seed=options.seed,
            events=options.events,
            start=options.start,
            host=options.host,
            port=options.port,
            tick_seconds=options.tick_seconds,
            world=world,
        )
    except OSError as error:
        sys.stderr.write(f"The Polymarket simulator cannot listen: {error}\n")
        return 1
    with simulator:
        size = f"{len(simulator.world.events)} events, {len(simulator.world.markets)} markets"
        sys.stdout.write(f"Polymarket simulator ready at {simulator.url} ({size}, seed {simulator.world.seed})\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devtools.simulators.polymarket", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the controls are served on loopback only")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same world")
    parser.add_argument("--events", type=int, default=400, help="how many at the start")
    parser.add_argument("--start", type=read_time, help="simulated time of tick 0; default: this minute")
    parser.add_argument("--tick-seconds", type=float, default=0, help="let time pass by itself; 0: never")
    parser.add_argument("--lively", action="store_true", help="at real time, with markets that end every few seconds")
    parser.add_argument("--state", type=Path, help="with --lively: a file from which it goes on after a restart")
    options = parser.parse_args(arguments)
    if options.lively and not options.tick_seconds:
        parser.error("--lively needs --tick-seconds")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
