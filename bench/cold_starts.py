"""Starts `make run` again and again on a busy machine, and prints how long each start took; none may fail.

`python -m bench.cold_starts`: 50 starts while every core has something else to do, each fifth in a new folder, the
others where the last one ended.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from devtools.simulators.start import free_port
from tests.e2e.terminal import make_run

VAR = Path(__file__).resolve().parent.parent / "var" / f"bench-cold-starts-{os.getpid()}"
BUSY = "while True: sum(range(10_000))"


@contextmanager
def busy_machine() -> Iterator[None]:
    burning = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 2)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def start(folder: Path) -> float:
    """Start and stop once; return the seconds until it said that it runs."""
    started = time.monotonic()
    with make_run(folder, free_port(), DEBUG="true", DJANGO_READ_DOT_ENV="false") as terminal:
        assert terminal.shows("THISTHAT is running", seconds=180), terminal.text
        seconds = time.monotonic() - started
        terminal.ctrl_c()
        assert terminal.ends(90) == 0, terminal.text
    assert not any(bad in terminal.text for bad in ("started again", "Traceback")), terminal.text
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_starts", description=__doc__)
    parser.add_argument("--starts", type=int, default=50)
    options = parser.parse_args()
    try:
        with busy_machine():
            seconds = [start(VAR / str(number // 5)) for number in range(options.starts)]
    finally:
        shutil.rmtree(VAR, ignore_errors=True)
    print(f"{len(seconds)} starts: {min(seconds):.1f} s to {max(seconds):.1f} s, median {median(seconds):.1f}")


if __name__ == "__main__":
    main()
