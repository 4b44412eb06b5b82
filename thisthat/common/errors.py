"""One shape for every failure: `{"success": false, "error", "code", "details"?}`.

`details` comes with validation errors alone, one entry a field: `{"field", "message", "code"}`.
"""

import logging
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from thisthat.common.request_ids import current_request_id

logger = logging.getLogger(__name__)
DATABASE_RETRY_SECONDS = 2


class DomainError(Exception):
    """A rule said no. Subclasses stand beside what raises them and set `code`, `status` and `message`.

    `retry_after` is in seconds; where it is set the answer carries `Retry-After`.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400
    message: ClassVar[str]

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or self.message)
        self.retry_after = retry_after


class MalformedJson(DomainError):
    code = "parse_error"
    message = "The request body isn't valid JSON."


class PayloadTooLarge(DomainError):
    code = "payload_too_large"
    status = 413
    message = "The request body is too large."


# What DRF calls these, in the words that clients of this API branch on.
CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "parse_error",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "invalid_token",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}


def handle(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: every failure of a view becomes an answer of the one shape."""
    status, body, headers = describe(exc)
    return Response(body, status=status, headers=headers)


def render(exc: Exception) -> HttpResponse:
    """The same answer for what fails outside a DRF view."""
    status, body, headers = describe(exc)
    return HttpResponse(orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def describe(exc: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers of the answer to a failure. What wasn't expected is logged, and never shown."""
    if isinstance(exc, DomainError):
        return exc.status, envelope(str(exc), exc.code), retry_header(exc.retry_after)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, DjangoPermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.ValidationError):
        details = list(flatten(exc.get_full_details()))
        return exc.status_code, {**envelope(sentence(details), "validation_error"), "details": details}, {}
    if isinstance(exc, exceptions.APIException):
        return describe_api_exception(exc)
    if isinstance(exc, (OperationalError, InterfaceError)) and is_outage(exc):
        # A line each, no stack: an outage makes many of these.
        logger.error("database unavailable: %s", exc)
        body = envelope("The service is busy or restarting. Nothing happened; try again.", "try_again")
        return 503, body, retry_header(DATABASE_RETRY_SECONDS)
    logger.error("unexpected failure", exc_info=exc)
    body = envelope("Something went wrong on our side.", "internal_error") | {"requestId": current_request_id()}
    return 500, body, {}


def describe_api_exception(exc: exceptions.APIException) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = {"WWW-Authenticate": auth} if (auth := getattr(exc, "auth_header", None)) else {}
    if isinstance(exc, exceptions.Throttled):
        headers |= retry_header(getattr(exc, "wait", None))
    detail = exc.detail
    text = detail.get("detail", "") if isinstance(detail, dict) else detail
    code = next((code for kind, code in CODES.items() if isinstance(exc, kind)), exc.default_code)
    return exc.status_code, envelope(str(text), code), headers


def envelope(message: str, code: str) -> dict[str, Any]:
    return {"success": False, "error": message, "code": code}


def retry_header(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def is_outage(exc: Exception) -> bool:
    """Whether the server is away or refused the connection (SQLSTATE class 08 or 57P, or none at all).

    Source: PostgreSQL documentation, appendix A, error codes.
    """
    state = getattr(exc.__cause__, "sqlstate", None)
    return state is None or state.startswith(("08", "57P"))


def flatten(errors: Any, field: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested error details as one entry a field; a field inside another is named with dots."""
    if isinstance(errors, dict) and not {"message", "code"} <= errors.keys():
        for name, inner in errors.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from flatten(inner, ".".join(filter(None, (field, own))))
    elif isinstance(errors, list):
        for inner in errors:
            yield from flatten(inner, field)
    else:
        yield {"field": field, "message": str(errors["message"]), "code": str(errors["code"])}


def sentence(details: list[dict[str, str]]) -> str:
    first = details[0] if details else {"field": "", "message": "Invalid input."}
    return f"{first['field']}: {first['message']}" if first["field"] else first["message"]


class SanitizedErrorsMiddleware:
    """Failures of plain Django views get the one shape too, with DEBUG on as with it off. The admin keeps Django's."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self.get_response(request)
        return response

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        return None if request.path_info.startswith("/admin") else render(exc)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(exceptions.NotFound())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(exceptions.ParseError("This request can't be understood."))


def server_error(request: HttpRequest) -> HttpResponse:
    body = envelope("Something went wrong on our side.", "internal_error") | {"requestId": current_request_id()}
    return HttpResponse(orjson.dumps(body), status=500, content_type="application/json")
