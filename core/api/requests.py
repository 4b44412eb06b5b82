"""Reading a request: validated input, the current user's id, UUIDs, cursors, and how often one client may ask."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
from django.conf import settings
from django_filters import FilterSet
from django_filters.utils import translate_validation
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    # DRF's views import the authentication classes of the settings, which import this module.
    from rest_framework.views import APIView

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")


def validate(
    serializer: type[BaseSerializer[Any]], data: Any, context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the validated data. Raises ValidationError, which the API renders as 400 `validation_error`."""
    bound = serializer(data=data, context=dict(context or {}))
    bound.is_valid(raise_exception=True)
    return cast("dict[str, Any]", bound.validated_data)


def validate_list(
    filters: type[FilterSet], page: type[BaseSerializer[Any]], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the validated query parameters of a list: what it is narrowed to, and which page of it.

    Raises one ValidationError for all that is wrong. A filter that isn't given is an empty text.
    """
    filtered, paged = filters(parameters), page(data=parameters)
    errors = dict(translate_validation(filtered.errors).detail) if filtered.errors else {}
    if not paged.is_valid():
        errors |= paged.errors
    if errors:
        raise ValidationError(errors)
    return {**filtered.form.cleaned_data, **paged.validated_data}


def current_user_id(request: Request) -> UUID:
    """Return the id of the user who makes the request, in a view whose permissions require one."""
    return cast("UUID", request.user.pk)


def parse_uuid(text: str) -> UUID | None:
    """Return the UUID that is written as 8-4-4-4-12 or 32 hexadecimal digits, in any case; None for any other text.

    Python's own parser also accepts braces, `urn:uuid:` and dashes in odd places, which may be other names here.
    """
    return UUID(text) if UUID_FORM.fullmatch(text) else None


def encode_cursor(*parts: str | int) -> str:
    """Return an opaque cursor: URL-safe text that says where a list continues."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> list[Any]:
    """Return the parts of a cursor. Raises ValidationError (field `cursor`) for what `encode_cursor` didn't make."""
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


class PerClientThrottle(SimpleRateThrottle):
    """Limits how often one client may ask: by user where there is one, else by address.

    A subclass sets `scope`, whose rate is a setting. Requests are counted in the cache, which Redis shares among
    machines; while Redis is away each process counts for itself.
    """

    def get_rate(self) -> str | None:
        rates: dict[str, str] = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        return rates[str(self.scope)]

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        client = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.scope}:{client}"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        return not settings.THROTTLE_ENABLED or super().allow_request(request, view)
