"""Middlewares of every request: its id, its rate limits, and paths that are alike with and without a slash at the end.

The id is the client's `X-Request-ID` if that is sane, else a new one; it is returned, and is in every log line of the
request. `/api/v1/bets` and `/api/v1/bets/` are one resource, without a redirect, for POST too.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar

import uuid_utils
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Their own URL patterns end in a slash.
BROWSER_PATHS = ("/admin/", "/static/")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request being served in this context; empty outside one."""
    return _current.get()


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if SANE.fullmatch(given) else uuid_utils.uuid4().hex
        # Not reset: Django logs a refused request after the last middleware; the next request sets its own.
        _current.set(request_id)
        response = self.get_response(request)
        response[HEADER] = request_id
        return response


class RateLimitMiddleware:
    """Tells clients what is left of the rate limits that they were counted by: `RateLimit-Policy` and `RateLimit`.

    Source: draft-ietf-httpapi-ratelimit-headers-10; lists of RFC 9651 strings with parameters.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if limits := getattr(request, "rate_limits", None):
            response["RateLimit-Policy"] = ", ".join(f'"{one.name}";q={one.limit};w={one.window}' for one in limits)
            response["RateLimit"] = ", ".join(f'"{one.name}";r={one.remaining};t={one.reset}' for one in limits)
        return response


class TrailingSlashMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.endswith("/") and not path.startswith(BROWSER_PATHS):
            request.path_info = path.rstrip("/") or "/"
        return self.get_response(request)
