"""The CLOB's endpoints: live prices, books, histories, and who won. Numbers are text, except in a market's tokens."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha1
from math import sin
from typing import Any
from zlib import crc32

from .faults import spoil_prices
from .formats import dump, plain, rfc3339
from .messages import RefusedError, Request, Response
from .models import FINAL_PRICES, ONE, ZERO, Market
from .world import World

Json = dict[str, Any]
DEPTH = 12
_MILLION = Decimal(1_000_000)


def midpoint(market: Market, token: str) -> Decimal:
    """The live middle of the token's book."""
    return market.price if token == market.tokens[0] else ONE - market.price


def spread(market: Market) -> Decimal:
    return market.spread * market.tick


def best_price(market: Market, token: str, side: str) -> Decimal:
    """What `side` quotes: `BUY` is the best bid, `SELL` the best ask."""
    half = spread(market) / 2
    middle = midpoint(market, token)
    return middle - half if side == "BUY" else min(ONE, middle + half)


def book(market: Market, token: str, now: datetime) -> Json:
    """The order book of one token. The best bid and the best ask come last in their lists."""
    bid, ask = best_price(market, token, "BUY"), best_price(market, token, "SELL")
    bids = [bid - market.tick * step for step in reversed(range(DEPTH))]
    asks = [ask + market.tick * step for step in reversed(range(DEPTH))]
    shape: Json = {
        "market": market.condition_id,
        "asset_id": token,
        "timestamp": str(int(now.timestamp() * 1000)),
        "bids": [_order(market, price) for price in bids if ZERO < price < ONE],
        "asks": [_order(market, price) for price in asks if ZERO < price < ONE],
        "min_order_size": "5",
        "tick_size": plain(market.tick),
        "neg_risk": market.event.neg_risk,
        "last_trade_price": plain(bid) if bid > ZERO else "",
    }
    digest = sha1(repr(shape).encode(), usedforsecurity=False).hexdigest()
    return {**shape, "hash": digest}


def _order(market: Market, price: Decimal) -> dict[str, str]:
    size = Decimal(crc32(f"{market.number}:{price}".encode()) % 4_000_000 + 500) / 100
    return {"price": plain(price), "size": plain(size)}


def clob_market(market: Market) -> Json:
    """`GET /markets/{condition_id}`: the second source of who won."""
    event = market.event
    return {
        "accepting_order_timestamp": rfc3339(market.created_at),
        "accepting_orders": bool(market.accepting) and not market.closed,
        "active": market.active,
        "archived": False,
        "closed": market.closed,
        "condition_id": market.condition_id,
        "description": event.rules,
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


def _tokens(market: Market) -> list[Json]:
    prices = FINAL_PRICES.get(market.clob_outcome) or (market.price, *([ONE - market.price] * (len(market.tokens) - 1)))
    winner = {"this": 0, "that": 1}.get(market.clob_outcome)
    return [
        {"outcome": outcome, "price": _number(price), "token_id": token, "winner": index == winner}
        for index, (outcome, token, price) in enumerate(zip(market.outcomes, market.tokens, prices, strict=True))
    ]


def _number(price: Decimal) -> float | int:
    return int(price) if price == int(price) else float(price)


def history(market: Market, token: str, moments: list[int]) -> list[Json]:
    """Prices at `moments` (Unix seconds, rising): two slow waves that end at the live price."""
    if not moments:
        return []
    last, now = moments[-1], float(midpoint(market, token))
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
NO_BOOK = "No orderbook exists for the requested token id"
Endpoint = Callable[[Request], object]


class Clob:
    """Responds to the CLOB's paths for one world; None for a path that is not the CLOB's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._get: dict[str, Endpoint] = {
            "/midpoint": self._midpoint,
            "/price": self._price,
            "/spread": self._spread,
            "/book": self._book,
            "/prices-history": self._history,
            "/time": lambda _request: int(world.now.timestamp()),
        }
        self._post: dict[str, Endpoint] = {
            "/midpoints": self._midpoints,
            "/prices": self._prices,
            "/spreads": self._spreads,
            "/books": self._books,
        }

    def respond(self, request: Request) -> Response | None:
        endpoints = self._post if request.method == "POST" else self._get
        if request.path in endpoints:
            return Response(200, dump(endpoints[request.path](request)))
        if request.path in self._post:
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
        return {"mid": plain(midpoint(market, token))}

    def _price(self, request: Request) -> object:
        market, token = self._booked(request)
        return {"price": plain(best_price(market, token, _side(request.one("side"))))}

    def _spread(self, request: Request) -> object:
        return {"spread": plain(spread(self._booked(request)[0]))}

    def _book(self, request: Request) -> object:
        market, token = self._booked(request)
        return book(market, token, self._world.now)

    def _midpoints(self, request: Request) -> object:
        items = _requested_tokens(request)
        if "malformed" in request.tricks:
            return spoil_prices(list(dict.fromkeys(str(item["token_id"]) for item in items)))
        return {token: plain(midpoint(market, token)) for market, token, _ in self._batch(items)}

    def _prices(self, request: Request) -> object:
        prices: dict[str, dict[str, str]] = {}
        for market, token, item in self._batch(_requested_tokens(request)):
            side = _side(item.get("side"))
            prices.setdefault(token, {})[side] = plain(best_price(market, token, side))
        return prices

    def _spreads(self, request: Request) -> object:
        return {token: plain(spread(market)) for market, token, _ in self._batch(_requested_tokens(request))}

    def _books(self, request: Request) -> object:
        return [book(market, token, self._world.now) for market, token, _ in self._batch(_requested_tokens(request))]

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
