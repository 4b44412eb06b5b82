"""An ASGI application that reads each request whole on the event loop and runs a WSGI application in threads.

A client that sends slowly, takes its response slowly or keeps a connection open costs no thread: a request gets one
when it is complete, and gives it back before the response is sent.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from core.api.errors import BadRequest, DomainError, Overloaded, PayloadTooLarge, RequestTimeout, ResponseTimeout
from ops.serving import IS_GONE, ON_STOP
from ops.serving.threads import ClientGone, Job, Lane, ThreadPool

logger = logging.getLogger(__name__)
Environ = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

SWEEP_SECONDS = 0.25
RETRY_AFTER_SECONDS = 1
SYSTEM_THREADS = 1
SYSTEM_QUEUE_LENGTH = 8
ENVIRON_KEYS: dict[bytes, str] = {b"content-length": "CONTENT_LENGTH", b"content-type": "CONTENT_TYPE"}
MAX_ENVIRON_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process. Seconds are of a whole step: a byte now and then doesn't prolong it."""

    threads: int = 4
    queue_length: int = 256
    queue_seconds: float = 5.0
    body_seconds: float = 10.0
    request_seconds: float = 60.0
    # Of request bodies that are arriving or waiting.
    held_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """A response whose body goes on for as long as the client stays. `close`: called when it has ended."""

    status: int
    headers: list[tuple[bytes, bytes]]
    parts: AsyncIterable[bytes]
    close: Callable[[], None]


class Service(Protocol):
    """What is particular to the service behind."""

    def lane(self, environ: Environ) -> Lane: ...

    def is_system(self, environ: Environ) -> bool:
        """Return whether the request is about the service's own state, which has a thread of its own."""

    def max_body_bytes(self, environ: Environ) -> int: ...

    def respond_directly(self, environ: Environ) -> Response | None:
        """Respond on the event loop, without waiting for anything; None leaves the request to a thread."""

    def refuse(self, environ: Environ, error: DomainError) -> Response:
        """Respond on the event loop to a request that isn't served."""

    def wsgi(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]: ...

    def is_stream(self, environ: Environ) -> bool:
        """Return whether the response goes on for as long as the client stays, and is made on the event loop."""

    async def stream(self, environ: Environ) -> Response | StreamedResponse: ...

    def stop(self) -> None:
        """End the streams: the process was asked to stop. Called more than once."""


class BufferedApplication:
    """The ASGI application. One instance serves one process."""

    def __init__(self, service: Service, limits: Limits) -> None:
        self._service = service
        self._limits = limits
        self._held_bytes = 0
        # The results that requests wait for, and since when, the oldest first.
        self._pending: dict[asyncio.Future[Response], float] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _lifespan(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        limits = self._limits
        self._pool: ThreadPool[Response] = ThreadPool(
            name="requests", threads=limits.threads, queue_length=limits.queue_length
        )
        self._system_pool: ThreadPool[Response] = ThreadPool(
            name="system", threads=SYSTEM_THREADS, queue_length=SYSTEM_QUEUE_LENGTH
        )
        await receive()
        scope["state"][ON_STOP] = self._service.stop
        sweeper = asyncio.get_running_loop().create_task(self._sweep())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._service.stop()
        sweeper.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _sweep(self) -> None:
        """Refuse what has waited too long, from time to time: a timer for each request would cost more."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for pool in (self._pool, self._system_pool):
                pool.expire(self._limits.queue_seconds, overloaded())
            self._expire(time.monotonic() - self._limits.request_seconds)

    def _expire(self, oldest: float) -> None:
        for result, since in self._pending.items():
            if since >= oldest:
                break
            if not result.done():
                result.set_exception(ResponseTimeout())

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        body = bytearray()
        is_whole = "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ
        environ["wsgi.input"] = BytesIO()
        is_stream = self._service.is_stream(environ)
        response = None
        try:
            if not is_whole:
                await self._read_body(environ, receive, body)
                is_whole = True
                take_body(environ, b"" if is_stream else bytes(body))
            elif not is_stream:
                response = self._service.respond_directly(environ)
            if response is None and not is_stream:
                response = await self._respond_in_thread(environ, scope["state"][IS_GONE])
        except DomainError as error:
            response = self._service.refuse(environ, error)
            if not is_whole:
                response.headers.append((b"connection", b"close"))
        except ClientGone:
            return
        finally:
            self._held_bytes -= len(body)
            body.clear()
        if response is None:
            await self._serve_stream(environ, receive, send)
        else:
            await send_whole(response, send)

    async def _serve_stream(self, environ: Environ, receive: Receive, send: Send) -> None:
        """Send a stream until it ends, its client goes, or takes it too slowly."""
        response = await self._service.stream(environ)
        if isinstance(response, Response):
            await send_whole(response, send)
            return
        sending = asyncio.create_task(send_parts(response, send))
        leaving = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                # Raises what it failed with, for which the server closes the connection.
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            response.close()

    async def _read_body(self, environ: Environ, receive: Receive, body: bytearray) -> None:
        """Read the whole body. Raise BadRequest, PayloadTooLarge, RequestTimeout, Overloaded or ClientGone."""
        encoding = environ.get("HTTP_TRANSFER_ENCODING")
        if encoding is not None and (encoding.lower() != "chunked" or environ["SERVER_PROTOCOL"] == "HTTP/1.0"):
            # What a proxy in front takes for the end of such a body may differ from what is read here.
            raise BadRequest
        most = self._service.max_body_bytes(environ)
        if int(environ.get("CONTENT_LENGTH", 0)) > most:
            raise PayloadTooLarge
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while await self._read_part(receive, body):
                    if len(body) > most:
                        raise PayloadTooLarge
        except TimeoutError:
            raise RequestTimeout from None
        if len(body) > most:
            raise PayloadTooLarge

    async def _read_part(self, receive: Receive, body: bytearray) -> bool:
        """Add what has arrived to the body. Return whether more is to come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        body += part
        self._held_bytes += len(part)
        if self._held_bytes > self._limits.held_bytes:
            raise overloaded()
        return bool(message.get("more_body"))

    async def _respond_in_thread(self, environ: Environ, is_gone: Callable[[], bool]) -> Response:
        pool = self._system_pool if self._service.is_system(environ) else self._pool
        result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        job = Job(partial(run, self._service.wsgi, environ), self._service.lane(environ), result, is_gone)
        if not pool.submit(job):
            raise overloaded()
        self._pending[result] = job.since
        try:
            return await result
        finally:
            del self._pending[result]


async def send_whole(response: Response, send: Send) -> None:
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})
    except RuntimeError as exc:
        # uvloop raises it for a connection that is closed but not reported as lost yet.
        logger.info("a response couldn't be sent: %s", exc)


async def send_parts(response: StreamedResponse, send: Send) -> None:
    """Send the parts, each when the client has taken the one before."""
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        async for part in response.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except RuntimeError as exc:
        logger.info("a stream couldn't be sent: %s", exc)


async def until_gone(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def overloaded() -> Overloaded:
    return Overloaded(retry_after=RETRY_AFTER_SECONDS)


def environ_of(scope: dict[str, Any]) -> Environ:
    """Return the WSGI environ (PEP 3333) of an ASGI HTTP scope, without its body."""
    host, port = scope.get("server") or ("", 0)
    path = unquote_to_bytes(scope["raw_path"]) if scope.get("raw_path") else scope["path"].encode()
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        # A name with an underscore would be taken for the one with a hyphen, which a proxy in front may set.
        if b"_" in name:
            continue
        key = ENVIRON_KEYS.get(name) or environ_key(name)
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    return environ


def environ_key(name: bytes) -> str:
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(ENVIRON_KEYS) < MAX_ENVIRON_KEYS:
        ENVIRON_KEYS[name] = key
    return key


def take_body(environ: Environ, body: bytes) -> None:
    """Give the environ its body, with a length also where it came in chunks: Django takes none for an empty body."""
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)


def run(application: WSGIApplication, environ: Environ) -> Response:
    """Run the WSGI application to its end, in this thread."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started.append((status, headers))

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if close := getattr(chunks, "close", None):
            close()
    status, headers = started[-1]
    return encode(int(status[:3]), headers, body)


def encode(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Response:
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Response(status, encoded, body)
