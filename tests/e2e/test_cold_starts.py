"""`make run` started again and again on a busy machine: no start fails. COLD_STARTS=50 for the proof.

One start alone has no load of its own: the other tests are enough.
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from devtools.simulators.start import free_port
from tests.e2e.terminal import make_run

STARTS = int(os.environ.get("COLD_STARTS", "1"))
BUSY = "while True: sum(range(10_000))"


@contextmanager
def busy_machine():
    """Every core has something else to do."""
    cores = (os.cpu_count() or 2) if STARTS > 1 else 0
    burning = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def test_no_cold_start_fails_on_a_busy_machine(var_dir):
    seconds = []
    with busy_machine():
        for number in range(STARTS):
            started = time.monotonic()
            # Every fifth in a new folder, the others where the last one ended.
            with make_run(var_dir / str(number // 5), free_port()) as terminal:
                assert terminal.shows("THISTHAT is running", seconds=180), terminal.text
                seconds.append(time.monotonic() - started)
                assert "started again" not in terminal.text, terminal.text
                assert "Traceback" not in terminal.text, terminal.text
                terminal.ctrl_c()
                assert terminal.ends(90) == 0, terminal.text
    report = os.environ.get("COLD_START_REPORT")
    if report:
        Path(report).write_text(" ".join(f"{value:.1f}" for value in seconds))
