import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's `tmp_path`: its parents are closed to the account that PostgreSQL runs as under root."""
    path = Path(os.environ["VAR_DIR"]) / uuid4().hex[:8]
    path.mkdir(parents=True)
    yield path
    # A server that is stopping may still write into it.
    assert soon(lambda: is_removed(path), seconds=60)


def is_removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def soon(is_so: Callable[[], object], *, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.02)
    return False


def is_process_alive(pid: int) -> bool:
    """A process that has ended and waits for its parent counts as dead."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
