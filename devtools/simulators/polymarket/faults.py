"""Faults: switches that make the simulated upstream misbehave, and the spoilt responses they produce."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from itertools import cycle, islice
from random import Random
from threading import Condition
from typing import Any, Literal, get_args

from .messages import HTML, Response

Kind = Literal[
    "status",
    "html",
    "broken_json",
    "wrong_shape",
    "hang",
    "drip",
    "reset",
    "repeat_cursor",
    "malformed",
    "latency",
    "rate_limit",
    "freeze",
    "silence",
    "lose",
    "duplicate",
    "reorder",
    "wrong_hash",
    "garble",
    "disconnect",
]
KINDS: tuple[str, ...] = get_args(Kind)
# These change how a response is made; the others replace it or stand in its way.
TRICKS = frozenset({"repeat_cursor", "malformed"})
# These strike frames of the websocket; the others strike requests, the one that asks for a websocket too.
OF_FRAMES = frozenset({"freeze", "silence", "lose", "duplicate", "reorder", "wrong_hash", "garble", "disconnect"})


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One switch.

    `path` is a prefix, `method` None for all. `times` is for how many requests, None until cleared. `probability` is
    drawn from the seed. `status` and `retry_after` (seconds) belong to `status`; with `retry_after_date` the header is
    an HTTP date. `seconds` is how long a `hang` lasts, the pause between two bytes of a `drip`, the delay of `latency`.
    `rate_limit` lets `per_second` requests through and refuses the others with 429 and `Retry-After`, by default until
    the next is let through; with `delay` they wait instead. Its `hits` counts those refused or delayed.

    Of frames of the websocket: `freeze` sends none any more, `silence` no `PONG` either, `lose` leaves some out,
    `reorder` sends one after the next, `garble` sends half of it, `disconnect` ends the connection after it.
    """

    kind: Kind
    path: str = "/"
    method: str | None = None
    times: int | None = None
    probability: float = 1.0
    status: int = 503
    retry_after: int | None = None
    retry_after_date: bool = False
    seconds: float = 30.0
    per_second: float = 10.0
    delay: bool = False
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")
        if not self.per_second > 0:
            raise ValueError("per_second is above 0")

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults that are on. Threads call `pick`; one that waits in `pause` wakes on `clear`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"faults:{seed}")  # noqa: S311 - faults to be repeated, not a secret
        self._faults: list[Fault] = []
        self._passed: dict[Fault, deque[float]] = {}
        self._changed = Condition()

    def set(self, kind: Kind, **options: Any) -> Fault:
        """Switch a fault on, beside those that are, with `Fault`'s options. Its `hits` counts the victims."""
        fault = Fault(kind=kind, **options)
        with self._changed:
            self._faults.append(fault)
        return fault

    def set_from_json(self, given: object) -> None:
        """An object switches one fault on; a list replaces all, so `[]` clears. Raises ValueError for anything else."""
        wanted = given if isinstance(given, list) else [given]
        faults = [_fault(item) for item in wanted]
        if isinstance(given, list):
            self.clear()
        with self._changed:
            self._faults += faults

    def clear(self) -> None:
        """Switch all off and let go of the requests that hang."""
        with self._changed:
            self._faults, self._passed = [], {}
            self._changed.notify_all()

    def active(self) -> list[dict[str, Any]]:
        with self._changed:
            return [asdict(fault) for fault in self._faults if not fault.spent]

    def admit(self, method: str, path: str) -> tuple[Fault, float] | None:
        """The first rate limit this request is beyond, and for how many seconds it is; None if there is none."""
        with self._changed:
            for fault in self._faults:
                wait = self._beyond(fault) if fault.kind == "rate_limit" and self._strikes(fault, method, path) else 0
                if wait > 0:
                    fault.hits += 1
                    return fault, wait
        return None

    def _beyond(self, fault: Fault) -> float:
        """Seconds until the limit has room, which a delayed request takes in advance."""
        burst = max(1, int(fault.per_second))
        now = time.monotonic()
        passed = self._passed.setdefault(fault, deque(maxlen=burst))
        wait = max(0.0, passed[0] + burst / fault.per_second - now) if len(passed) == burst else 0.0
        if wait == 0 or fault.delay:
            passed.append(now + wait)
        return wait

    def pick(self, method: str, path: str) -> tuple[Fault, ...]:
        """The faults this request meets: any number of tricks and latencies, and at most one of the others."""
        with self._changed:
            met: list[Fault] = []
            for fault in self._faults:
                if fault.kind == "rate_limit" or fault.kind in OF_FRAMES:
                    continue
                gentle = fault.kind in TRICKS or fault.kind == "latency"
                blocked = not gentle and any(other.kind not in TRICKS | {"latency"} for other in met)
                if not blocked and self._strikes(fault, method, path):
                    fault.hits += 1
                    met.append(fault)
            return tuple(met)

    def pick_frame(self, path: str, kinds: Iterable[str] = OF_FRAMES) -> tuple[Fault, ...]:
        """The faults that a frame of the websocket at `path` meets, of these kinds."""
        with self._changed:
            met = [fault for fault in self._faults if fault.kind in kinds and self._strikes(fault, "GET", path)]
            for fault in met:
                fault.hits += 1
            return tuple(met)

    def pause(self, fault: Fault, seconds: float) -> bool:
        """Wait while the fault is on, at most `seconds`; True if it is off."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(other is fault for other in self._faults), seconds)

    def _strikes(self, fault: Fault, method: str, path: str) -> bool:
        if fault.spent or not path.startswith(fault.path) or fault.method not in {None, method}:
            return False
        return fault.probability >= 1 or self._random.random() < fault.probability


def _fault(given: object) -> Fault:
    if not isinstance(given, dict):
        raise ValueError("a fault is an object")  # noqa: TRY004 - the caller sent it, it is a value
    known = {field.name for field in fields(Fault)} - {"hits"}
    unknown = sorted(set(given) - known)
    if unknown or "kind" not in given:
        raise ValueError(f"a fault needs a kind, and knows nothing of {unknown}" if unknown else "a fault needs a kind")
    return Fault(**given)


Json = dict[str, Any]
CLOUDFLARE = """<!DOCTYPE html>
<html lang="en-US"><head><title>{status} | gamma-api</title><meta charset="UTF-8" /></head>
<body><div id="cf-wrapper"><div id="cf-error-details"><h1>Error {status}</h1>
<p>The web server reported an error. Cloudflare Ray ID: 0a1b2c3d4e5f6071</p></div></div></body></html>
"""


def error_page(status: int) -> Response:
    """Return Cloudflare's HTML page, whatever the status."""
    return Response(status, CLOUDFLARE.format(status=status).encode(), HTML)


def broken_json(response: Response) -> Response:
    """Return the response with its body cut off in the middle."""
    return response._replace(body=response.body[: max(1, len(response.body) * 2 // 3)])


def wrong_shape(fault: Fault, response: Response) -> Response:
    """Return good JSON of an unexpected shape; another one each time."""
    shapes = (b"[]", b'{"data":null}', b"null", b'"ok"', b'{"events":{},"markets":{},"history":7}', b"42")
    return response._replace(body=shapes[(fault.hits - 1) % len(shapes)])


def mix_into(items: list[bytes], *, events: bool) -> list[bytes]:
    """Return the page with a bad object of another kind after each good one, until all kinds were there."""
    bad = _bad_events(items) if events else _bad_markets(items)
    mixed: list[bytes] = []
    for position, item in enumerate(items):
        mixed += [item, *bad[position : position + 1]]
    return mixed + bad[len(items) :]


def _bad_markets(items: list[bytes]) -> list[bytes]:
    good = json.loads(items[0]) if items else {"question": "Will it parse?", "outcomes": '["Yes", "No"]'}
    return [*(json.dumps(market).encode() for market in _spoilt(good)), *_NOT_OBJECTS]


def _bad_events(items: list[bytes]) -> list[bytes]:
    """Bad events, and one good event whose markets are every kind of bad."""
    if not items:
        return list(_NOT_OBJECTS)
    event = json.loads(items[0])
    spoilt = _spoilt(event["markets"][0])
    variants: list[Json] = [
        {**event, "markets": [None, "market", *spoilt, 7]},
        {**event, "markets": None},
        {**event, "markets": {"a": 1}},
        {**event, "markets": [], "tags": "politics"},
        {**event, "markets": [], "tags": [None, 5, {"slug": None}], "title": None},
        {key: value for key, value in event.items() if key not in {"markets", "id"}},
    ]
    numbered = ({**variant, "id": f"99{event['id']}{place}"} for place, variant in enumerate(variants[:-1]))
    return [*_NOT_OBJECTS, *(json.dumps(variant).encode() for variant in [*numbered, variants[-1]])]


def _spoilt(market: Json) -> list[Json]:
    """Spoilt copies of a good market. Their ids are their own: none may pass for the good one."""
    return [spoil(_copy(market, place)) for place, spoil in enumerate(_SPOILERS)]


def _copy(market: Json, place: int) -> Json:
    number = f"99{market.get('id', '')}{place:02}"
    own = {"id": number, "slug": f"spoilt-{number}", "conditionId": f"0x{int(number):064x}"}
    return {**market, **own, "clobTokenIds": json.dumps([f"{number}1", f"{number}2"])}


def _with(**changed: Any) -> Callable[[Json], Json]:
    return lambda market: {**market, **changed}


def _without(key: str) -> Callable[[Json], Json]:
    return lambda market: {name: value for name, value in market.items() if name != key}


_NOT_OBJECTS = (b"null", b'"market"', b"17", b"[]", b"{}")
_SPOILERS: tuple[Callable[[Json], Json], ...] = (
    _without("question"),
    _with(question=None),
    _with(question=""),
    _without("outcomes"),
    _with(outcomes="Yes, No"),
    _with(outcomes="[]"),
    _with(outcomes='{"Yes": "No"}'),
    _with(outcomes="[1, 2]"),
    _with(outcomePrices='["NaN", "NaN"]'),
    _with(outcomePrices='["Infinity", "-Infinity"]'),
    _with(outcomePrices='["1.7", "-0.7"]'),
    _with(outcomePrices='["0.4"]'),
    _with(outcomePrices='["a lot", "little"]'),
    _with(outcomePrices='["1e400", "1e-400"]'),
    _with(outcomePrices=f'["{"9" * 5000}", "0"]'),
    _with(outcomePrices={"Yes": 0.4}),
    _with(outcomePrices="[[0.4], [0.6]]"),
    _with(clobTokenIds="123"),
    _with(clobTokenIds='["only-one"]'),
    _with(conditionId=12345),
    _with(conditionId=None),
    _with(id=None),
    _with(id={"number": 1}),
    _with(endDate="the day after tomorrow"),
    _with(endDate=1790000000),
    _with(endDate="0000-00-00T00:00:00Z"),
    _with(endDate="+292277026596-12-04T15:30:07Z"),
    _with(active="yes", closed="no"),
    _with(image=17, icon=["x"]),
    _with(volumeNum="1e999", volume24hr="lots", liquidityNum=None),
    _with(question="?" * 200_000),
    _with(question="null\u0000byte"),
    _with(question="half a surrogate \ud800"),
    _with(slug=None, description=None),
)


def spoil_prices(tokens: list[str]) -> Json:
    """Return a body of `/midpoints` with a bad price for every token."""
    bad = ("NaN", "1.5", "-0.2", "", None, "abc", {"mid": "0.4"}, ["0.4"], "1e999", True)
    return dict(zip(tokens, islice(cycle(bad), len(tokens)), strict=True))


_GOOD_BOOK: Json = {"bids": [{"price": "0.39", "size": "1000"}], "asks": [{"price": "0.41", "size": "1000"}]}
BAD_BOOKS: tuple[Json, ...] = (
    _GOOD_BOOK | {"asset_id": None},
    _GOOD_BOOK | {"asset_id": ["1"]},
    _GOOD_BOOK | {"asset_id": "9" * 5000},
    _GOOD_BOOK | {"bids": None},
    _GOOD_BOOK | {"asks": {"price": "0.41", "size": "1000"}},
    _GOOD_BOOK | {"bids": ["0.39"]},
    _GOOD_BOOK | {"bids": [{"price": "0.39"}]},
    _GOOD_BOOK | {"bids": [{"price": "NaN", "size": "1000"}]},
    _GOOD_BOOK | {"asks": [{"price": "1e999", "size": "1000"}]},
    _GOOD_BOOK | {"asks": [{"price": "0.41", "size": "-1000"}]},
    _GOOD_BOOK | {"asks": [{"price": True, "size": [1000]}]},
    _GOOD_BOOK | {"bids": [{"price": "0.41", "size": "1000"}]},
)


def spoil_books(tokens: list[str]) -> list[object]:
    """Return a body of `/books` with a bad book for every token, and things that are no books between them."""
    junk: tuple[object, ...] = (None, "book", [], 7)
    books = [{"asset_id": token} | bad for token, bad in zip(tokens, cycle(BAD_BOOKS), strict=False)]
    return [thing for pair in zip(books, cycle(junk), strict=False) for thing in pair]


def spoil_history(now: int) -> list[object]:
    """Return a body of `/prices-history` with one good price, an hour old, among those that are none."""
    hour = now - 3_600
    bad_prices = ("NaN", "Infinity", "1.5", "-0.2", "", None, "abc", {"p": 0.4}, "1e999", True, 10**30)
    bad_times = (now + 86_400, 0, -1, 10**18, str(now), None, True, 1.5, [now], "soon")
    points: list[object] = [{"t": hour - 60 * place, "p": price} for place, price in enumerate(bad_prices, 1)]
    points += [{"t": moment, "p": 0.9} for moment in bad_times]
    good = [{"t": hour, "p": 0.1}, {"t": hour, "p": 0.4321}]  # of two for one time the last
    return [*good, None, "point", [], {}, {"t": hour - 9}, {"p": 0.9}, *points]
