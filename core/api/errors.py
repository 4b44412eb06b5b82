"""One shape for every failure: `{"success": false, "error", "code", "details"?}`.

`details` comes with validation errors alone, one entry a field: `{"field", "message", "code"}`.
"""

import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.core.cache import cache
from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils.log import log_response
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.request import Request

from core.api.middleware import current_request_id
from core.rules import REFUSALS_KEPT, REFUSALS_SECONDS

logger = logging.getLogger(__name__)
TRY_AGAIN_SECONDS = 2
# No connection, no more resources (disk, memory, connections), cancelled or shutting down, errors of the system;
# read-only after a failover; serialization failure, deadlock, lock not available.
# Source: PostgreSQL documentation, appendix A, error codes.
TRANSIENT_SQLSTATES = ("08", "53", "57014", "57P", "58", "25006", "40001", "40P01", "55P03")


class DomainError(Exception):
    """A rule said no. Subclasses stand in their app's `errors.py` and set `code`, `status` and `message`.

    `retry_after` is in seconds; where it is set the response carries `Retry-After`.
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


class BadRequest(DomainError):
    code = "bad_request"
    message = "This request can't be understood."


class TryAgain(DomainError):
    code = "try_again"
    status = 503
    message = "The service is busy or restarting. Nothing happened; try again."


class InternalError(DomainError):
    """Any failure that wasn't expected. Never raised: `describe` uses it for what was."""

    code = "internal_error"
    status = 500
    message = "Something went wrong on our side."


class PayloadTooLarge(DomainError):
    code = "payload_too_large"
    status = 413
    message = "The request body is too large."


class Overloaded(DomainError):
    """More requests than the service can do. Raised by the web server, before anything is done."""

    code = "overloaded"
    status = 503
    message = "The service is overloaded. Nothing happened; try again."


class RequestTimeout(DomainError):
    code = "request_timeout"
    status = 408
    message = "The request took too long to arrive."


class ResponseTimeout(DomainError):
    code = "response_timeout"
    status = 504
    message = "The service took too long. The request may still take effect: look before sending it again."


class HeadersTooLarge(DomainError):
    code = "headers_too_large"
    status = 431
    message = "The request's headers are too large."


# What DRF calls these, in the words that clients of this API branch on.
CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ValidationError: "validation_error",
    exceptions.ParseError: "parse_error",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "invalid_token",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "throttled",
}


def handle(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """Return the response to a view's failure, in the one shape, whatever the view renders: DRF's exception handler."""
    return render(exc, context["request"])


def render(exc: Exception, request: HttpRequest | Request | None = None) -> HttpResponse:
    """Return the response to a failure, and log it once: refusals at info, what wasn't expected with its stack.

    What wasn't expected is never shown to the client. A refusal of a signed-in user is kept for the staff, too.
    """
    status, body, headers = describe(exc)
    response = HttpResponse(orjson.dumps(body), status=status, headers=headers, content_type="application/json")
    where = request.path if request else "-"
    # These mark the response as logged, so that Django doesn't write a second line about it.
    if is_transient(exc):
        # A line each, no stack: an outage makes many of these.
        log_response("%s: unavailable: %s", where, exc, response=response, logger=logger)
    elif body["code"] == InternalError.code:
        log_response("%s: unexpected failure", where, response=response, logger=logger, exception=exc)
    elif request is not None:
        note_refusal(request, status, body)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - as `log_response` does
    return response


def note_refusal(request: HttpRequest | Request, status: int, body: dict[str, Any]) -> None:
    """Log a refused request with its error code and user, and keep it among the user's recent refusals."""
    # Of DRF's requests, and only once authentication has run: reading `user` would run it.
    user = getattr(request, "_user", None)
    user_id = user.pk if user is not None and user.is_authenticated else None
    facts = {"method": request.method, "path": request.path, "status": status, "code": body["code"]}
    logger.info("refused %s %s: %s", request.method, request.path, body["code"], extra={**facts, "userId": user_id})
    if user_id is None:
        return
    kept = {"at": datetime.now(UTC), **facts, "error": body["error"], "requestId": current_request_id()}
    # Best effort: of two refusals at the same moment one may be lost. The cache doesn't raise while Redis is away.
    cache.set(refusals_key(user_id), [kept, *recent_refusals(user_id)][:REFUSALS_KEPT], timeout=REFUSALS_SECONDS)


def recent_refusals(user_id: UUID) -> list[dict[str, Any]]:
    """Return the user's last refused requests, newest first.

    Of each `at`, `method`, `path`, `status`, `code`, `error`, `requestId`. At most REFUSALS_KEPT, of the last
    REFUSALS_SECONDS; best effort, from the cache.
    """
    found: list[dict[str, Any]] = cache.get(refusals_key(user_id)) or []
    return found


def delete_refusals(user_id: UUID) -> None:
    """Drop what `recent_refusals` would return, when a user's data is erased."""
    cache.delete(refusals_key(user_id))


def refusals_key(user_id: UUID) -> str:
    return f"refusals:{user_id}"


def describe(exc: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers of the response to a failure."""
    exc = as_api_error(exc)
    if isinstance(exc, DomainError):
        return exc.status, envelope(str(exc), exc.code), retry_header(exc.retry_after)
    if isinstance(exc, exceptions.ValidationError):
        details = list(flatten(exc.get_full_details()))
        return exc.status_code, {**envelope(sentence(details), "validation_error"), "details": details}, {}
    if isinstance(exc, exceptions.APIException):
        return describe_api_exception(exc)
    return InternalError.status, unexpected(), {}


def as_api_error(exc: Exception) -> Exception:
    """Return what Django and the database raise as an error of this API; anything else as it is."""
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, DjangoPermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, RequestDataTooBig):
        return PayloadTooLarge()
    if isinstance(exc, (SuspiciousOperation, DjangoBadRequest, UnreadablePostError)):
        return BadRequest()
    return TryAgain(retry_after=TRY_AGAIN_SECONDS) if is_transient(exc) else exc


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


def unexpected() -> dict[str, Any]:
    return envelope(InternalError.message, InternalError.code) | {"requestId": current_request_id()}


def retry_header(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def is_transient(exc: Exception) -> bool:
    """Return whether a retry may help: the database or Redis is in a state that passes, or requests collided."""
    if isinstance(exc, RedisError):
        return True
    if not isinstance(exc, (DatabaseError, InterfaceError)):
        return False
    state = getattr(exc.__cause__, "sqlstate", None)
    if state is None:
        return isinstance(exc, (OperationalError, InterfaceError))
    return bool(state.startswith(TRANSIENT_SQLSTATES))


def flatten(errors: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Return DRF's nested error details, one entry a field; what is nested is named with dots: `lines.1.shares`."""
    if isinstance(errors, list):
        for place, inner in enumerate(errors):
            yield from flatten(inner, field if is_one_error(inner) else dotted(field, str(place)))
    elif is_one_error(errors):
        yield {"field": field, "message": str(errors["message"]), "code": str(errors["code"])}
    else:
        for name, inner in errors.items():
            yield from flatten(inner, field if name == "non_field_errors" else dotted(field, str(name)))


def is_one_error(errors: Any) -> bool:
    """Return whether this is one error, not a mapping of fields, which may be called `message` and `code` too."""
    return isinstance(errors, dict) and isinstance(errors.get("message"), str) and isinstance(errors.get("code"), str)


def dotted(outer: str, inner: str) -> str:
    return f"{outer}.{inner}" if outer else inner


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
        return None if request.path_info.startswith("/admin/") else render(exc, request)


# A wrong path is wrong for a client without a CSRF token too.
@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(exceptions.NotFound(), request)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(BadRequest(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse(orjson.dumps(unexpected()), status=500, content_type="application/json")
