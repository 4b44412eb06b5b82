"""Runs pytest as often as it is told, each time in a fork of this process, which has imported the libraries already.

A program of its own, which imports nothing of the service: its modules have another bug in each run. Reads a line of JSON
for each run: `arguments`; `seconds`, after which it is stopped; `keeps_bytecode`. Writes one when it has ended: `code`,
pytest's status, null where it was stopped, and `output`.
"""

import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

# Those that take longest to import, and need no settings.
LIBRARIES = (
    *(
        "_pytest.assertion.rewrite",
        "_pytest.junitxml",
        "_hypothesis_pytestplugin",
        "hypothesis",
        "hypothesis.strategies",
    ),
    *("pytest_django.plugin", "pytest_randomly", "xdist.plugin", "psycopg", "django.db.models", "django.test.client"),
    *("django.db.backends.postgresql.base", "django.template.backends.django", "django.forms", "celery", "kombu"),
    *("requests", "orjson", "jsonschema_rs", "yaml", "stripe", "redis", "environ", "uvicorn", "prometheus_client"),
)
LOOK_EVERY = 0.02
# Once another is its parent, nobody waits for what is run.
PARENT = os.getppid()


def main() -> None:
    sys.path[0] = str(Path.cwd())
    for name in LIBRARIES:
        # One that is gone is only imported later, or not at all.
        with suppress(ImportError):
            importlib.import_module(name)
    # What is here stays: no child looks through it for garbage.
    gc.collect()
    gc.freeze()
    # What is being run is in a session of its own, and has to end with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(**json.loads(line))) + "\n")
        sys.stdout.flush()


def run(*, arguments: list[str], seconds: float, keeps_bytecode: bool) -> dict[str, object]:
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            sys.dont_write_bytecode = not keeps_bytecode
            os._exit(run_pytest(arguments))
        code = wait(child, seconds)
        output.seek(0)
        return {"code": code, "output": output.read().decode(errors="replace")}


def run_pytest(arguments: list[str]) -> int:
    import pytest

    sys.argv = ["pytest", *arguments]
    status = 70
    try:
        status = int(pytest.main(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def wait(child: int, seconds: float) -> int | None:
    """Return the child's status, or None where it was stopped. What it started ends with it."""
    deadline = time.monotonic() + seconds
    ended = status = 0
    try:
        while not ended and time.monotonic() < deadline and os.getppid() == PARENT:
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0 if ended else LOOK_EVERY)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
        return None
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
