"""One websocket connection to Polymarket's market channel, with the local books of its tokens.

Protocol: Polymarket API reference, CLOB websocket. A subscription can be added to but not narrowed. The client sends
the text `PING` every ten seconds and gets the text `PONG`; those of the websocket protocol itself are not used.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.utils import timezone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from core.resilience import LOOPBACK, OBJECT_ERRORS
from markets.feed import metrics
from markets.feed.books import OF_BOOKS, BadEventError, Books, Kind, read_events
from markets.feed.selectors import FedMarket
from markets.polymarket.client import USER_AGENT

logger = logging.getLogger(__name__)
# A frame may hold the books of all tokens of a connection.
FRAME_MAX: Final = 32 * 1024 * 1024  # bytes
RETRY_AFTER_MAX: Final = 60.0
PING, PONG = "PING", "PONG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the feed waits for what, and how often it does what, in seconds."""

    open: float = 5.0
    close: float = 0.5
    ping: float = 10.0
    pong: float = 10.0
    # How long a connection that takes another one's place may take to have all books.
    ready: float = 10.0
    select: float = 3.0
    sample: float = 3.0
    # After so long a difference between a local book and what was stated isn't one of order.
    settle: float = 1.0
    resync: float = 0.5
    flush: float = 0.25
    # The stored age of prices that stay the same is at most about this.
    confirm: float = 15.0
    # A connection that lasted so long worked: the next one is made soon.
    stable: float = 10.0
    lease: float = 5.0
    renew: float = 1.0


class ConnectionLostError(Exception):
    """The connection ended, or there was none. `reason`: one of a few words; `retry_after`: what was asked for."""

    def __init__(self, reason: str, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.retry_after = reason, retry_after


class Connection:
    """A connection from its handshake to its end; it is not used again.

    `heard_at`: what its books say is at least as new. `events`: how many of books it took.
    """

    def __init__(self, url: str, *, timing: Timing, on_event: Callable[[Kind, Mapping[str, Any]], None]) -> None:
        self.books = Books()
        self.unseeded: set[str] = set()  # tokens that the order books weren't requested of yet
        self.heard_at: datetime | None = None
        self.events = 0
        self.is_open = False
        self._url, self._timing, self._on_event = url, timing, on_event
        self._socket: ClientConnection | None = None
        self._ended_by = ""
        self._got_pong = asyncio.Event()

    async def run(self, markets: Callable[[], Iterable[FedMarket]]) -> None:
        """Connect, subscribe to the markets' tokens and take events until it ends. Raises ConnectionLostError.

        `markets` is called once there is a connection: more may have been added by then.
        """
        try:
            async with self._connect() as socket:
                self._socket = socket
                tokens = [token for market in markets() for token in market.tokens]
                self._add(tokens)
                await socket.send(json.dumps({"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}))
                self.is_open = True
                await self._take_frames(socket)
        except InvalidStatus as exc:
            raise ConnectionLostError("refused", str(exc), retry_after=retry_after(exc)) from exc
        except (OSError, TimeoutError, WebSocketException) as exc:
            reason = self._ended_by or ("closed" if self.is_open else "refused")
            raise ConnectionLostError(reason, f"{type(exc).__name__} {exc}") from exc
        finally:
            self.is_open = False
        raise ConnectionLostError(self._ended_by or "closed")

    async def subscribe(self, markets: Iterable[FedMarket]) -> None:
        """Add markets to the subscription; where the connection has just ended the next one has them."""
        tokens = [token for market in markets for token in market.tokens if token not in self.books]
        if not tokens or self._socket is None:
            return
        self._add(tokens)
        message = {"assets_ids": tokens, "operation": "subscribe", "custom_feature_enabled": True}
        with suppress(WebSocketException):
            await self._socket.send(json.dumps(message))

    async def end(self, reason: str) -> None:
        """End the connection; `run` raises ConnectionLostError with this reason."""
        self._ended_by = self._ended_by or reason
        if self._socket is not None:
            await self._socket.close()

    def hear(self, moment: datetime) -> None:
        """Note that its books are as they were upstream at that moment."""
        # What was heard later than now was so by a system time that has been put back since.
        self.heard_at = min(max(self.heard_at or moment, moment), timezone.now())

    def _connect(self) -> connect:
        return connect(
            self._url,
            proxy=None if urlsplit(self._url).hostname in LOOPBACK else True,
            user_agent_header=USER_AGENT,
            open_timeout=self._timing.open,
            close_timeout=self._timing.close,
            ping_interval=None,
            max_size=FRAME_MAX,
        )

    def _add(self, tokens: list[str]) -> None:
        self.books.add(tokens)
        self.unseeded.update(tokens)

    async def _take_frames(self, socket: ClientConnection) -> None:
        pinging = asyncio.create_task(self._keep_alive(socket))
        try:
            async for frame in socket:
                if frame == PONG:
                    self._got_pong.set()
                else:
                    self._take(frame)
        finally:
            pinging.cancel()

    async def _keep_alive(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._timing.ping)
            self._got_pong.clear()
            with suppress(WebSocketException):
                await socket.send(PING)
            try:
                async with asyncio.timeout(self._timing.pong):
                    await self._got_pong.wait()
            except TimeoutError:
                await self.end("silent")
                return

    def _take(self, frame: str | bytes) -> None:
        """Take a frame's events; what can't be read is counted, and the others are taken."""
        try:
            events = read_events(frame)
        except BadEventError:
            metrics.BAD_EVENTS.inc()
            return
        for event in events:
            try:
                kind = self.books.take(event)
            except (BadEventError, *OBJECT_ERRORS):
                metrics.BAD_EVENTS.inc()
                continue
            metrics.EVENTS.labels(kind).inc()
            if kind in OF_BOOKS:
                self.events += 1
                self.hear(timezone.now())
            if kind == Kind.MARKET_RESOLVED:
                self._on_event(kind, event)


def retry_after(refusal: InvalidStatus) -> float | None:
    """Return the seconds that the response asks to wait for, at most RETRY_AFTER_MAX; None where it asks for none."""
    stated = refusal.response.headers.get("Retry-After", "").strip()
    return min(float(stated), RETRY_AFTER_MAX) if stated.isascii() and stated.isdigit() else None
