"""JSON in and out. Decimals leave as exact numbers, times as ISO 8601 in UTC with milliseconds and `Z`."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from typing import Any

import orjson
from django.utils import functional
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from core.api.errors import MalformedJson, PayloadTooLarge
from core.rules import MAX_BODY_BYTES

MAX_DEPTH = 64
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


def dumps(value: Any) -> bytes:
    """Return UTF-8 JSON. A Decimal keeps its stored decimals: `Decimal("66.60")` is `66.60`, never a float."""
    return orjson.dumps(value, default=encode, option=OPTIONS)


def encode(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, functional.Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def iso_utc(moment: datetime) -> str:
    """Return a time as `2026-11-22T19:21:41.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else dumps(data)


class JsonParser(BaseParser):
    """Reads a JSON body.

    Raises MalformedJson for what isn't JSON, or isn't UTF-8, or is empty, or is nested deeper than MAX_DEPTH, and
    PayloadTooLarge past 64 KiB.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        # What is read may be nested deeper than what can be written or walked through afterwards.
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and depth_of(body) > MAX_DEPTH:
            raise MalformedJson
        return self.parse_body(body)

    def parse_body(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise MalformedJson from exc


class ExactJsonParser(JsonParser):
    """Numbers come as Decimal: what was sent, not the float nearest to it.

    Raises MalformedJson also for what is beyond Decimal's range, or beyond a double's.
    """

    def parse_body(self, body: bytes) -> Any:
        # Python's parser accepts lone surrogates: such bodies, which no client of the API has a reason to send, are put
        # to the strict one first.
        if b"\\u" in body:
            super().parse_body(body)
        try:
            return json.loads(body.decode(), parse_float=exact, parse_int=exact, parse_constant=refuse_constant)
        except (ValueError, DecimalException) as exc:
            raise MalformedJson from exc


def depth_of(body: bytes) -> int:
    """Return how deep arrays and objects are nested in JSON."""
    depth = deepest = 0
    for sign in STRING.sub(b"", body):
        if sign in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in b"]}":
            depth -= 1
    return deepest


def exact(number: str) -> Decimal:
    if math.isinf(float(number)):
        raise ValueError(f"{number} is beyond the range of a double")
    return Decimal(number)


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class AlwaysJson(BaseContentNegotiation):
    """The API speaks JSON whatever `Accept` says."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        sent = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == sent), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
