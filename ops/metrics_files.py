"""The folder in which the processes of one program, started together, keep what they count for `/metrics`.

The program holds a lock on it, and the folders of those that have ended are removed by the next one that starts. So
containers of one machine may share them: each web server then has the counts of the workers too.
"""

import os
import shutil
import socket
from pathlib import Path

from core.file_locks import exclusively, is_locked, open_lock, try_lock

FOLDERS, LOCK = "metrics", "lock"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def fresh_folder(var_dir: Path) -> dict[str, str]:
    """Make a folder for this process and delete those of ended ones; return the environment to count there."""
    folders = var_dir / FOLDERS
    folders.mkdir(parents=True, exist_ok=True)
    with exclusively(folders / LOCK):
        for folder in folders.glob("*/"):
            if not is_locked(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
        own = folders / f"{machine()}-{os.getpid()}"
        own.mkdir()
        descriptor = open_lock(own / LOCK)
        try_lock(descriptor)
        # Kept by the program that this process becomes.
        os.set_inheritable(descriptor, True)
    return {VARIABLE: str(own)}


def files_of_counts(var_dir: Path) -> list[str]:
    """Return the files of all programs, less the gauges of processes that ended; their counters stay."""
    found = [file for file in (var_dir / FOLDERS).glob("*/*.db") if not is_left_behind(file)]
    return [str(file) for file in found]


def is_left_behind(file: Path) -> bool:
    """Return whether it is a gauge of an ended process of this machine; other machines' can't be seen from here."""
    if not file.name.startswith("gauge_live"):
        return False
    if not is_locked(file.parent / LOCK):
        return True
    of_this_machine = file.parent.name.rpartition("-")[0] == machine()
    return of_this_machine and not is_alive(int(file.stem.rpartition("_")[2]))


def machine() -> str:
    """Return the name of the machine, or the container: process numbers mean something within it."""
    return socket.gethostname()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
