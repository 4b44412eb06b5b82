"""Gamma's endpoints: the catalogue."""

from collections.abc import Callable
from typing import Generic

from .event import Event
from .event_shapes import gamma_tag
from .listing import Item, Lister
from .malformed import mix_into
from .market import Market
from .rendering import dump, event_json, market_with_event_json, tags_json
from .replies import Call, Reply, invalid, not_found
from .sieve import EVENT_FILTERS, EVENT_ORDERS, MARKET_FILTERS, MARKET_ORDERS
from .world import World

MAX_EVENTS, MAX_MARKETS, MAX_TAGS = 500, 100, 100


class Collection(Generic[Item]):
    """One kind of object: how it is named in a page, listed and written."""

    def __init__(self, name: str, lister: Lister[Item], write: Callable[[Call, Item], bytes]) -> None:
        self._name = name
        self._lister = lister
        self._write = write

    def page(self, call: Call, items: list[Item], age: int) -> Reply:
        """A page by cursor: `{"markets": [...], "next_cursor": "..."}`, without the cursor on the last page."""
        page = self._lister.keyset(call, items, age)
        cursor = b"" if page.next_cursor is None else b',"next_cursor":' + dump(page.next_cursor)
        return Reply(200, b'{"' + self._name.encode() + b'":' + self._array(call, page.items) + cursor + b"}")

    def plain_list(self, call: Call, items: list[Item], age: int) -> Reply:
        """A bare list by offset."""
        return Reply(200, self._array(call, self._lister.offset(call, items, age)))

    def _array(self, call: Call, items: list[Item]) -> bytes:
        written = [self._write(call, item) for item in items]
        if "malformed" in call.tricks:
            written = mix_into(written, events=self._name == "events")
        return b"[" + b",".join(written) + b"]"


class Gamma:
    """Answers Gamma's paths for one world, or None for a path that is not Gamma's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: Collection[Event] = Collection("events", Lister(EVENT_ORDERS, EVENT_FILTERS, MAX_EVENTS), _event)
        self._markets: Collection[Market] = Collection(
            "markets", Lister(MARKET_ORDERS, MARKET_FILTERS, MAX_MARKETS), _market
        )

    def answer(self, call: Call) -> Reply | None:
        match call.path.strip("/").split("/"):
            case ["events", *rest]:
                return self._event_paths(call, rest)
            case ["markets", *rest]:
                return self._market_paths(call, rest)
            case ["tags", *rest]:
                return self._tag_paths(call, rest)
            case ["status"]:
                return Reply(200, b'"OK"')
        return None

    def _event_paths(self, call: Call, rest: list[str]) -> Reply | None:
        world = self._world
        match rest:
            case []:
                return self._events.plain_list(call, world.events, world.clock.ordering)
            case ["keyset"]:
                return self._events.page(call, world.events, world.clock.ordering)
            case ["slug", key] | [key]:
                return Reply(200, event_json(self._event(key, numeric=len(rest) == 1)))
            case [key, "tags"]:
                return Reply(200, tags_json(self._event(key, numeric=True)))
        return None

    def _market_paths(self, call: Call, rest: list[str]) -> Reply | None:
        world = self._world
        match rest:
            case []:
                return self._markets.plain_list(_open_unless_asked(call), world.markets, world.clock.ordering)
            case ["keyset"]:
                return self._markets.page(_open_unless_asked(call), world.markets, world.clock.ordering)
            case ["slug", key] | [key]:
                return Reply(200, _market(call, self._market(key, numeric=len(rest) == 1)))
            case [key, "tags"]:
                return Reply(200, tags_json(self._market(key, numeric=True).event))
        return None

    def _tag_paths(self, call: Call, rest: list[str]) -> Reply | None:
        match rest:
            case []:
                offset = call.number("offset") or 0
                limit = min(MAX_TAGS, call.number("limit") or MAX_TAGS)
                return Reply(200, dump([gamma_tag(tag) for tag in self._world.tags[offset : offset + limit]]))
            case ["slug", key] | [key]:
                by_slug = len(rest) > 1
                found = [tag for tag in self._world.tags if key == (tag.slug if by_slug else str(tag.number))]
                if not found:
                    raise not_found()
                return Reply(200, dump(gamma_tag(found[0])))
        return None

    def _event(self, key: str, *, numeric: bool) -> Event:
        _check_number(key, numeric=numeric)
        try:
            return self._world.find_event(key)
        except KeyError:
            raise not_found() from None

    def _market(self, key: str, *, numeric: bool) -> Market:
        _check_number(key, numeric=numeric)
        market = self._world.get(key)
        if market is None or key not in {market.id, market.slug}:
            raise not_found()
        return market


def _check_number(key: str, *, numeric: bool) -> None:
    if numeric and not key.isdecimal():
        raise invalid("id is invalid")


def _open_unless_asked(call: Call) -> Call:
    """On `/markets`, leaving `closed` out hides closed markets, even those asked for by id."""
    if call.flag("closed") is not None:
        return call
    return Call(call.method, call.path, {**call.query, "closed": ["false"]}, call.body, call.tricks)


def _event(_call: Call, event: Event) -> bytes:
    return event_json(event)


def _market(call: Call, market: Market) -> bytes:
    return market_with_event_json(market, tags=bool(call.flag("include_tag")))
