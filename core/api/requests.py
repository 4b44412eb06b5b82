"""Reading a request: validated input, unknown names, the current user's id, UUIDs, cursors, and rate limits."""

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest
from django_filters import FilterSet
from django_filters.utils import translate_validation
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.throttling import SimpleRateThrottle

from core.api.errors import DomainError

if TYPE_CHECKING:
    # DRF's views import the authentication classes of the settings, which import this module.
    from rest_framework.views import APIView

WARNINGS_MAX, NAME_MAX = 20, 100
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


class Known(NamedTuple):
    """The names of an operation's query parameters and of its body's fields; None where the body may have any."""

    parameters: frozenset[str] = frozenset()
    fields: frozenset[str] | None = frozenset()


def warnings_about(request: Request, known: Known) -> list[dict[str, str]]:
    """Return an entry for each query parameter and body field that the operation doesn't know, up to WARNINGS_MAX.

    What they said was ignored, which a client should hear of: a misspelled name is no error, but hardly meant.
    """
    parameters = request.query_params if request.META.get("QUERY_STRING") else {}
    found = [
        warning(name, "unknown_parameter", "This query parameter isn't known, and was ignored.")
        for name in parameters
        if name not in known.parameters
    ]
    if known.fields is not None and request.method not in ("GET", "HEAD"):
        found += [
            warning(name, "unknown_field", "This field isn't known, and was ignored.")
            for name in body_fields(request)
            if name not in known.fields
        ]
    return found[:WARNINGS_MAX]


def warning(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": name[:NAME_MAX], "message": message, "code": code}


def body_fields(request: Request) -> Iterable[str]:
    """Return the names of the body's fields; of a body that an operation without one can't read, none."""
    try:
        return request.data if isinstance(request.data, dict) else ()
    except (APIException, DomainError):
        return ()


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


class RateLimit(NamedTuple):
    """A rate limit that a request was counted by: `limit` requests in `window` seconds.

    `remaining`: how many more are allowed now; `reset`: in how many seconds one more will be.
    """

    name: str
    limit: int
    window: int
    remaining: int
    reset: int


class PerClientThrottle(SimpleRateThrottle):
    """Limits how often one client may ask: by user where there is one, else by address.

    A subclass sets `scope`, whose rate is a setting, and `counted`, for the description. Requests are counted in the
    cache, which Redis shares among machines; while Redis is away each process counts for itself. What is left is noted
    on the request, for `core.api.middleware.RateLimitMiddleware`.
    """

    counted = "user, or address of somebody who isn't signed in"
    # Set by DRF, `history` and `now` once it has counted.
    num_requests: int
    duration: int
    history: list[float]
    now: float

    def get_rate(self) -> str | None:
        rates: dict[str, str] = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        return rates[str(self.scope)]

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        client = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"throttle:{self.scope}:{client}"

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not settings.THROTTLE_ENABLED:
            return True
        allowed = super().allow_request(request, view)
        # What isn't an API's request is a form of the admin's.
        if hasattr(self, "history") and isinstance(request, Request):
            note_rate_limit(request._request, self.rate_limit())  # noqa: SLF001
        return allowed

    def rate_limit(self) -> RateLimit:
        # Times of requests, the newest first: one more is allowed when the oldest leaves the window.
        reset = math.ceil(self.history[-1] + self.duration - self.now) if self.history else 0
        remaining = max(0, self.num_requests - len(self.history))
        return RateLimit(str(self.scope), self.num_requests, self.duration, remaining, max(0, reset))


def note_rate_limit(request: HttpRequest, rate_limit: RateLimit) -> None:
    request.rate_limits = [*rate_limits_of(request), rate_limit]  # type: ignore[attr-defined]


def rate_limits_of(request: HttpRequest) -> list[RateLimit]:
    """Return the rate limits that the request was counted by."""
    return getattr(request, "rate_limits", [])
