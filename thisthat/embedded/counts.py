"""The folder in which the processes of one program, started together, keep what they count for `/metrics`.

It has the number of the process that started them, and those of programs that have ended are removed by the next one:
VAR_DIR belongs to one machine or container.
"""

import os
import shutil
from pathlib import Path

FOLDERS = "metrics"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def fresh_folder(var_dir: Path) -> dict[str, str]:
    """An empty one; returns the environment that has this process's children count there."""
    own = var_dir / FOLDERS / str(os.getpid())
    for folder in (var_dir / FOLDERS).glob("*"):
        if folder == own or not is_alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    own.mkdir(parents=True)
    return {VARIABLE: str(own)}


def files_of_counts(var_dir: Path) -> list[str]:
    """Those of all programs. What a process that has ended counted stays; what it measured of its state goes."""
    found = list((var_dir / FOLDERS).glob("*/*.db"))
    for file in found:
        if file.name.startswith("gauge_live") and not is_alive(file.stem.rpartition("_")[2]):
            file.unlink(missing_ok=True)
    return [str(file) for file in found if file.exists()]


def is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
