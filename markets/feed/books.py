"""Local order books, kept by the frames of one websocket connection. Pure: no I/O, no clock.

Frames: Polymarket API reference, CLOB websocket, market channel. A frame holds one event or a list of them. Prices and
sizes are text and become `Decimal`; `size` is what stands at a price from then on, 0 removes the level.

A book is trusted from its first snapshot until something doesn't fit: a change that can't be read or is older than what
is known, or best prices other than those stated. Then it is wrong until a new snapshot replaces it. The `hash` of a
frame proves nothing: how it is computed isn't documented.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from markets.polymarket import values
from markets.polymarket.books import (
    LEVELS_MAX,
    ONE,
    SIZE_MAX,
    ZERO,
    Book,
    Level,
    ShownPrices,
    Tokens,
    merge_books,
    parse_levels,
    parse_trade,
    shown_prices_of,
    trade_of_this,
)
from markets.polymarket.parsing import ID_MAX

# Changes that are kept while a snapshot is on its way; a book that changes more often needs another snapshot.
KEPT_CHANGES: Final = 1_000
EVENTS_MAX: Final = 10_000  # of one frame
TIMESTAMP_DIGITS: Final = 16  # milliseconds have 13
PRICE_CHARACTERS: Final = 40


class Trust(StrEnum):
    UNKNOWN = "unknown"  # nothing was heard of it yet
    ABSENT = "absent"  # the upstream has no book of this token
    TRUSTED = "trusted"
    GAP = "gap"


class Kind(StrEnum):
    """What an event is; `OTHER` for those that nobody here knows."""

    BOOK = "book"
    PRICE_CHANGE = "price_change"
    LAST_TRADE_PRICE = "last_trade_price"
    BEST_BID_ASK = "best_bid_ask"
    TICK_SIZE_CHANGE = "tick_size_change"
    MARKET_RESOLVED = "market_resolved"
    NEW_MARKET = "new_market"
    OTHER = "other"


# What vouches for the books of a connection. Others come though the subscription to books has stopped.
OF_BOOKS: Final = frozenset(
    {Kind.BOOK, Kind.PRICE_CHANGE, Kind.LAST_TRADE_PRICE, Kind.BEST_BID_ASK, Kind.TICK_SIZE_CHANGE}
)


class BadEventError(ValueError):
    """An event that can't be read."""


class Top(NamedTuple):
    """Best bid and best ask; None on a side without orders."""

    bid: Decimal | None
    ask: Decimal | None


class Change(NamedTuple):
    """What stands at a price of one side from then on. `timestamp`: the upstream's, in milliseconds."""

    side: str
    price: Decimal
    size: Decimal
    timestamp: int


class Side:
    """The levels of one side of a book."""

    __slots__ = ("prices", "sizes")

    def __init__(self, sizes: Mapping[Decimal, Decimal] | None = None) -> None:
        self.sizes = dict(sizes or {})
        self.prices = sorted(self.sizes)

    def set(self, price: Decimal, size: Decimal) -> bool:
        """Set what stands at the price; return whether anything else stood there."""
        known = self.sizes.get(price, ZERO)
        if known == size:
            return False
        if not size:
            del self.sizes[price]
            del self.prices[bisect_left(self.prices, price)]
            return True
        self.sizes[price] = size
        if not known:
            insort(self.prices, price)
        return True

    def first_levels(self, prices: Iterable[Decimal], shares: int) -> Iterator[Level]:
        """Yield levels in the order of `prices` until they hold so many shares."""
        left = Decimal(shares)
        for price in prices:
            if left <= 0:
                return
            size = self.sizes[price]
            left -= size
            yield Level(price, size)


class TokenBook:
    """The book of one token. `revision` counts its changes."""

    __slots__ = ("_kept", "asks", "bids", "claim", "revision", "timestamp", "trade", "trust")

    def __init__(self) -> None:
        self.bids, self.asks = Side(), Side()
        self.trade: Decimal | None = None
        self.trust = Trust.UNKNOWN
        self.timestamp = 0
        self.revision = 0
        # The best prices that were stated apart from the change that made them.
        self.claim: Top | None = None
        self._kept: list[Change] = []

    @property
    def top(self) -> Top:
        bids, asks = self.bids.prices, self.asks.prices
        return Top(bids[-1] if bids else None, asks[0] if asks else None)

    @property
    def is_overfull(self) -> bool:
        """Return whether it has more levels than a snapshot may have: prices are ticks, so that is nonsense."""
        return max(len(self.bids.prices), len(self.asks.prices)) > LEVELS_MAX

    def replace(self, sent: Mapping[str, Any], *, is_in_order: bool) -> bool:
        """Take a snapshot; return whether it could be read.

        One that came in order with the changes is newer than all of them. Otherwise those that were kept since the
        book was distrusted are applied again, from the snapshot's own time on.
        """
        bids, asks = parse_levels(sent.get("bids")), parse_levels(sent.get("asks"))
        if bids is None or asks is None:
            return False
        timestamp = as_timestamp(sent.get("timestamp"))
        if is_in_order and self.trust == Trust.TRUSTED and 0 < timestamp < self.timestamp:
            return True  # a copy that came late
        self.bids, self.asks = Side(bids), Side(asks)
        self.timestamp, self.trust, self.claim = timestamp, Trust.TRUSTED, None
        self.revision += 1
        self.trade = parse_trade(sent.get("last_trade_price")) or self.trade
        kept, self._kept = self._kept, []
        if not is_in_order:
            for change in kept:
                if change.timestamp >= timestamp:
                    self._set(change)
        return True

    def apply(self, change: Change) -> bool:
        """Apply a change; False where it is older than what is known, and something else."""
        if self.trust != Trust.TRUSTED:
            self._keep(change)
            return True
        if change.timestamp and change.timestamp < self.timestamp:
            side = self.bids if change.side == "BUY" else self.asks
            return side.sizes.get(change.price, ZERO) == change.size
        self.timestamp = change.timestamp or self.timestamp
        self.revision += self._set(change)
        return True

    def distrust(self) -> None:
        self.trust, self.claim = Trust.GAP, None
        self._kept = []

    def set_absent(self) -> None:
        """Note that the upstream has no book of it."""
        self.bids, self.asks, self.trade, self.claim = Side(), Side(), None, None
        self.trust = Trust.ABSENT
        self.revision += 1

    def is_as_sent(self, sent: Mapping[str, Any]) -> bool:
        """Return whether a snapshot has the same levels."""
        bids, asks = parse_levels(sent.get("bids")), parse_levels(sent.get("asks"))
        return bids == self.bids.sizes and asks == self.asks.sizes

    def first_shares(self, shares: int) -> Book | None:
        """Return the best levels of both sides that hold so many shares; None where the book is crossed, or absent."""
        bid, ask = self.top
        if self.trust != Trust.TRUSTED or (bid is not None and ask is not None and bid >= ask):
            return None
        return Book(
            bids=tuple(self.bids.first_levels(reversed(self.bids.prices), shares)),
            asks=tuple(self.asks.first_levels(self.asks.prices, shares)),
        )

    def _set(self, change: Change) -> bool:
        self.timestamp = max(self.timestamp, change.timestamp)
        return (self.bids if change.side == "BUY" else self.asks).set(change.price, change.size)

    def _keep(self, change: Change) -> None:
        self._kept.append(change)
        if len(self._kept) > KEPT_CHANGES:
            # Without them a snapshot says what stood there, and the samples find what has changed since.
            self._kept = []


class Books:
    """The books of a connection's tokens. What events change is collected in `changed`, `gaps` and `claimed`."""

    def __init__(self) -> None:
        self._books: dict[str, TokenBook] = {}
        self.changed: set[str] = set()
        self.gaps: dict[str, str] = {}  # why, by token
        self.claimed: set[str] = set()
        self._due: set[str] = set()  # claimed before the last time that claims were settled

    def __getitem__(self, token: str) -> TokenBook:
        return self._books[token]

    def __contains__(self, token: str) -> bool:
        return token in self._books

    def __len__(self) -> int:
        return len(self._books)

    def __iter__(self) -> Iterator[str]:
        return iter(self._books)

    def add(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._books.setdefault(token, TokenBook())

    def count(self, *wanted: Trust) -> int:
        """Return how many books are trusted, or not, in one of these ways."""
        return sum(book.trust in wanted for book in self._books.values())

    def take(self, event: Mapping[str, Any]) -> Kind:
        """Apply one event; return what it is. Raises BadEventError where it, or a part of it, can't be read."""
        kind = kind_of(event)
        match kind:
            case Kind.BOOK:
                self._take_snapshot(event)
            case Kind.PRICE_CHANGE:
                self._take_changes(event)
            case Kind.LAST_TRADE_PRICE:
                self._take_trade(event)
            case Kind.BEST_BID_ASK:
                self._take_best(event)
        return kind

    def take_sample(self, token: str, sent: Mapping[str, Any] | None) -> bool:
        """Compare a trusted book with a snapshot that was requested, None without one; return whether they agree."""
        book = self._books[token]
        if sent is None:
            return book.trust == Trust.ABSENT
        if trade := parse_trade(sent.get("last_trade_price")):
            if trade != book.trade:
                self.changed.add(token)
            book.trade = trade
        return book.trust == Trust.TRUSTED and book.is_as_sent(sent)

    def resync(self, token: str, sent: Mapping[str, Any] | None) -> bool:
        """Replace a book by a snapshot that was requested, None without one; False where it can't be read."""
        book = self._books[token]
        self.gaps.pop(token, None)
        self.changed.add(token)
        if sent is None:
            book.set_absent()
            return True
        return book.replace(sent, is_in_order=False)

    def settle_claims(self) -> None:
        """Find gaps where best prices that were stated before the last call are still others than the book's."""
        for token in self._due:
            book = self._books[token]
            if book.claim is not None and book.trust == Trust.TRUSTED and book.claim != book.top:
                self.distrust(token, "best_bid_ask")
            book.claim = None
        self._due, self.claimed = self.claimed, set()

    def distrust(self, token: str, reason: str) -> None:
        """Have the book replaced: it is known to be wrong."""
        book = self._books[token]
        if book.trust != Trust.GAP:
            book.distrust()
            self.gaps[token] = reason

    def _find(self, sent: Mapping[str, Any]) -> tuple[str, TokenBook | None]:
        token = values.as_identifier(sent.get("asset_id"), ID_MAX)
        if not token:
            raise BadEventError("no asset_id")
        return token, self._books.get(token)

    def _take_snapshot(self, event: Mapping[str, Any]) -> None:
        token, book = self._find(event)
        if book is None:
            return
        if not book.replace(event, is_in_order=True):
            self.distrust(token, "unreadable")
            raise BadEventError("no book")
        self.gaps.pop(token, None)
        self.changed.add(token)

    def _take_changes(self, event: Mapping[str, Any]) -> None:
        """Apply all that can be read; those of a token that can't be are a gap of its book."""
        timestamp = as_timestamp(event.get("timestamp"))
        stated: dict[str, Top] = {}
        problems: list[BadEventError] = []
        for sent in changes_of(event):
            token, book = self._find(sent)
            if book is None:
                continue
            try:
                self._apply(token, book, read_change(sent, timestamp))
            except BadEventError as exc:
                self.distrust(token, "unreadable")
                problems.append(exc)
            else:
                if "best_bid" in sent and "best_ask" in sent:
                    stated[token] = top_of(sent)
        self._check_best(stated, timestamp)
        if problems:
            raise problems[0]

    def _apply(self, token: str, book: TokenBook, change: Change) -> None:
        if not book.apply(change):
            self.distrust(token, "out_of_order")
        elif book.is_overfull:
            self.distrust(token, "too_many_levels")
        self.changed.add(token)
        book.claim = None

    def _check_best(self, stated: Mapping[str, Top], timestamp: int) -> None:
        """Compare with the best prices that the last change of each token states."""
        for token, top in stated.items():
            book = self._books[token]
            if book.trust == Trust.TRUSTED and book.timestamp <= timestamp and book.top != top:
                self.distrust(token, "best_prices")

    def _take_trade(self, event: Mapping[str, Any]) -> None:
        token, book = self._find(event)
        trade = parse_trade(event.get("price"))
        if trade is None:
            raise BadEventError("no price of a trade")
        if book is not None and book.trade != trade:
            book.trade = trade
            self.changed.add(token)

    def _take_best(self, event: Mapping[str, Any]) -> None:
        token, book = self._find(event)
        if "best_bid" not in event or "best_ask" not in event:
            raise BadEventError("no best prices")
        timestamp = as_timestamp(event.get("timestamp"))
        if book is not None and (not timestamp or timestamp >= book.timestamp):
            # The change that it follows from may come after it.
            book.claim = top_of(event)
            self.claimed.add(token)


def read_events(frame: str | bytes) -> list[Mapping[str, Any]]:
    """Return the events of a frame. Raises BadEventError for what isn't JSON, or isn't events at all."""
    try:
        sent = values.decode(frame.encode() if isinstance(frame, str) else frame)
    except ValueError as exc:
        raise BadEventError("no JSON") from exc
    events = sent if isinstance(sent, list) else [sent]
    if len(events) > EVENTS_MAX:
        raise BadEventError("too many events")
    return [values.as_mapping(event) for event in events]


def kind_of(event: Mapping[str, Any]) -> Kind:
    """Return what it is, also without `event_type`. Raises BadEventError for what is no event."""
    if not event:
        raise BadEventError("no event")
    stated = event.get("event_type")
    if stated is None:
        if "price_changes" in event or "changes" in event:
            return Kind.PRICE_CHANGE
        return Kind.BOOK if "bids" in event and "asks" in event else Kind.OTHER
    return Kind(stated) if isinstance(stated, str) and stated in _KINDS else Kind.OTHER


_KINDS = frozenset(kind.value for kind in Kind)


def changes_of(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the changes of an event of either shape, each with its `asset_id`.

    Since September 2025 they are `price_changes`, each with its token; before they were `changes` of one token.
    """
    sent = event.get("price_changes", event.get("changes"))
    if not isinstance(sent, list) or len(sent) > EVENTS_MAX:
        raise BadEventError("no list of changes")
    own = {} if "price_changes" in event else {"asset_id": event.get("asset_id")}
    return [{**own, **values.as_mapping(change)} for change in sent]


def read_change(sent: Mapping[str, Any], timestamp: int) -> Change:
    """Return one change. Raises BadEventError where side, price or size make no sense."""
    side, price, size = sent.get("side"), as_price(sent.get("price")), values.as_decimal(sent.get("size"))
    if side not in ("BUY", "SELL") or price is None or size is None or not ZERO <= size <= SIZE_MAX:
        raise BadEventError("no change of a level")
    return Change(side, price, size, timestamp)


def top_of(sent: Mapping[str, Any]) -> Top:
    """Return the best prices that are stated; what isn't between 0 and 1 is a side without orders."""
    return Top(as_price(sent.get("best_bid")), as_price(sent.get("best_ask")))


def as_price(value: object) -> Decimal | None:
    if isinstance(value, str) and len(value) > PRICE_CHARACTERS:
        return None
    return _price(value) if isinstance(value, str | int | float | Decimal) else None


@lru_cache(20_000, typed=True)
def _price(sent: str | float | Decimal) -> Decimal | None:
    """Cached: prices are few, and books that share them take less memory."""
    price = values.as_decimal(sent)
    return price if price is not None and ZERO < price < ONE else None


def as_timestamp(value: object) -> int:
    """Return milliseconds; 0 for what is none."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= TIMESTAMP_DIGITS else 0


def prices_of_market(books: Books, tokens: Tokens, *, depth: int, max_spread: Decimal) -> ShownPrices | None:
    """Return what is to be shown of a market by its local books; None while they can't be trusted, or are crossed."""
    this, that = (books[token] for token in tokens)
    known = (Trust.TRUSTED, Trust.ABSENT)
    if this.trust not in known or that.trust not in known:
        return None
    # No more levels than fill the depth: a merged book needs none beyond.
    merged = merge_books(this.first_shares(depth), that.first_shares(depth))
    return shown_prices_of(merged, trade=trade_of_this(this.trade, that.trade), depth=depth, max_spread=max_spread)
