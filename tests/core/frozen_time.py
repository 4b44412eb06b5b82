"""A time source that stands still until a test moves it."""


class FrozenTime:
    """Replaces `time.monotonic`: a test adds seconds to `now`."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now
