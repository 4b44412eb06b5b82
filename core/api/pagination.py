"""Opaque cursors: URL-safe text that says where a list goes on."""

import base64
import binascii
from typing import Any

import orjson
from rest_framework.exceptions import ValidationError


def encode_cursor(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> list[Any]:
    """The parts of a cursor. Raises ValidationError (field `cursor`) for what `encode_cursor` didn't make."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise invalid_cursor() from None
    # Decoding forgives much, encoding nothing: what differs wasn't made here.
    if not isinstance(parts, list) or encode_cursor(*parts) != cursor:
        raise invalid_cursor()
    return parts


def invalid_cursor() -> ValidationError:
    return ValidationError({"cursor": "This cursor isn't one that the list gave."}, code="invalid_cursor")
