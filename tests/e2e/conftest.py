import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest


@pytest.fixture
def var_dir() -> Iterator[Path]:
    path = Path(os.environ["VAR_DIR"]) / f"run-{uuid4().hex[:8]}"
    yield path
    shutil.rmtree(path, ignore_errors=True)
