"""The CLOB's endpoints: live prices, books, histories, and who won."""

from collections.abc import Callable
from typing import Any

from .clob_shapes import best_price, book, clob_market, history, midpoint, spread
from .malformed import spoil_prices
from .market import Market
from .rendering import dump
from .replies import Call, RefusedError, Reply
from .stamps import plain
from .world import World

MAX_BATCH = 500
MAX_WINDOW = 15 * 24 * 3600
HOURS = {"1h": 1, "6h": 6, "1d": 24, "1w": 168, "1m": 720, "max": 2160, "all": 2160}
LEAST_FIDELITY = {"1m": 10, "1w": 5}
NO_BOOK = "No orderbook exists for the requested token id"
Answer = Callable[[Call], object]


class Clob:
    """Answers the CLOB's paths for one world, or None for a path that is not the CLOB's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._get: dict[str, Answer] = {
            "/midpoint": self._midpoint,
            "/price": self._price,
            "/spread": self._spread,
            "/book": self._book,
            "/prices-history": self._history,
            "/time": lambda _call: int(world.now.timestamp()),
        }
        self._post: dict[str, Answer] = {
            "/midpoints": self._midpoints,
            "/prices": self._prices,
            "/spreads": self._spreads,
            "/books": self._books,
        }

    def answer(self, call: Call) -> Reply | None:
        answers = self._post if call.method == "POST" else self._get
        if call.path in answers:
            return Reply(200, dump(answers[call.path](call)))
        if call.path in self._post:
            # The plural paths want a body: a GET of them never works upstream.
            raise _bad("Invalid payload")
        start, _, key = call.path.rpartition("/")
        return self._market(key) if start == "/markets" and key.startswith("0x") else None

    def _market(self, condition_id: str) -> Reply:
        market = self._world.get(condition_id)
        if market is None:
            raise RefusedError(404, {"error": "market not found"})
        return Reply(200, dump(clob_market(market)))

    def _midpoint(self, call: Call) -> object:
        market, token = self._booked(call)
        return {"mid": plain(midpoint(market, token))}

    def _price(self, call: Call) -> object:
        market, token = self._booked(call)
        return {"price": plain(best_price(market, token, _side(call.one("side"))))}

    def _spread(self, call: Call) -> object:
        return {"spread": plain(spread(self._booked(call)[0]))}

    def _book(self, call: Call) -> object:
        market, token = self._booked(call)
        return book(market, token, self._world.now)

    def _midpoints(self, call: Call) -> object:
        asked = _asked(call)
        if "malformed" in call.tricks:
            return spoil_prices(list(dict.fromkeys(str(item["token_id"]) for item in asked)))
        return {token: plain(midpoint(market, token)) for market, token, _ in self._batch(asked)}

    def _prices(self, call: Call) -> object:
        prices: dict[str, dict[str, str]] = {}
        for market, token, item in self._batch(_asked(call)):
            side = _side(item.get("side"))
            prices.setdefault(token, {})[side] = plain(best_price(market, token, side))
        return prices

    def _spreads(self, call: Call) -> object:
        return {token: plain(spread(market)) for market, token, _ in self._batch(_asked(call))}

    def _books(self, call: Call) -> object:
        return [book(market, token, self._world.now) for market, token, _ in self._batch(_asked(call))]

    def _booked(self, call: Call) -> tuple[Market, str]:
        """The market of `token_id`. A closed or brand-new one has no book: 404."""
        token = call.one("token_id")
        if not token:
            raise _bad("Invalid token id")
        market = self._with_book(token)
        if market is None:
            raise RefusedError(404, {"error": NO_BOOK})
        return market, token

    def _batch(self, asked: list[dict[str, Any]]) -> list[tuple[Market, str, dict[str, Any]]]:
        """The tokens that have a book; the others are left out without a word."""
        pairs = [(self._with_book(str(item["token_id"])), str(item["token_id"]), item) for item in asked]
        return [(market, token, item) for market, token, item in pairs if market is not None]

    def _with_book(self, token: str) -> Market | None:
        market = self._world.get(token)
        return market if market is not None and market.has_book and token in market.tokens else None

    def _history(self, call: Call) -> object:
        token = call.one("market")
        if not token:
            raise _bad("invalid filters: 'market' is required")
        fidelity = call.number("fidelity") or 1
        begin, end = self._window(call, fidelity)
        market = self._world.get(token)
        if market is None or token not in market.tokens or not market.priced:
            return {"history": []}
        step = max(fidelity * 60, (end - begin) // 5000 or 1)
        return {"history": history(market, token, list(range(end, max(begin, 0), -step))[::-1])}

    def _window(self, call: Call, fidelity: int) -> tuple[int, int]:
        """First and last second asked for."""
        now = int(self._world.now.timestamp())
        begin, end = call.number("startTs"), call.number("endTs")
        if begin is not None or end is not None:
            last = now if end is None else end
            first = last - MAX_WINDOW if begin is None else begin
            if last - first > MAX_WINDOW:
                raise _bad("invalid filters: 'startTs' and 'endTs' interval is too long")
            return first, last
        interval = call.one("interval")
        if interval not in HOURS:
            raise _bad("invalid filters: 'interval' or 'startTs' and 'endTs' must be set")
        least = LEAST_FIDELITY.get(interval, 1)
        if fidelity < least:
            raise _bad(f"invalid filters: minimum 'fidelity' for '{interval}' range is {least}")
        return now - HOURS[interval] * 3600, now


def _asked(call: Call) -> list[dict[str, Any]]:
    if not isinstance(call.body, list) or not all(isinstance(item, dict) and "token_id" in item for item in call.body):
        raise _bad("Invalid payload")
    if len(call.body) > MAX_BATCH:
        raise _bad("Payload exceeds the limit")
    return call.body


def _side(text: object) -> str:
    side = str(text or "").upper()
    if side not in {"BUY", "SELL"}:
        raise _bad("Invalid side")
    return side


def _bad(error: str) -> RefusedError:
    return RefusedError(400, {"error": error})
