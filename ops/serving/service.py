"""What the web server has to know of this service: which requests are urgent, and what is answered without a thread."""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from whitenoise import WhiteNoise

from core.api.errors import DomainError, render
from core.api.responses import respond_from_memory
from core.rules import MAX_BODY_BYTES
from ops.health import health
from ops.serving.asgi import Environ, Response, StreamedResponse, WSGIApplication, encode
from ops.serving.threads import Lane
from stream.live import stop_streams
from stream.views import open_stream

# Those that need nothing but memory: a response from the event loop has the headers of all others, and is counted.
LOOP_MIDDLEWARE = (
    "core.metrics.CountRequestsMiddleware",
    "core.api.middleware.RequestIdMiddleware",
    "core.api.middleware.TrailingSlashMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
HEALTH_PATH = "/health"
SYSTEM_PATHS = ("/ready", "/metrics")
# What moves credits or money is refused last.
MONEY_PATHS = ("/api/v1/bets", "/api/v1/economy", "/api/v1/purchases")
QUOTE_PATH = "/api/v1/bets/quote"
STREAM_PATH = "/api/v1/stream"
READING_METHODS = ("GET", "HEAD", "OPTIONS")
# Where a request carries the response that only lacks the middlewares' headers, or the error to respond with.
PREPARED = "thisthat.response"
STATIC_MAX_AGE_SECONDS = 86_400


class DjangoService:
    """Django, with its WSGI application for what needs a thread."""

    def __init__(self, wsgi: WSGIApplication) -> None:
        # What is in the folder now is what is served: deployments replace processes.
        self._wsgi = WhiteNoise(
            wsgi, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL, max_age=STATIC_MAX_AGE_SECONDS
        )
        self._middleware = with_loop_middleware(prepared_response)

    def wsgi(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        response: Iterable[bytes] = self._wsgi(dict(environ), start_response)
        return response

    def lane(self, environ: Environ) -> Lane:
        path: str = environ["PATH_INFO"]
        is_money = path.startswith(MONEY_PATHS) and environ["REQUEST_METHOD"] not in READING_METHODS
        return Lane.MONEY if is_money and not path.startswith(QUOTE_PATH) else Lane.ORDINARY

    def is_system(self, environ: Environ) -> bool:
        path: str = environ["PATH_INFO"]
        return path.startswith(SYSTEM_PATHS)

    def max_body_bytes(self, environ: Environ) -> int:
        path: str = environ["PATH_INFO"]
        is_api = path.startswith("/api/") and "/webhooks/" not in path
        return MAX_BODY_BYTES if is_api else settings.DATA_UPLOAD_MAX_MEMORY_SIZE or MAX_BODY_BYTES

    def respond_directly(self, environ: Environ) -> Response | None:
        """Respond to the health check, and to public GETs whose response this process has in memory."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        request = request_of(environ)
        if environ["PATH_INFO"].rstrip("/") == HEALTH_PATH:
            request.resolver_match = self._health_match
            return self._finish(request, health(request))
        response = respond_from_memory(request)
        return self._finish(request, response) if response else None

    def refuse(self, environ: Environ, error: DomainError) -> Response:
        request = request_of(environ)
        return self._finish(request, error)

    def is_stream(self, environ: Environ) -> bool:
        path: str = environ["PATH_INFO"]
        return environ["REQUEST_METHOD"] == "GET" and path.rstrip("/") == STREAM_PATH

    async def stream(self, environ: Environ) -> Response | StreamedResponse:
        request = request_of(environ)
        request.resolver_match = self._stream_match
        try:
            response = await open_stream(request)
        except Exception as exc:  # noqa: BLE001 - as a view's failures: `render` logs and hides what wasn't expected
            return self._finish(request, exc)
        headers = self._finish(request, response).headers
        return StreamedResponse(response.status_code, headers, response, response.close)

    def stop(self) -> None:
        stop_streams()

    def _finish(self, request: WSGIRequest, outcome: HttpResponseBase | Exception) -> Response:
        request.META[PREPARED] = outcome
        finished = self._middleware(request)
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in finished.cookies.values()]
        body = b"" if finished.streaming else finished.content
        return encode(finished.status_code, [*finished.items(), *cookies], body)

    @cached_property
    def _health_match(self) -> Any:
        return resolve(HEALTH_PATH)

    @cached_property
    def _stream_match(self) -> Any:
        return resolve(STREAM_PATH)


def request_of(environ: Environ) -> WSGIRequest:
    """Return a request of Django's. It writes the decoded path into its environ, which the next one couldn't read."""
    return WSGIRequest(dict(environ))


def prepared_response(request: HttpRequest) -> HttpResponseBase:
    """Return the response that the request carries; an error is rendered here, where the log knows the request's id."""
    outcome: HttpResponseBase | Exception = request.META[PREPARED]
    return render(outcome, request) if isinstance(outcome, Exception) else outcome


def with_loop_middleware(view: Any) -> Any:
    """Return the view inside LOOP_MIDDLEWARE, in the manner of Django's own handler."""
    handler = convert_exception_to_response(view)
    for name in reversed(LOOP_MIDDLEWARE):
        handler = convert_exception_to_response(import_string(name)(handler))
    return handler
