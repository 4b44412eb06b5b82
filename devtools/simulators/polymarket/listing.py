"""Lists: filters, orders and both ways of paging.

A keyset cursor holds the sort key of the last object it gave, so the next page neither repeats nor skips one while
prices move; only a change of the sorted value itself can do that.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .event import Event
from .market import Market
from .replies import Call, invalid
from .sieve import Filters, Test

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

    def keyset(self, call: Call, items: list[Item], age: int) -> Page[Item]:
        """One page by cursor. `age` is the version of `items`, by which an index is reused."""
        if "offset" in call.query:
            raise invalid("offset is not supported on keyset pagination")
        order, ascending, limit = self._sorting(call)
        index = self._index(order, items, age)
        cursor = None if "repeat_cursor" in call.tricks else call.one("after_cursor")
        walk = _walk(index, ascending, _read_cursor(cursor, order, ascending=ascending))
        found = _take(walk, self._tests(call), limit + 1)
        more = len(found) > limit or ("repeat_cursor" in call.tricks and bool(found))
        shown = found[:limit]
        last = _cursor(self._key(order, shown[-1]), order, ascending=ascending) if more else None
        return Page(shown, last)

    def offset(self, call: Call, items: list[Item], age: int) -> list[Item]:
        """One page by offset, the deprecated way."""
        offset = call.number("offset") or 0
        if offset > MAX_OFFSET:
            raise invalid(f"offset must be at most {MAX_OFFSET}, use keyset pagination")
        order, ascending, limit = self._sorting(call)
        walk = _walk(self._index(order, items, age), ascending, None)
        return _take(walk, self._tests(call), offset + limit)[offset:]

    def _sorting(self, call: Call) -> tuple[tuple[str, ...], bool, int]:
        named = call.one("order")
        order = tuple(name.strip() for name in named.split(",")) if named else ("id",)
        if any(name not in self._orders for name in order):
            raise invalid("order fields are not valid")
        ascending = call.flag("ascending")
        limit = call.number("limit")
        largest = min(self._largest, DEFAULT_LIMIT if limit is None else limit)
        return order, ascending is not False, max(largest, 1)

    def _tests(self, call: Call) -> list[Test]:
        """What an object must pass. Parameters nobody knows are ignored, as upstream does."""
        return [make(call, name, call.query[name]) for name, make in self._filters.items() if call.query.get(name)]

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
