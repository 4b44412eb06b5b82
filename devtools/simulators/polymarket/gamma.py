"""Gamma's endpoints: the catalogue, with its filters, its orders and both ways of paging.

A keyset cursor holds the sort key of the last object it gave, so the next page neither repeats nor skips one while
prices move; only a change of the sorted value itself can do that.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from .faults import mix_into
from .formats import dump, read_time
from .gamma_json import event_json, gamma_tag, market_with_event_json, tags_json
from .messages import Request, Response, invalid, not_found
from .models import Event, Market
from .world import World

Test = Callable[[Any], bool]
Maker = Callable[[Request, str, list[str]], Test]
Filters = dict[str, Maker]

# What `order` may name, in camelCase. `volume` of a market is text upstream and sorts as text.
COMMON_ORDERS: dict[str, Callable[[Any], Any]] = {
    "id": lambda item: item.number,
    "slug": lambda item: item.slug,
    "volume24hr": lambda item: item.volume24hr,
    "startDate": lambda item: item.starts_at.timestamp(),
    "createdAt": lambda item: item.created_at.timestamp(),
    "endDate": lambda item: item.ends_at.timestamp() if item.ends_at else None,
    "liquidity": lambda item: item.liquidity,
}
MARKET_ORDERS = COMMON_ORDERS | {
    "volume": lambda market: str(market.volume),
    "volumeNum": lambda market: market.volume,
    "liquidityNum": lambda market: market.liquidity,
}
EVENT_ORDERS = COMMON_ORDERS | {"volume": lambda event: event.volume, "title": lambda event: event.title}


def _there(item: Market | Event) -> bool:
    return not item.is_deleted


def _same(field: str) -> Maker:
    def make(request: Request, name: str, _values: list[str]) -> Test:
        expected = request.flag(name)
        return lambda item: expected is None or getattr(item, field) == expected

    return make


def _among(field: str) -> Maker:
    def make(_request: Request, _name: str, values: list[str]) -> Test:
        allowed = set(values)
        return lambda item: getattr(item, field, None) in allowed

    return make


def _bound(field: str, *, least: bool) -> Maker:
    def make(_request: Request, name: str, values: list[str]) -> Test:
        limit = _amount(name, values[0])
        return lambda item: getattr(item, field) >= limit if least else getattr(item, field) <= limit

    return make


def _amount(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise invalid(f"{name} is not a number") from error


def _moment(field: str, *, least: bool) -> Maker:
    def make(_request: Request, name: str, values: list[str]) -> Test:
        try:
            limit = read_time(values[0])
        except ValueError as error:
            raise invalid(f"{name} is not a date") from error
        return lambda item: _within(getattr(item, field), limit, least=least)

    return make


def _within(moment: datetime | None, limit: datetime, *, least: bool) -> bool:
    return moment is not None and (moment >= limit if least else moment <= limit)


def _tagged(_request: Request, name: str, values: list[str]) -> Test:
    allowed = set(values)

    def passes(item: Event | Market) -> bool:
        event = item.event if isinstance(item, Market) else item
        return any((str(tag.number) if name == "tag_id" else tag.slug) in allowed for tag in event.tags)

    return passes


def _tokened(_request: Request, _name: str, values: list[str]) -> Test:
    allowed = set(values)
    return lambda item: not allowed.isdisjoint(getattr(item, "tokens", ()))


_COMMON: Filters = {
    "closed": _same("closed"),
    "active": _same("active"),
    "archived": _same("archived"),
    "id": _among("id"),
    "slug": _among("slug"),
    "tag_id": _tagged,
    "end_date_min": _moment("ends_at", least=True),
    "end_date_max": _moment("ends_at", least=False),
    "start_date_min": _moment("starts_at", least=True),
    "start_date_max": _moment("starts_at", least=False),
}

# Markets are bounded by `volume_num_min` and the like, events by `volume_min`: the other's names are ignored.
MARKET_FILTERS: Filters = _COMMON | {
    "liquidity_num_min": _bound("liquidity", least=True),
    "liquidity_num_max": _bound("liquidity", least=False),
    "volume_num_min": _bound("volume", least=True),
    "volume_num_max": _bound("volume", least=False),
    "condition_ids": _among("condition_id"),
    "question_ids": _among("question_id"),
    "uma_resolution_status": _among("uma_status"),
    "sports_market_types": _among("sports_type"),
    "clob_token_ids": _tokened,
}
EVENT_FILTERS: Filters = _COMMON | {
    "liquidity_min": _bound("liquidity", least=True),
    "liquidity_max": _bound("liquidity", least=False),
    "volume_min": _bound("volume", least=True),
    "volume_max": _bound("volume", least=False),
    "tag_slug": _tagged,
}


Item = TypeVar("Item", bound=Market | Event)
Key = tuple[Any, ...]
DEFAULT_LIMIT, MAX_OFFSET = 20, 2000


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some objects, and where the next ones begin; None on the last page."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Index(Generic[Item]):
    """All objects in one order, rising, beside their keys."""

    keys: list[Key]
    items: list[Item]


class Lister(Generic[Item]):
    """Lists one kind of object. Sort indices are kept until a member or a sorted value changes."""

    def __init__(self, orders: dict[str, Callable[[Any], Any]], filters: Filters, largest_page: int) -> None:
        self._orders = orders
        self._filters = filters
        self._largest = largest_page
        self._indices: dict[tuple[str, ...], Index[Item]] = {}
        self._age = -1

    def keyset(self, request: Request, items: list[Item], age: int) -> Page[Item]:
        """One page by cursor. `age` is the version of `items`, by which an index is reused."""
        if "offset" in request.query:
            raise invalid("offset is not supported on keyset pagination")
        order, ascending, limit = self._sorting(request)
        index = self._index(order, items, age)
        cursor = None if "repeat_cursor" in request.tricks else request.one("after_cursor")
        walk = _walk(index, ascending, _read_cursor(cursor, order, ascending=ascending))
        found = _take(walk, self._tests(request), limit + 1)
        more = len(found) > limit or ("repeat_cursor" in request.tricks and bool(found))
        shown = found[:limit]
        last = _cursor(self._key(order, shown[-1]), order, ascending=ascending) if more else None
        return Page(shown, last)

    def offset(self, request: Request, items: list[Item], age: int) -> list[Item]:
        """One page by offset, the deprecated way."""
        offset = request.number("offset") or 0
        if offset > MAX_OFFSET:
            raise invalid(f"offset must be at most {MAX_OFFSET}, use keyset pagination")
        order, ascending, limit = self._sorting(request)
        walk = _walk(self._index(order, items, age), ascending, None)
        return _take(walk, self._tests(request), offset + limit)[offset:]

    def _sorting(self, request: Request) -> tuple[tuple[str, ...], bool, int]:
        named = request.one("order")
        order = tuple(name.strip() for name in named.split(",")) if named else ("id",)
        if any(name not in self._orders for name in order):
            raise invalid("order fields are not valid")
        ascending = request.flag("ascending")
        limit = request.number("limit")
        largest = min(self._largest, DEFAULT_LIMIT if limit is None else limit)
        return order, ascending is not False, max(largest, 1)

    def _tests(self, request: Request) -> list[Test]:
        """Return the tests an object must pass. Unknown parameters are ignored, as upstream does."""
        given = {name: values for name, values in request.query.items() if values}
        return [_there, *(make(request, name, given[name]) for name, make in self._filters.items() if name in given)]

    def _key(self, order: tuple[str, ...], item: Item) -> Key:
        values = [self._orders[name](item) for name in order]
        # Nulls last when rising, as in PostgreSQL; the id makes every key unique.
        return (*((value is None, 0 if value is None else value) for value in values), item.number)

    def _index(self, order: tuple[str, ...], items: list[Item], age: int) -> Index[Item]:
        if age != self._age:
            self._indices, self._age = {}, age
        if order not in self._indices:
            pairs = sorted(((self._key(order, item), item) for item in items), key=lambda pair: pair[0])
            self._indices[order] = Index([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        return self._indices[order]


def _walk(index: Index[Item], ascending: bool, after: Key | None) -> Iterator[Item]:  # noqa: FBT001 - private
    if ascending:
        return iter(index.items[bisect_right(index.keys, after) if after else 0 :])
    return reversed(index.items[: bisect_left(index.keys, after) if after else None])


def _take(walk: Iterable[Item], wanted: list[Test], amount: int) -> list[Item]:
    found: list[Item] = []
    for item in walk:
        if all(test(item) for test in wanted):
            found.append(item)
            if len(found) == amount:
                break
    return found


def _cursor(key: Key, order: tuple[str, ...], *, ascending: bool) -> str:
    return urlsafe_b64encode(json.dumps([order, ascending, key]).encode()).decode()


def _read_cursor(text: str | None, order: tuple[str, ...], *, ascending: bool) -> Key | None:
    """The key in a cursor. It belongs to the order it was made for."""
    if not text:
        return None
    try:
        named, rising, key = json.loads(urlsafe_b64decode(text))
        if (tuple(named), rising) != (order, ascending):
            raise invalid("after_cursor does not belong to this order")
        return (*(tuple(part) for part in key[:-1]), key[-1])
    except (ValueError, TypeError) as error:
        raise invalid("after_cursor is not valid") from error


MAX_EVENTS, MAX_MARKETS, MAX_TAGS = 500, 100, 100


class Collection(Generic[Item]):
    """One kind of object: how it is named in a page, listed and written."""

    def __init__(self, name: str, lister: Lister[Item], write: Callable[[Request, Item], bytes]) -> None:
        self._name = name
        self._lister = lister
        self._write = write

    def page(self, request: Request, items: list[Item], age: int) -> Response:
        """A page by cursor: `{"markets": [...], "next_cursor": "..."}`, without the cursor on the last page."""
        page = self._lister.keyset(request, items, age)
        cursor = b"" if page.next_cursor is None else b',"next_cursor":' + dump(page.next_cursor)
        return Response(200, b'{"' + self._name.encode() + b'":' + self._array(request, page.items) + cursor + b"}")

    def plain_list(self, request: Request, items: list[Item], age: int) -> Response:
        """A bare list by offset."""
        return Response(200, self._array(request, self._lister.offset(request, items, age)))

    def _array(self, request: Request, items: list[Item]) -> bytes:
        written = [self._write(request, item) for item in items]
        if "malformed" in request.tricks:
            written = mix_into(written, events=self._name == "events")
        return b"[" + b",".join(written) + b"]"


class Gamma:
    """Responds to Gamma's paths for one world; None for a path that is not Gamma's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: Collection[Event] = Collection("events", Lister(EVENT_ORDERS, EVENT_FILTERS, MAX_EVENTS), _event)
        self._markets: Collection[Market] = Collection(
            "markets", Lister(MARKET_ORDERS, MARKET_FILTERS, MAX_MARKETS), _market
        )

    def respond(self, request: Request) -> Response | None:
        match request.path.strip("/").split("/"):
            case ["events", *rest]:
                return self._event_paths(request, rest)
            case ["markets", *rest]:
                return self._market_paths(request, rest)
            case ["tags", *rest]:
                return self._tag_paths(request, rest)
            case ["status"]:
                return Response(200, b'"OK"')
        return None

    def _event_paths(self, request: Request, rest: list[str]) -> Response | None:
        world = self._world
        match rest:
            case []:
                return self._events.plain_list(request, world.events, world.clock.ordering)
            case ["keyset"]:
                return self._events.page(request, world.events, world.clock.ordering)
            case ["slug", key] | [key]:
                return Response(200, event_json(self._event(key, numeric=len(rest) == 1)))
            case [key, "tags"]:
                return Response(200, tags_json(self._event(key, numeric=True)))
        return None

    def _market_paths(self, request: Request, rest: list[str]) -> Response | None:
        world = self._world
        match rest:
            case []:
                return self._markets.plain_list(_open_by_default(request), world.markets, world.clock.ordering)
            case ["keyset"]:
                return self._markets.page(_open_by_default(request), world.markets, world.clock.ordering)
            case ["slug", key] | [key]:
                return Response(200, _market(request, self._market(key, numeric=len(rest) == 1)))
            case [key, "tags"]:
                return Response(200, tags_json(self._market(key, numeric=True).event))
        return None

    def _tag_paths(self, request: Request, rest: list[str]) -> Response | None:
        match rest:
            case []:
                offset = request.number("offset") or 0
                limit = min(MAX_TAGS, request.number("limit") or MAX_TAGS)
                return Response(200, dump([gamma_tag(tag) for tag in self._world.tags[offset : offset + limit]]))
            case ["slug", key] | [key]:
                by_slug = len(rest) > 1
                found = [tag for tag in self._world.tags if key == (tag.slug if by_slug else str(tag.number))]
                if not found:
                    raise not_found()
                return Response(200, dump(gamma_tag(found[0])))
        return None

    def _event(self, key: str, *, numeric: bool) -> Event:
        _check_number(key, numeric=numeric)
        try:
            event = self._world.find_event(key)
        except KeyError:
            raise not_found() from None
        if event.deleted:
            raise not_found()
        return event

    def _market(self, key: str, *, numeric: bool) -> Market:
        _check_number(key, numeric=numeric)
        market = self._world.get(key)
        if market is None or key not in {market.id, market.slug}:
            raise not_found()
        return market


def _check_number(key: str, *, numeric: bool) -> None:
    if numeric and not key.isdecimal():
        raise invalid("id is invalid")


def _open_by_default(request: Request) -> Request:
    """On `/markets`, leaving `closed` out hides closed markets, even those requested by id."""
    if request.flag("closed") is not None:
        return request
    return Request(request.method, request.path, {**request.query, "closed": ["false"]}, request.body, request.tricks)


def _event(_request: Request, event: Event) -> bytes:
    return event_json(event)


def _market(request: Request, market: Market) -> bytes:
    return market_with_event_json(market, tags=bool(request.flag("include_tag")))
