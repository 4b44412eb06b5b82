"""A copy of the working tree, in which bugs are planted, with a database server of its own.

The copy is in `var/`, and so are its servers' data: the developer's own database and files are never touched. All runs
share one PostgreSQL server, whose migrated template database each of them copies.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from core.file_locks import open_lock, try_lock
from devtools.embedded import postgres
from devtools.embedded.postgres import OWNER
from tests.mutants.mutant import Mutant

REPOSITORY = Path(__file__).resolve().parent.parent.parent
COPIES = REPOSITORY / "var" / "mutants"
TEMPLATE = "thisthat_template"
# Assertions that aren't rewritten fail all the same, and say less; collecting garbage thrice takes as long as a test.
PYTEST = (
    *("-n", "0", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:unraisableexception"),
    *("--reuse-db", "--assert=plain", "--tb=short", "--no-header"),
)
# What a shell may have set for a service or for tests. The suite forgets most of it itself.
FORGOTTEN = (
    "DATABASE_",
    "TEST_",
    "SIMULATION_",
    "REDIS_",
    "VAR_DIR",
    "PYTEST_",
    "DJANGO_",
    "GIT_",
    "PORT",
    "SCREENSHOTS",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` is None where it was stopped because it took too long."""

    code: int | None
    output: str


class Tree:
    """The copy. `run_tests` and `run` start commands in it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self._environment = environment
        self._warm = subprocess.Popen(
            [sys.executable, root / "tests" / "mutants" / "warm.py"],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._warm.communicate()

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """Have the bug in the copy while the block runs."""
        path = self.root / mutant.file
        before = path.read_text()
        with restored(path):
            path.write_text(mutant.plant(before))
            yield

    def run_tests(self, tests: Sequence[str], *, seconds: float, keeps_bytecode: bool = False) -> Ended:
        """Run pytest until a test fails. Only a run without a bug may keep what Python compiles of the modules.

        A file that is changed and changed back within a second isn't compiled again.
        """
        told = {"arguments": [*PYTEST, *tests], "seconds": seconds, "keeps_bytecode": keeps_bytecode}
        self._warm.stdin.write(json.dumps(told) + "\n")
        self._warm.stdin.flush()
        return Ended(**json.loads(self._warm.stdout.readline()))

    def run(self, command: Sequence[str], *, seconds: float) -> Ended:
        """Run Python with these arguments; what it started ends with it."""
        with subprocess.Popen(
            [sys.executable, "-B", *command],
            cwd=self.root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
                code: int | None = process.returncode
            except subprocess.TimeoutExpired:
                code = None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if code is None:
                output, _ = process.communicate()
            return Ended(code, output)


@contextmanager
def restored(path: Path) -> Iterator[None]:
    """Put the file back after the block, with its time, so that what was compiled of it before is still good."""
    before, times = path.read_bytes(), path.stat()
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@contextmanager
def copied_tree(name: str) -> Iterator[Tree]:
    """Copy the working tree, and start its server, which stops with the block. Exits where another run has the copy."""
    root = COPIES / name
    root.mkdir(parents=True, exist_ok=True)
    # Held until this process ends, however it does.
    if not try_lock(open_lock(root.with_suffix(".lock"))):
        sys.exit(f"Another run uses {root}.")
    copy_tree(root)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FORGOTTEN)}
    environment |= {"DJANGO_READ_DOT_ENV": "false", "DEBUG": "true", "VAR_DIR": str(root / "var")}
    # Where the tests of the copy look for their server.
    server = postgres.start(root / "var" / "test", durable=False)
    try:
        make_template(root, server, environment)
        tree = Tree(root, environment | {"TEST_TEMPLATE_DATABASE": TEMPLATE})
        try:
            yield tree
        finally:
            tree.close()
    finally:
        server.stop()


def copy_tree(root: Path) -> None:
    """Copy what git knows or would add, as it is now. What an earlier copy left is removed, but for `var/`."""
    for left in root.iterdir():
        if left.name != "var":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\x00")):
        source, target = REPOSITORY / name, root / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def make_template(root: Path, server: postgres.Postgres, environment: Mapping[str, str]) -> None:
    """Make the database that each run copies, from the copy's own migrations."""
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    urls = {name: url.replace("/thisthat?", f"/{TEMPLATE}?") for name, url in server.environment.items()}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=root,
        env={**environment, **urls, "REDIS_URL": "redis://127.0.0.1:1/0"},
        check=True,
    )
