"""A disk that takes no more never ends what only wanted to count on it."""

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress

import pytest

from tests.devtools.conftest import is_process_alive, soon
from tests.ops.servers import Web
from tests.ops.test_metrics_of_processes import counted, workers_of

MEGABYTES = 24
PATHS = ("/health", "/ready", "/api/v1/markets", "/api/v1/markets/categories", "/api/v1/nothing", "/api/v1/bets/me")


@contextmanager
def own_disk(folder):
    """A small disk of its own for VAR_DIR."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    with suppress(OSError), (folder / "fills the disk").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0


def serves_everything(web):
    """Requests of every kind, which are counted under labels that nobody has used yet."""
    for path in PATHS:
        assert web.get(path).status in (200, 401, 404, 503)
        assert web.post(path, {}).status in (400, 401, 404, 405)
    return web.said("Traceback") == 0


def test_a_disk_that_becomes_full_ends_no_process_and_loses_no_count(database, running, folder):
    with own_disk(folder / "disk") as disk:
        web = running(Web, DATABASE_URL=database, VAR_DIR=str(disk), WEB_WORKERS="2")
        before = workers_of(web)
        fill(disk)
        assert all(serves_everything(web) for _ in range(5))
        assert workers_of(web) == before
        assert counted(web, "/api/v1/markets") > 0
        # One that starts now has no file, and serves all the same.
        os.kill(before[0], signal.SIGKILL)
        assert soon(lambda: not is_process_alive(before[0]) and len(workers_of(web)) == 2, seconds=30)
        assert soon(lambda: web.said("stays in its memory") >= 1, seconds=30)
        assert all(serves_everything(web) for _ in range(5))
        web.stop()


@pytest.mark.parametrize("options", ["remount,ro", None])
def test_a_disk_that_is_read_only_or_full_from_the_start_costs_a_line(database, running, folder, options):
    with own_disk(folder / "disk") as disk:
        fill(disk)
        if options:
            subprocess.run(["mount", "-o", options, disk], check=True)
        web = running(Web, DATABASE_URL=database, VAR_DIR=str(disk))
        assert serves_everything(web)
        assert web.said("so /metrics has only a part") + web.said("stays in its memory") >= 1
        web.stop()
