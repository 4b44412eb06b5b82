"""`make run`, as a person at a terminal has it: its one process, its output, Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.devtools.conftest import REPOSITORY, soon


class Terminal:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def shows(self, pattern: str, *, seconds: float = 90) -> bool:
        found = soon(lambda: re.search(pattern, self.text) or self.process.poll() is not None, seconds=seconds)
        return bool(found and re.search(pattern, self.text))

    def ends(self, seconds: float = 40) -> int:
        status = self.process.wait(seconds)
        self._reader.join(5)
        return status

    def ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)


def environment_in(var_dir: Path) -> dict[str, str]:
    """Of a service that has its own database and queue there."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")
    }
    return given | {"VAR_DIR": str(var_dir), "POLYMARKET_GAMMA_URL": "simulator"}


def manage(var_dir: Path, *command: str, stderr: bool = False, **environment: str) -> str:
    """What a command says there, with what it logs if that is asked for; it must succeed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=REPOSITORY,
        env=environment_in(var_dir) | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if stderr else "")


@contextmanager
def make_run(var_dir: Path, port: int, **environment: str) -> Iterator[Terminal]:
    given = environment_in(var_dir) | {"PORT": str(port), **environment}
    command = [sys.executable, "manage.py", "dev"]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        try:
            yield Terminal(process)
        finally:
            process.terminate()
            process.wait(60)
