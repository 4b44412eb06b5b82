"""The websocket of the market channel: what changes in the world's books goes to whoever subscribed to their tokens.

Served by the HTTP server's own threads, at the same port: a thread reads what a client sends, another writes frames.
"""

import json
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha1
from threading import Condition, Lock, Thread
from typing import Any

from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from .books import ZERO, Ladder, Orders
from .clob import book
from .faults import Faults
from .formats import plain
from .models import Market
from .world import World

PATH = "/ws/market"
Json = dict[str, Any]
Levels = dict[str, Decimal]  # sizes by price, as a book writes it


def levels_of(orders: Orders) -> Levels:
    """Return what stands at each price one could trade at."""
    found: Levels = {}
    for order in orders:
        if order.good_price is not None:
            found[order.price] = found.get(order.price, ZERO) + Decimal(order.size)
    return found


@dataclass(slots=True)
class Sent:
    """What a subscriber knows of a token's book."""

    bids: Levels
    asks: Levels
    trade: str

    @classmethod
    def of(cls, market: Market, token: str) -> "Sent":
        bids, asks = market.ladder(token)
        trade = market.last_trade(token)
        return cls(levels_of(bids), levels_of(asks), trade.price if trade else "")


@dataclass(slots=True, eq=False)
class Subscriber:
    """One connection: what it subscribed to, and what waits to be written to it."""

    send: Callable[[str], None]
    close: Callable[[], None]
    wants_more: bool = False  # `custom_feature_enabled`
    sent: dict[str, Sent] = field(default_factory=dict)
    stirred: dict[Market, None] = field(default_factory=dict)
    waiting: deque[str] = field(default_factory=deque)
    told: set[str] = field(default_factory=set)  # condition ids whose result was told
    held: str = ""  # a frame that a fault keeps until after the next one
    is_closed: bool = False


class Stream:
    """All subscribers. `old_shape`: changes as they were before September 2025; `in_arrays`: each frame is a list."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.old_shape = self.in_arrays = False
        self._world, self._faults = world, faults
        self._subscribers: set[Subscriber] = set()
        self._changed = Condition(Lock())
        self._last = 0
        world.clock.stirred = self._note

    def __len__(self) -> int:
        return len(self._subscribers)

    def broadcast(self, frame: str) -> None:
        """Send a frame as it is to every subscriber."""
        with self._changed:
            for subscriber in self._subscribers:
                subscriber.waiting.append(frame)
            self._changed.notify_all()

    def disconnect(self) -> None:
        """Close every connection."""
        with self._changed:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.close()

    def add(self, subscriber: Subscriber) -> Thread:
        """Begin to write to it, in a thread of its own."""
        with self._changed:
            self._subscribers.add(subscriber)
        writer = Thread(target=self._write, args=[subscriber], name="polymarket-simulator-stream", daemon=True)
        writer.start()
        return writer

    def remove(self, subscriber: Subscriber) -> None:
        with self._changed:
            subscriber.is_closed = True
            self._subscribers.discard(subscriber)
            self._changed.notify_all()

    def receive(self, subscriber: Subscriber, text: str) -> None:
        """Take a message: `PING`, or a subscription."""
        if text == "PING":
            if not self._faults.pick_frame(PATH, kinds=("silence",)):
                subscriber.send("PONG")
            return
        with suppress(ValueError, TypeError, AttributeError):
            message = json.loads(text)
            subscriber.wants_more = subscriber.wants_more or bool(message.get("custom_feature_enabled"))
            self._subscribe(subscriber, [str(token) for token in message.get("assets_ids", [])])

    def _subscribe(self, subscriber: Subscriber, tokens: list[str]) -> None:
        with self._world.clock.lock:
            books = [self._snapshot(subscriber, token) for token in tokens]
            frames = [dump_frame(each) for each in books if each]
            if self.in_arrays:
                frames = [f"[{','.join(frames)}]"]
            with self._changed:
                subscriber.waiting.extend(frames)
                self._changed.notify_all()

    def _snapshot(self, subscriber: Subscriber, token: str) -> Json | None:
        market = self._world.get(token)
        if market is None or token not in market.tokens:
            return None
        subscriber.sent[token] = Sent.of(market, token)
        if not market.has_book:
            return None
        return {"event_type": "book", **book(market, token, self._world.now), "timestamp": self._timestamp()}

    def _timestamp(self) -> str:
        """Return milliseconds, each time more."""
        self._last = max(self._last + 1, int(self._world.now.timestamp() * 1000))
        return str(self._last)

    def _note(self, market: Market) -> None:
        with self._changed:
            for subscriber in self._subscribers:
                if market.tokens and not subscriber.sent.keys().isdisjoint(market.tokens):
                    subscriber.stirred[market] = None
            self._changed.notify_all()

    def _write(self, subscriber: Subscriber) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: subscriber.stirred or subscriber.waiting or subscriber.is_closed)
                if subscriber.is_closed:
                    return
            # The world first, then the condition: the order in which a command takes them.
            with self._world.clock.lock, self._changed:
                frames = list(subscriber.waiting)
                stirred = list(subscriber.stirred)
                subscriber.waiting.clear()
                subscriber.stirred.clear()
                frames += [self._dump(event) for market in stirred for event in self._events(subscriber, market)]
            for frame in frames:
                self._send(subscriber, frame)

    def _events(self, subscriber: Subscriber, market: Market) -> Iterator[Json]:
        """Yield what a subscriber has to hear of a market that changed."""
        if market.final is not None:
            if subscriber.wants_more and market.condition_id not in subscriber.told:
                subscriber.told.add(market.condition_id)
                yield self._resolved(market)
            return
        if not market.has_book:
            return
        changes: dict[str, list[Json]] = {}
        trades: list[Json] = []
        for token in market.tokens:
            known = subscriber.sent.get(token)
            if known is None:
                continue
            fresh = subscriber.sent[token] = Sent.of(market, token)
            changes[token] = list(differences(known, fresh, market.ladder(token), token))
            if fresh.trade != known.trade and fresh.trade:
                trades.append(self._trade(market, token, fresh))
        yield from self._price_changes(market, changes)
        yield from trades
        if subscriber.wants_more:
            yield from (self._best(market, token) for token, found in changes.items() if found)

    def _price_changes(self, market: Market, changes: dict[str, list[Json]]) -> Iterator[Json]:
        common = {"event_type": "price_change", "market": market.condition_id}
        if self.old_shape:
            for token, found in changes.items():
                if found:
                    plainly = [{key: change[key] for key in ("price", "side", "size")} for change in found]
                    digest = {"hash": found[-1]["hash"], "timestamp": self._timestamp()}
                    yield {**common, "asset_id": token, "changes": plainly, **digest}
            return
        together = [change for found in changes.values() for change in found]
        if together:
            yield {**common, "price_changes": together, "timestamp": self._timestamp()}

    def _trade(self, market: Market, token: str, fresh: Sent) -> Json:
        return {
            "event_type": "last_trade_price", "market": market.condition_id, "asset_id": token, "price": fresh.trade,
            "side": "SELL", "size": "10", "fee_rate_bps": "0", "timestamp": self._timestamp(),
        }  # fmt: skip

    def _best(self, market: Market, token: str) -> Json:
        top = market.ladder(token).top
        return {
            "event_type": "best_bid_ask", "market": market.condition_id, "asset_id": token,
            "best_bid": plain(top.low), "best_ask": plain(top.high), "spread": plain(top.spread),
            "timestamp": self._timestamp(),
        }  # fmt: skip

    def _resolved(self, market: Market) -> Json:
        winner = {"this": 0, "that": 1}.get(market.clob_outcome)
        return {
            "event_type": "market_resolved", "id": market.id, "market": market.condition_id,
            "assets_ids": list(market.tokens), "timestamp": self._timestamp(),
            "winning_asset_id": "" if winner is None else market.tokens[winner],
            "winning_outcome": "" if winner is None else market.outcomes[winner],
        }  # fmt: skip

    def _dump(self, event: Json) -> str:
        return f"[{dump_frame(event)}]" if self.in_arrays else dump_frame(event)

    def _send(self, subscriber: Subscriber, frame: str) -> None:
        """Send a frame, as far as the faults that are on allow it."""
        kinds = {fault.kind for fault in self._faults.pick_frame(PATH)}
        held, subscriber.held = subscriber.held, ""
        if kinds & {"freeze", "silence", "lose"}:
            frame = ""
        elif "garble" in kinds:
            frame = frame[: len(frame) // 2]
        elif "wrong_hash" in kinds:
            frame = json.dumps(with_wrong_hash(json.loads(frame)))
        elif "reorder" in kinds and not held:
            subscriber.held, frame = frame, ""
        copies = [frame, frame] if "duplicate" in kinds else [frame]
        for each in (*copies, held):
            if each:
                subscriber.send(each)
        if "disconnect" in kinds:
            subscriber.close()


def dump_frame(event: Json) -> str:
    return json.dumps(event, separators=(",", ":"))


def differences(known: Sent, fresh: Sent, ladder: Ladder, token: str) -> Iterator[Json]:
    """Yield the levels that are others than a subscriber knows, each with the best prices after all of them."""
    top = ladder.top
    for side, before, after in (("BUY", known.bids, fresh.bids), ("SELL", known.asks, fresh.asks)):
        for price in sorted(before.keys() | after.keys()):
            size = after.get(price, ZERO)
            if size != before.get(price, ZERO):
                digest = sha1(f"{token}{side}{price}{size}".encode(), usedforsecurity=False).hexdigest()
                yield {
                    "asset_id": token, "price": price, "side": side, "size": plain(size), "hash": digest,
                    "best_bid": plain(top.low), "best_ask": plain(top.high),
                }  # fmt: skip


def with_wrong_hash(value: Any) -> Any:
    """Return the same with another hash wherever there is one."""
    if isinstance(value, list):
        return [with_wrong_hash(item) for item in value]
    if isinstance(value, dict):
        return {key: "0" * 40 if key == "hash" else with_wrong_hash(item) for key, item in value.items()}
    return value


class WebSocket:
    """The websocket protocol over a socket that an HTTP server accepted; its methods may be called by any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._protocol = ServerProtocol(max_size=2**20)
        self._guard = Lock()

    def shake_hands(self, path: str, headers: Iterable[tuple[str, str]]) -> bool:
        """Respond to the request that was read; return whether it was one for a websocket."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        with self._guard, suppress(InvalidHandshake):
            self._protocol.receive_data(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
            for request in self._protocol.events_received():
                response = self._protocol.accept(request)  # type: ignore[arg-type]
                self._protocol.send_response(response)
                self._flush()
                return response.status_code == 101  # noqa: PLR2004 - switching protocols
        return False

    def messages(self) -> Iterator[str]:
        """Yield the texts that come, until the connection ends."""
        while True:
            try:
                received = self._connection.recv(65536)
            except OSError:
                return
            with self._guard, suppress(OSError, WebSocketException):
                if received:
                    self._protocol.receive_data(received)
                else:
                    self._protocol.receive_eof()
                events = list(self._protocol.events_received())
                self._flush()
            for event in events:
                if isinstance(event, Frame) and event.opcode == Opcode.TEXT:
                    yield bytes(event.data).decode()
            if not received or self._protocol.close_expected():
                return

    def send(self, text: str) -> None:
        with self._guard, suppress(OSError, WebSocketException):
            self._protocol.send_text(text.encode())
            self._flush()

    def close(self) -> None:
        """Cut the connection, without a word."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.sendall(data)
