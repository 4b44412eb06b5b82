"""What can go wrong when Polymarket is asked: not there, refused, or not understood."""

from typing import ClassVar


class UpstreamError(Exception):
    """A question to the upstream got no usable answer; the text is for people and holds nothing of the body."""

    code: ClassVar[str] = "upstream_error"


class UpstreamUnavailable(UpstreamError):
    """Network, time, 408, 429 or 5xx after all tries, or an open breaker.

    `retry_after`: seconds until asking again is worth it, where known. `retriable`: false when nothing was asked.
    """

    code = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None, retriable: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.retriable = retriable


class UpstreamRejected(UpstreamError):
    """Any other 4xx: the upstream is alive and asking again would get the same answer."""

    code = "upstream_rejected"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class UpstreamGarbled(UpstreamError):
    """HTML, broken JSON, a wrong shape, a redirect, a repeated cursor, too many pages, or too large a body."""

    code = "upstream_garbled"
