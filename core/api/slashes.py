"""`/api/v1/bets` and `/api/v1/bets/` are one resource, without a redirect, for POST too."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Their own URL patterns end in a slash.
BROWSER_PATHS = ("/admin/", "/static/")


class TrailingSlashMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.endswith("/") and not path.startswith(BROWSER_PATHS):
            request.path_info = path.rstrip("/") or "/"
        return self.get_response(request)
