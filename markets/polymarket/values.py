"""JSON of the upstream: bodies decoded, and one value in, one typed value out; unusable is `None` or `""`. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final, TypeAlias
from urllib.parse import quote

JSON: TypeAlias = "bool | int | float | Decimal | str | list[JSON] | dict[str, JSON] | None"

MONEY_MAX = Decimal("9999999999999999.99")  # what numeric(18, 2) holds
EXACT = Context(prec=120)  # far above the 36 decimals of the oldest prices, so that sums are not rounded

_ENCODED_LIST_MAX = 20_000  # characters of a list that comes inside a string
_NUMBER_TEXT_MAX = 100
_INTEGER_BITS_MAX = 1024  # a token id needs 259; beyond some thousand digits Python refuses to write an integer out
_INT64 = range(-(2**63), 2**63)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses NUL, UTF-8 has no lone surrogates
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)",
)
# A URI (RFC 3986) with a host by name, and without a user.
_URI_REST = r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_WEB_ADDRESS = re.compile(
    rf"(?P<scheme>(?ai:https?))(?P<rest>://[A-Za-z0-9._-]+(?::[0-9]{{1,5}})?(?:[/?]{_URI_REST})?(?:\#{_URI_REST})?)"
)
_NOT_OF_A_URI = re.compile(r"[^\x00-\x7f]|[\[\]]|%(?![0-9A-Fa-f]{2})")


def clean(text: str) -> str:
    """The text without what a database can't store, stripped."""
    return _UNSTORABLE.sub("", text).strip()


def as_text(value: object, limit: int) -> str:
    """Clean text of at most `limit` characters; anything but text is empty."""
    return clean(value)[:limit].rstrip() if isinstance(value, str) else ""


def as_identifier(value: object, limit: int) -> str:
    """Clean text of an id, which may come as an integer; empty when longer than `limit`: half an id is another id."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _INTEGER_BITS_MAX:
        value = str(value)
    text = clean(value) if isinstance(value, str) else ""
    return text if len(text) <= limit else ""


def as_word(value: object, limit: int) -> str:
    """An identifier in lower case; `limit` is of the result: some letters become two."""
    word = as_identifier(value, limit).lower()
    return word if len(word) <= limit else ""


def as_flag(value: object) -> bool | None:
    """A boolean, also when written as text; `None` for anything else."""
    if isinstance(value, bool):
        return value
    word = clean(value).lower() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(word)


def as_decimal(value: object) -> Decimal | None:
    """A finite number, from a number or its text. Floats go through their shortest text, never through arithmetic."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        value = as_identifier(value, _NUMBER_TEXT_MAX) if isinstance(value, int) else str(value)
    if not isinstance(value, str) or len(value) > _NUMBER_TEXT_MAX:
        return None
    text = value.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def as_money(value: object) -> Decimal | None:
    """An amount of 2 decimals, >= 0, at most `MONEY_MAX`; a negative one is no amount."""
    number = as_decimal(value)
    if number is None or number < 0:
        return None
    return quantized(min(number, MONEY_MAX), 2)


def quantized(number: Decimal, places: int) -> Decimal:
    """`number` (finite, >= 0, not above `MONEY_MAX`) rounded half to even; never a negative zero."""
    return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN, context=EXACT).copy_abs()


def as_time(value: object) -> datetime | None:
    """An aware time in UTC from RFC 3339 or from PostgreSQL's own writing (`2026-08-22 14:18:27+00`)."""
    text = clean(value) if isinstance(value, str) else ""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the 31st of February; the first hours of the year 1 east of Greenwich
        return None


def as_web_address(value: object, limit: int) -> str:
    """An http or https address as a URI, its scheme in lower case; empty when it is none, or longer than `limit`.

    Half an address leads nowhere. Letters beyond ASCII, as browsers take them, are percent-encoded.
    """
    text = clean(value) if isinstance(value, str) else ""
    text = _NOT_OF_A_URI.sub(lambda found: quote(found[0]), text[: limit + 1])
    found = _WEB_ADDRESS.fullmatch(text) if len(text) <= limit else None
    return found["scheme"].lower() + found["rest"] if found else ""


def as_list(value: object) -> list[object] | None:
    """A list, also when it comes as JSON inside a string."""
    if isinstance(value, str):
        value = _decoded(value)
    return list(value) if isinstance(value, list) else None


def _decoded(text: str) -> object:
    if len(text) > _ENCODED_LIST_MAX:
        return None
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):  # the last: an exponent beyond what a Decimal holds
        return None


def as_mapping(value: object) -> Mapping[str, object]:
    """An object; empty when it is none."""
    return value if isinstance(value, Mapping) else {}


def first_of(values: Iterable[str]) -> str:
    """The first that isn't empty."""
    return next((value for value in values if value), "")


def verbatim(value: object) -> JSON:
    """`value` as sent, only made storable: fractions and integers beyond 64 bits as their text, text bounded.

    What is too long or too deep for that is `None`.
    """
    if isinstance(value, list):
        return [_verbatim_scalar(item) for item in value[:16]]
    return _verbatim_scalar(value)


def _verbatim_scalar(value: object) -> JSON:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Decimal | float):
        return _bounded(str(value))
    if isinstance(value, int):
        if value in _INT64:
            return value
        return str(value) if value.bit_length() <= _INTEGER_BITS_MAX else None
    return _UNSTORABLE.sub("", value)[:2000] if isinstance(value, str) else None


def _bounded(number: str) -> str | None:
    """Return the text of a number; half a number is another number."""
    return number if len(number) <= _NUMBER_TEXT_MAX else None


# A response's body: an odd value in one object leaves the others readable

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
