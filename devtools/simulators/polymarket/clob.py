"""The CLOB's endpoints: live prices, books, histories, and who won. Numbers are text, except in a market's tokens."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha1
from math import sin
from typing import Any
from zlib import crc32

from .books import ONE
from .faults import spoil_books, spoil_history, spoil_prices
from .formats import dump, plain, rfc3339
from .messages import RefusedError, Request, Response
from .models import Market
from .state import FINAL_PRICES
from .world import World

Json = dict[str, Any]
# Poison of these stays out of `/markets/{condition_id}`, which has no such field at its top.
_BOOK_FIELDS = {
    "market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size", "last_trade_price",
    "outcome", "price", "side", "token_id", "winner", "mid", "spread",
}  # fmt: skip


def midpoint(market: Market, token: str) -> Decimal | None:
    """The live middle of the token's book; None where it has no orders."""
    return market.token_top(token).middle


def best_price(market: Market, token: str, side: str) -> Decimal:
    """What `side` quotes: `BUY` is the best bid, `SELL` the best ask."""
    top = market.token_top(token)
    return top.low if side == "BUY" else top.high


def book(market: Market, token: str, now: datetime, *, best_first: bool = False) -> Json:
    """The order book of one token. The best bid and the best ask come last in their lists, or first."""
    bids, asks = market.ladder(token)
    trade, step = market.last_trade(token), 1 if best_first else -1
    shape: Json = {
        "market": market.condition_id,
        "asset_id": token,
        "bids": [order._asdict() for order in bids[::step]],
        "asks": [order._asdict() for order in asks[::step]],
        "min_order_size": "5",
        "tick_size": plain(market.tick),
        "neg_risk": market.event.neg_risk,
        "last_trade_price": trade.price if trade else "",
    }
    digest = sha1(repr(shape).encode(), usedforsecurity=False).hexdigest()
    return _poisoned(market, {"timestamp": timestamp(now), **shape, "hash": digest})


def timestamp(now: datetime) -> str:
    """Milliseconds."""
    return str(int(now.timestamp() * 1000))


def _poisoned(market: Market, shape: Json) -> Json:
    """The same with the values that a command put into its fields."""
    poison = market.poison_clob
    return shape | {key: value for key, value in poison.items() if key in shape} if poison else shape


def clob_market(market: Market) -> Json:
    """`GET /markets/{condition_id}`: the second source of who won."""
    event = market.event
    shape = {
        "accepting_order_timestamp": rfc3339(market.created_at),
        "accepting_orders": bool(market.accepting) and not market.closed,
        "active": market.active,
        "archived": market.archived,
        "closed": market.closed,
        "condition_id": market.condition_id,
        "description": event.rules if market.description is None else market.description,
        "enable_order_book": not market.closed,
        "end_date_iso": f"{market.ends_at:%Y-%m-%d}T00:00:00Z" if market.ends_at else None,
        "fpmm": "",
        "game_start_time": rfc3339(event.game_at) if event.game_at else None,
        "icon": "",
        "image": "",
        "is_50_50_outcome": market.clob_says_50_50,
        "maker_base_fee": 0,
        "market_slug": market.slug,
        "minimum_order_size": 5,
        "minimum_tick_size": float(market.tick),
        "neg_risk": event.neg_risk,
        "neg_risk_market_id": event.neg_risk_id,
        "neg_risk_request_id": market.request_id,
        "notifications_enabled": True,
        "question": market.question,
        "question_id": market.question_id,
        "rewards": {"max_spread": 4.5, "min_size": 50, "rates": None},
        "seconds_delay": 3 if event.game_at else 0,
        "tags": [tag.label for tag in event.tags] or None,
        "taker_base_fee": 0,
        "tokens": _tokens(market),
    }
    foreign = _BOOK_FIELDS - set(shape)
    return shape | {key: value for key, value in market.poison_clob.items() if key not in foreign}


def _tokens(market: Market) -> list[Json]:
    prices = FINAL_PRICES.get(market.clob_outcome) or (market.price, *([ONE - market.price] * (len(market.tokens) - 1)))
    winner = {"this": 0, "that": 1}.get(market.clob_outcome)
    return [
        _poisoned(market, {"outcome": outcome, "price": _number(price), "token_id": token, "winner": index == winner})
        for index, (outcome, token, price) in enumerate(zip(market.outcomes, market.tokens, prices, strict=True))
    ]


def _number(price: Decimal) -> float | int:
    return int(price) if price == int(price) else float(price)


def history(market: Market, token: str, moments: list[int]) -> list[Json]:
    """Prices at `moments` (Unix seconds, rising): two slow waves that end at the live price, or at the last one."""
    if not moments:
        return []
    middle = midpoint(market, token)
    if middle is None:
        middle = market.price if token == market.tokens[0] else ONE - market.price
    last, now = moments[-1], float(middle)
    room = min(now, 1 - now)
    phase = crc32(token.encode()) % 628 / 100

    def at(moment: int) -> float:
        back = (last - moment) / 3600
        wave = sin(back / 5 + phase) - sin(phase) + (sin(back / 1.3 + phase) - sin(phase)) / 3
        return round(now + room * wave / 4, 4)

    return [{"t": moment, "p": at(moment)} for moment in moments]


MAX_BATCH = 500
MAX_WINDOW = 15 * 24 * 3600
HOURS = {"1h": 1, "6h": 6, "1d": 24, "1w": 168, "1m": 720, "max": 2160, "all": 2160}
LEAST_FIDELITY = {"1m": 10, "1w": 5}
LEAST_FIDELITY_OF_CLOSED = 720
NEVER_TRADED = {"price": "0.5", "side": ""}
NO_BOOK = "No orderbook exists for the requested token id"
Endpoint = Callable[[Request], object]


MAX_KEPT = 20_000


class RenderedBooks:
    """Books as bytes, in two halves around the time, each kept until the book or the order of its lists changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[str, tuple[int, bool, bytes, bytes]] = {}

    def one(self, market: Market, token: str) -> bytes:
        """The book of one token, as of now."""
        moment = timestamp(self._world.now).encode()
        revision, best_first, before, after = self._kept.get(token, (-1, False, b"", b""))
        if (revision, best_first) != (market.revision, self._world.best_first):
            before, moment, after = self._render(market, token, moment)
        return before + moment + after

    def _render(self, market: Market, token: str, moment: bytes) -> tuple[bytes, bytes, bytes]:
        best_first = self._world.best_first
        body = dump(book(market, token, self._world.now, best_first=best_first))
        if "timestamp" in market.poison_clob:
            return body, b"", b""
        halves = body.partition(b'"timestamp":"' + moment)
        before, after = halves[0] + halves[1][: -len(moment)], halves[2]
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[token] = market.revision, best_first, before, after
        return before, moment, after


class Clob:
    """Responds to the CLOB's paths for one world; None for a path that is not the CLOB's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rendered = RenderedBooks(world)
        self._get: dict[str, Endpoint] = {
            "/midpoint": self._midpoint,
            "/price": self._price,
            "/spread": self._spread,
            "/last-trade-price": self._last_trade_price,
            "/prices-history": self._history,
            "/time": lambda _request: int(world.now.timestamp()),
        }
        self._post: dict[str, Endpoint] = {
            "/midpoints": self._midpoints,
            "/prices": self._prices,
            "/spreads": self._spreads,
            "/last-trades-prices": self._last_trades_prices,
        }

    def respond(self, request: Request) -> Response | None:
        match request.method, request.path:
            case "POST", "/books":
                return Response(200, self._books(request))
            case "GET", "/book":
                return Response(200, self._book(request))
        endpoints = self._post if request.method == "POST" else self._get
        if request.path in endpoints:
            return Response(200, dump(endpoints[request.path](request)))
        if request.path in self._post or request.path == "/books":
            # The plural paths want a body: a GET of them never works upstream.
            raise _bad("Invalid payload")
        start, _, key = request.path.rpartition("/")
        return self._market(key) if start == "/markets" and key.startswith("0x") else None

    def _market(self, condition_id: str) -> Response:
        market = self._world.get(condition_id)
        if market is None:
            raise RefusedError(404, {"error": "market not found"})
        return Response(200, dump(clob_market(market)))

    def _midpoint(self, request: Request) -> object:
        market, token = self._booked(request)
        middle = midpoint(market, token)
        if middle is None:
            raise RefusedError(404, {"error": NO_BOOK})
        return _poisoned(market, {"mid": plain(middle)})

    def _price(self, request: Request) -> object:
        market, token = self._booked(request)
        return _poisoned(market, {"price": plain(best_price(market, token, _side(request.one("side"))))})

    def _spread(self, request: Request) -> object:
        market, token = self._booked(request)
        return _poisoned(market, {"spread": plain(market.token_top(token).spread)})

    def _book(self, request: Request) -> bytes:
        return self._rendered.one(*self._booked(request))

    def _last_trade_price(self, request: Request) -> object:
        market, token = self._booked(request)
        trade = market.last_trade(token)
        return _poisoned(market, {"price": trade.price, "side": trade.side} if trade else NEVER_TRADED)

    def _midpoints(self, request: Request) -> object:
        items = _requested_tokens(request)
        if "malformed" in request.tricks:
            return spoil_prices(list(dict.fromkeys(str(item["token_id"]) for item in items)))
        middles = [(market, token, midpoint(market, token)) for market, token, _ in self._batch(items)]
        return {
            token: market.poison_clob.get("mid", plain(middle))
            for market, token, middle in middles
            if middle is not None
        }

    def _prices(self, request: Request) -> object:
        prices: dict[str, Json] = {}
        for market, token, item in self._batch(_requested_tokens(request)):
            side = _side(item.get("side"))
            best = plain(best_price(market, token, side))
            prices.setdefault(token, {})[side] = market.poison_clob.get("price", best)
        return prices

    def _spreads(self, request: Request) -> object:
        return {
            token: market.poison_clob.get("spread", plain(market.token_top(token).spread))
            for market, token, _ in self._batch(_requested_tokens(request))
        }

    def _books(self, request: Request) -> bytes:
        items = _requested_tokens(request)
        if "malformed" in request.tricks:
            return dump(spoil_books([str(item["token_id"]) for item in items]))
        batch = self._batch(items)
        if any(market.books_refused for market, _, _ in batch):
            raise _bad("Invalid token id")
        return b"[" + b",".join(self._rendered.one(market, token) for market, token, _ in batch) + b"]"

    def _last_trades_prices(self, request: Request) -> object:
        """The last trade of each token; one that was never traded is left out."""
        batch = self._batch(_requested_tokens(request))
        trades = [(market, token, market.last_trade(token)) for market, token, _ in batch]
        return [
            _poisoned(market, {"token_id": token, "price": trade.price, "side": trade.side})
            for market, token, trade in trades
            if trade is not None
        ]

    def _booked(self, request: Request) -> tuple[Market, str]:
        """The market of `token_id`. A closed or brand-new one has no book: 404."""
        token = request.one("token_id")
        if not token:
            raise _bad("Invalid token id")
        market = self._with_book(token)
        if market is None:
            raise RefusedError(404, {"error": NO_BOOK})
        return market, token

    def _batch(self, items: list[dict[str, Any]]) -> list[tuple[Market, str, dict[str, Any]]]:
        """The tokens that have a book; the others are left out without a word."""
        pairs = [(self._with_book(str(item["token_id"])), str(item["token_id"]), item) for item in items]
        return [(market, token, item) for market, token, item in pairs if market is not None]

    def _with_book(self, token: str) -> Market | None:
        market = self._world.get(token)
        return market if market is not None and market.has_book and token in market.tokens else None

    def _history(self, request: Request) -> object:
        token = request.one("market")
        if not token:
            raise _bad("invalid filters: 'market' is required")
        fidelity = request.number("fidelity") or 1
        begin, end = self._window(request, fidelity)
        market = self._world.get(token)
        if market is None or token not in market.tokens or not market.priced:
            return {"history": []}
        if "malformed" in request.tricks:
            return {"history": spoil_history(end)}
        if market.closed:
            if fidelity < LEAST_FIDELITY_OF_CLOSED:
                return {"history": []}
            end = min(end, int((market.closed_at or self._world.now).timestamp()))
        begin = max(begin, int(market.created_at.timestamp()))
        step = max(fidelity * 60, (end - begin) // 5000 or 1)
        return {"history": history(market, token, list(range(end, max(begin, 0), -step))[::-1])}

    def _window(self, request: Request, fidelity: int) -> tuple[int, int]:
        """Return the first and the last second of the requested window."""
        now = int(self._world.now.timestamp())
        begin, end = request.number("startTs"), request.number("endTs")
        if begin is not None or end is not None:
            last = now if end is None else end
            first = last - MAX_WINDOW if begin is None else begin
            if last - first > MAX_WINDOW:
                raise _bad("invalid filters: 'startTs' and 'endTs' interval is too long")
            return first, last
        interval = request.one("interval")
        if interval not in HOURS:
            raise _bad("invalid filters: 'interval' or 'startTs' and 'endTs' must be set")
        least = LEAST_FIDELITY.get(interval, 1)
        if fidelity < least:
            raise _bad(f"invalid filters: minimum 'fidelity' for '{interval}' range is {least}")
        return now - HOURS[interval] * 3600, now


def _requested_tokens(request: Request) -> list[dict[str, Any]]:
    body = request.body
    if not isinstance(body, list) or not all(isinstance(item, dict) and "token_id" in item for item in body):
        raise _bad("Invalid payload")
    if len(body) > MAX_BATCH:
        raise _bad("Payload exceeds the limit")
    return body


def _side(text: object) -> str:
    side = str(text or "").upper()
    if side not in {"BUY", "SELL"}:
        raise _bad("Invalid side")
    return side


def _bad(error: str) -> RefusedError:
    return RefusedError(400, {"error": error})
