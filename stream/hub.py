"""The clients of a process, and what they are sent: each event is encoded once, however many get it.

All of it runs on one event loop and waits for nothing but clients. A client that takes its events slowly has of each
market only the newest ones waiting, and is dropped once too many of its user's own wait.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from prometheus_client import Counter, Gauge, Histogram

from core.metrics import COUNTS
from stream import rules
from stream.selectors import MarketState, Position, UserState
from stream.services import TicketHolder

CLIENTS = Gauge("thisthat_stream_clients", "Clients of streams.", registry=COUNTS, multiprocess_mode="livesum")
SENT = Counter(
    "thisthat_stream_events",
    "Events for clients of streams, also odds that newer ones replaced before they were sent.",
    registry=COUNTS,
)
DROPPED = Counter("thisthat_stream_dropped", "Clients that took their events too slowly.", registry=COUNTS)
LAG = Histogram(
    "thisthat_stream_lag_seconds",
    "From the commit of odds, or of a status, to their being given to clients.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5),
    registry=COUNTS,
)
# The id of events where there is no user: it names no position, and counts as none.
NO_POSITION = b"id: -\n"


def frame(event: bytes, data: bytes) -> bytes:
    """Return an event without its id, in the format of server-sent events; `data` has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (event, data)


def retry(seconds: float) -> bytes:
    return b"retry: %d\n\n" % (seconds * 1000)


def id_of(position: Position) -> bytes:
    return b"id: %d-%d\n" % position


class Client:
    """One stream: what waits to be sent, and how far its user's events were told."""

    __slots__ = ("balance", "holder", "is_ended", "markets", "own", "position", "prefix", "public", "wakeup")

    def __init__(
        self, markets: Iterable[UUID], *, holder: TicketHolder | None = None, position: Position | None = None
    ) -> None:
        self.markets = frozenset(markets)
        self.holder = holder
        self.own: deque[bytes] = deque([retry(rules.RETRY_SECONDS)])
        # By kind and market: the newest wins.
        self.public: dict[Any, bytes] = {}
        self.wakeup = asyncio.Event()
        self.is_ended = False
        self.balance = b""
        self.move(position)

    def move(self, position: Position | None) -> None:
        self.position = position or Position()
        self.prefix = id_of(position) if position else NO_POSITION

    def take(self) -> bytes:
        """Return all that waits, as bytes; each event with the user's position as its id."""
        parts = [*self.own]
        self.own.clear()
        if self.public:
            parts.append(self.prefix + self.prefix.join(self.public.values()))
            self.public.clear()
        return b"".join(parts)

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield what there is to send until the stream ends. A client that isn't read from isn't asked for more."""
        while True:
            self.wakeup.clear()
            if waiting := self.take():
                yield waiting
            elif self.is_ended:
                return
            else:
                await self.wakeup.wait()


@dataclass(slots=True)
class Shown:
    """A market that somebody streams: its last events, and what they said."""

    clients: set[Client] = field(default_factory=set)
    odds: tuple[Any, ...] = ()
    as_of: str = ""
    status: tuple[Any, ...] = ()
    odds_frame: bytes = b""
    status_frame: bytes = b""


class Hub:
    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self.users: dict[UUID, set[Client]] = defaultdict(set)
        self.markets: dict[UUID, Shown] = defaultdict(Shown)
        # Streamed since they were last read.
        self.unread: set[UUID] = set()
        self._waiting: set[Client] = set()
        self._oldest: float | None = None
        self._tick: asyncio.TimerHandle | asyncio.Handle | None = None
        self._ticked_at = 0.0

    def add(self, client: Client, states: Iterable[MarketState]) -> None:
        """Begin a stream with the markets as they are."""
        self.clients.add(client)
        CLIENTS.inc()
        for market_id in client.markets:
            if not self.markets[market_id].clients:
                self.unread.add(market_id)
            self.markets[market_id].clients.add(client)
        for state in states:
            self.update(state)
        for market_id in client.markets:
            shown = self.markets[market_id]
            client.public |= {key: sent for key, sent in events_of(market_id, shown) if sent}
        if client.holder:
            self.users[client.holder.user_id].add(client)

    def remove(self, client: Client) -> None:
        if client not in self.clients:
            return
        self.clients.remove(client)
        CLIENTS.dec()
        self._waiting.discard(client)
        for market_id in client.markets:
            self.markets[market_id].clients.discard(client)
            if not self.markets[market_id].clients:
                del self.markets[market_id]
                self.unread.discard(market_id)
        if client.holder:
            user_id = client.holder.user_id
            self.users[user_id].discard(client)
            if not self.users[user_id]:
                del self.users[user_id]

    # Markets

    def update(self, state: MarketState) -> None:
        """Take a market as it was read, and send what its clients don't know yet."""
        self.take_odds(state.odds)
        self.take_status(state.status)

    def take_odds(self, message: bytes, published_at: float | None = None) -> None:
        """Send new odds to whoever streams the market. Others and older ones are left out."""
        said = orjson.loads(message)
        shown = self._shown(said)
        if shown is None or said["asOf"] < shown.as_of:
            return
        shown.as_of = said["asOf"]
        odds = (said["thisOdds"], said["thatOdds"], said["bid"], said["ask"])
        if odds != shown.odds:
            shown.odds, shown.odds_frame = odds, frame(b"odds", message)
            self._send(shown, ("odds", said["marketId"]), shown.odds_frame, published_at)

    def take_status(self, message: bytes, published_at: float | None = None) -> None:
        said = orjson.loads(message)
        shown = self._shown(said)
        status = (said["status"], said["resolution"])
        if shown is not None and status != shown.status:
            shown.status, shown.status_frame = status, frame(b"market", message)
            self._send(shown, ("market", said["marketId"]), shown.status_frame, published_at)

    def _shown(self, said: dict[str, Any]) -> Shown | None:
        return self.markets.get(UUID(said["marketId"]))

    def _send(self, shown: Shown, key: tuple[str, str], sent: bytes, published_at: float | None) -> None:
        for client in shown.clients:
            client.public[key] = sent
        self._waiting |= shown.clients
        SENT.inc(len(shown.clients))
        if published_at is not None:
            self._oldest = min(self._oldest or published_at, published_at)
        self._wake_soon()

    def newest(self) -> str:
        """Return as of when the newest streamed odds are; empty where there are none."""
        return max((shown.as_of for shown in self.markets.values()), default="")

    def ping(self, data: bytes) -> None:
        sent = frame(b"ping", data)
        for client in self.clients:
            client.public["ping"] = sent
        self._waiting |= self.clients
        self._wake_soon()

    # Users

    def positions(self, user_ids: Iterable[UUID]) -> dict[UUID, Position]:
        """Return of those who have streams the position that all of them have passed."""
        return {
            user_id: Position(
                min(client.position.ledger for client in self.users[user_id]),
                min(client.position.notifications for client in self.users[user_id]),
            )
            for user_id in user_ids
            if user_id in self.users
        }

    def take_user(self, user_id: UUID, state: UserState | None) -> None:
        """Send what is new of a user to the user's streams; None ends them, and the end of a session ends its own."""
        for client in [each for each in self.users.get(user_id, ()) if not each.is_ended]:
            if state is None or has_ended(client, state):
                self.end(client)
            else:
                self._tell(client, state)

    def _tell(self, client: Client, state: UserState) -> None:
        before = len(client.own)
        self._tell_bets(client, state)
        self._tell_notifications(client, state)
        if state.balance != client.balance:
            client.balance = state.balance
            self._add_own(client, b"balance", state.balance)
        if len(client.own) > rules.WAITING_MAX:
            DROPPED.inc()
            client.own.clear()
            client.public.clear()
            self.end(client)
        elif len(client.own) > before:
            client.wakeup.set()

    def _tell_bets(self, client: Client, state: UserState) -> None:
        for sequence, bet in state.bets:
            if sequence > client.position.ledger:
                client.move(client.position._replace(ledger=sequence))
                self._add_own(client, b"bet", bet)
        client.move(client.position._replace(ledger=max(client.position.ledger, state.position.ledger)))

    def _tell_notifications(self, client: Client, state: UserState) -> None:
        for sequence, notification, lost_bet in state.notifications:
            if sequence > client.position.notifications:
                if lost_bet:
                    # With the id before, so that whoever comes back in between misses neither.
                    self._add_own(client, b"bet", lost_bet)
                client.move(client.position._replace(notifications=sequence))
                self._add_own(client, b"notification", notification)
        noted = max(client.position.notifications, state.position.notifications)
        client.move(client.position._replace(notifications=noted))

    def _add_own(self, client: Client, event: bytes, data: bytes) -> None:
        SENT.inc()
        client.own.append(client.prefix + frame(event, data))

    # The end, and the ticks

    def end(self, client: Client, *, retry_seconds: float | None = None) -> None:
        """Let the client take what waits, and end its stream."""
        if retry_seconds is not None:
            client.own.append(retry(retry_seconds))
        client.is_ended = True
        client.wakeup.set()

    def _wake_soon(self) -> None:
        """Wake the waiting clients: at once after a pause, else all together at the next tick."""
        if self._tick is None:
            pause = self._ticked_at + rules.TICK_SECONDS - time.monotonic()
            loop = asyncio.get_running_loop()
            self._tick = loop.call_later(pause, self._wake) if pause > 0 else loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._tick, self._ticked_at = None, time.monotonic()
        if self._oldest is not None:
            LAG.observe(max(0.0, time.time() - self._oldest))
            self._oldest = None
        for client in self._waiting:
            client.wakeup.set()
        self._waiting.clear()


def has_ended(client: Client, state: UserState) -> bool:
    """Return whether the session that the client's ticket was issued in has ended."""
    holder = client.holder
    return holder is None or holder.has_ended(sessions_ended=state.sessions_ended, ended_sessions=state.ended_sessions)


def events_of(market_id: UUID, shown: Shown) -> list[tuple[tuple[str, str], bytes]]:
    key = str(market_id)
    return [(("market", key), shown.status_frame), (("odds", key), shown.odds_frame)]
