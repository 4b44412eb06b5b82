"""What a request is and what an answer is, inside the simulator."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .rendering import dump

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"
Query = dict[str, list[str]]


class Reply(NamedTuple):
    """A whole HTTP answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class RefusedError(Exception):
    """The upstream says no; `reply` is how."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status} {body}")
        self.reply = Reply(status, dump(body))


def invalid(error: str) -> RefusedError:
    """422, as Gamma words it."""
    return RefusedError(422, {"type": "validation error", "error": error})


def not_found(error: str = "id not found") -> RefusedError:
    """404, as Gamma words it."""
    return RefusedError(404, {"type": "not found error", "error": error})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read. `tricks` names the faults that change how a page is made."""

    method: str
    path: str
    query: Query
    body: Any = None
    tricks: frozenset[str] = field(default_factory=frozenset)

    def one(self, name: str) -> str | None:
        """The first value of a parameter."""
        values = self.query.get(name)
        return values[0] if values else None

    def flag(self, name: str) -> bool | None:
        text = self.one(name)
        if text is None or text == "":
            return None
        if text.lower() not in {"true", "false", "1", "0"}:
            raise invalid(f"{name} is not a boolean")
        return text.lower() in {"true", "1"}

    def number(self, name: str) -> int | None:
        text = self.one(name)
        if text is None:
            return None
        if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - what fits in 64 bits
            raise invalid(f"{name} is not a whole number")
        return int(text)
