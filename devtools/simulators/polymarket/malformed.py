"""Objects no parser should choke on, and bad answers."""

import json
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from .faults import Fault
from .replies import HTML, Reply

Json = dict[str, Any]
CLOUDFLARE = """<!DOCTYPE html>
<html lang="en-US"><head><title>{status} | gamma-api</title><meta charset="UTF-8" /></head>
<body><div id="cf-wrapper"><div id="cf-error-details"><h1>Error {status}</h1>
<p>The web server reported an error. Cloudflare Ray ID: 0a1b2c3d4e5f6071</p></div></div></body></html>
"""


def error_page(status: int) -> Reply:
    """What stands before the upstream answers with: HTML, whatever the status."""
    return Reply(status, CLOUDFLARE.format(status=status).encode(), HTML)


def broken_json(reply: Reply) -> Reply:
    """The true answer, cut off in the middle."""
    return reply._replace(body=reply.body[: max(1, len(reply.body) * 2 // 3)])


def wrong_shape(fault: Fault, reply: Reply) -> Reply:
    """Good JSON that is not what was promised; another kind each time."""
    shapes = (b"[]", b'{"data":null}', b"null", b'"ok"', b'{"events":{},"markets":{},"history":7}', b"42")
    return reply._replace(body=shapes[(fault.hits - 1) % len(shapes)])


def mix_into(items: list[bytes], *, events: bool) -> list[bytes]:
    """A page with one bad object after every good one, each of another kind, until all kinds were there."""
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
    """A `/midpoints` answer with a bad price for every token."""
    bad = ("NaN", "1.5", "-0.2", "", None, "abc", {"mid": "0.4"}, ["0.4"], "1e999", True)
    return dict(zip(tokens, islice(cycle(bad), len(tokens)), strict=True))
