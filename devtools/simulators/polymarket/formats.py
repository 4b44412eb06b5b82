"""How the upstream writes JSON, times, decimals and slugs."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count


def dump(value: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def rfc3339(moment: datetime, decimals: int = 0) -> str:
    """`2026-01-05T18:49:12.54Z`, with `decimals` (0 to 6) digits after the second; a whole second has none."""
    text = moment.astimezone(UTC).isoformat()[:19]
    return (
        f"{text}.{moment.microsecond:06d}"[: len(text) + 1 + decimals] + "Z"
        if decimals and moment.microsecond
        else f"{text}Z"
    )


def spaced(moment: datetime) -> str:
    """`2026-08-22 14:18:27+00`: the other form, used by `closedTime` and `gameStartTime`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def read_time(text: str) -> datetime:
    """A time in any form a caller may send; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def plain(value: Decimal) -> str:
    """`0.5`, never `0.500` nor `5E-1`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def slugify(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace(",", "").replace("'", "")).strip("-")


class Slugs:
    """Hands out slugs that are unique in one world."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, text: str) -> str:
        stem = slugify(text)
        slug = stem
        numbers = count(2)
        while slug in self._taken:
            slug = f"{stem}-{next(numbers)}"
        self._taken.add(slug)
        return slug
