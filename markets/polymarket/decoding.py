"""JSON of the upstream, decoded so that an odd value in one object leaves the others readable. Pure."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

DEPTH_MAX: Final = 100
_DIGITS_MAX: Final = 1_000  # beyond some thousand Python refuses to read or to write an integer
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def decode(body: bytes) -> Any:
    """Return what the body says; numbers with a fraction as `Decimal`. Raises ValueError where it isn't JSON.

    A number that Python holds no number for arrives as its text, and what is nested deeper than DEPTH_MAX as null,
    where something else in the body couldn't be read otherwise.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError:
        return _decode_odd(_without_depths(body))
    except (ValueError, InvalidOperation):  # the last: an exponent that no Decimal holds
        return _decode_odd(body)


def _decode_odd(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=_fraction, parse_int=_integer, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _without_depths(body: bytes) -> bytes:
    """Return the body with null for each list or object that is deeper than DEPTH_MAX."""
    kept, depth, start = bytearray(), 0, 0
    for found in _STRING_OR_BRACKET.finditer(body):
        bracket = found[0]
        if bracket in (b"[", b"{"):
            depth += 1
            if depth == DEPTH_MAX + 1:
                kept += body[start : found.start()] + b"null"
        elif bracket in (b"]", b"}"):
            if depth == DEPTH_MAX + 1:
                start = found.end()
            depth -= 1
    return bytes(kept) + body[start:]


def _fraction(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS_MAX else text


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
