"""Real processes that run a job and are killed at a chosen statement."""

import os
from typing import Any


class Killer:
    def stop(self) -> None:
        pass

    def tell(self, *urls: str) -> None:
        pass
