"""JSON responses, and what lists say of their pages; for public GETs `ETag`, `Cache-Control` and 304.

The list of open markets is the same for everybody, so a process may send it again from its own memory for about a
second (`PUBLIC_CACHE_SECONDS`) instead of reading the database. Every such response says so in `Cache-Control`.
"""

import time
from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import blake2b
from threading import Lock
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.http import parse_etags
from django.views.decorators.http import conditional_page

from core.api.json import dumps

MAX_ENTRIES = 1_000
MAX_ENTRY_BYTES = 512 * 1024
MAX_BYTES = 32 * 1024 * 1024
UNCHANGING_SECONDS = 3600
PRIVATE = "private, no-store"
FIRST_REDIRECT = 300


def json_response(status: int = 200, /, **fields: Any) -> HttpResponse:
    """Return `{"success": true, …fields}` with `Cache-Control: no-store`; a PublicReadsMixin replaces that header.

    Made without DRF's negotiation and template machinery, which take longer than the rendering.
    """
    body = dumps({"success": True, **fields})
    return HttpResponse(body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def private(response: HttpResponse) -> HttpResponse:
    """Return the response, kept out of shared caches too: it is about one user."""
    response["Cache-Control"] = PRIVATE
    return response


def with_aliases(aliases: Mapping[str, str], /, **fields: Any) -> dict[str, Any]:
    """Return the fields of a response, each that has an alias under that name too, for clients that only read it.

    What OpenAPI says of them: `core.api.serializers.response_schema`, with the same `aliases`.
    """
    return {**fields, **{alias: fields[field] for alias, field in aliases.items()}}


def add_warnings(response: HttpResponse, warnings: list[dict[str, str]]) -> HttpResponse:
    """Return the response to a success with `warnings` in its body; any other response, or without any, as it is."""
    if warnings and response.status_code < FIRST_REDIRECT and response["Content-Type"] == "application/json":
        response.content = response.content[:-1] + b',"warnings":' + dumps(warnings) + b"}"
    return response


def offset_page(*, total: int, limit: int, offset: int) -> dict[str, int]:
    """Return what a list with offsets says beside its rows: how many match in all, and which of them these are.

    What OpenAPI says of it: `core.api.serializers.offset_page_schema`, and of cursors `next_page_schema`.
    """
    return {"total": total, "limit": limit, "offset": offset}


def next_page(cursor: str | None) -> dict[str, str | None]:
    """Return what a list with cursors says of the next page; None behind the last."""
    return {"nextCursor": cursor}


class Entry(NamedTuple):
    body: bytes
    etag: str
    caching: str  # The response's Cache-Control.
    match: ResolverMatch | None  # The view that made it.
    good_until: float  # time.monotonic()


_entries: dict[str, Entry] = {}
_bytes_taken = 0


def clear_cache() -> None:
    """Drop the responses that this process keeps, after it changed something that public GETs show."""
    global _bytes_taken  # noqa: PLW0603
    _entries.clear()
    _bytes_taken = 0


class PublicReadsMixin:
    """For a viewset with public GETs that return `json_response`.

    `cached_actions` give everybody the same and may be sent from this process's memory; other GETs get their headers
    only, and `private_actions` one that keeps them out of shared caches.
    """

    cached_actions: ClassVar[frozenset[str]] = frozenset()
    private_actions: ClassVar[frozenset[str]] = frozenset()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        action = self.action_map.get("get")  # type: ignore[attr-defined]
        if not action or request.method not in ("GET", "HEAD"):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]
        seconds = settings.PUBLIC_CACHE_SECONDS if action in self.cached_actions else 0
        key = request.get_full_path()
        if seconds and (entry := find_entry(key)):
            return conditional_response(request, entry.body, entry.etag, entry.caching)
        response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if response.status_code != 200:  # noqa: PLR2004
            return response  # type: ignore[no-any-return]
        body = response.content
        etag = etag_of(body)
        caching = cache_control(action, self.private_actions)
        if seconds:
            keep_entry(key, Entry(body, etag, caching, request.resolver_match, time.monotonic() + seconds))
        return conditional_response(request, body, etag, caching)


def respond_from_memory(request: HttpRequest) -> HttpResponse | None:
    """Return what a PublicReadsMixin would send from memory, without the view. Never waits: the event loop calls it."""
    entry = find_entry(request.get_full_path())
    if entry is None or request.method not in ("GET", "HEAD"):
        return None
    request.resolver_match = entry.match
    return conditional_response(request, entry.body, entry.etag, entry.caching)


def find_entry(key: str) -> Entry | None:
    entry = _entries.get(key)
    return entry if entry and entry.good_until > time.monotonic() else None


def keep_entry(key: str, entry: Entry) -> None:
    global _bytes_taken  # noqa: PLW0603 - an estimate: what is replaced counts until all is dropped
    if len(entry.body) > MAX_ENTRY_BYTES:
        return
    if len(_entries) >= MAX_ENTRIES or _bytes_taken + len(entry.body) > MAX_BYTES:
        clear_cache()
    _entries[key] = entry
    _bytes_taken += len(entry.body)


def etag_of(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def cache_control(action: str, private_actions: frozenset[str]) -> str:
    if action in private_actions:
        return PRIVATE
    return f"public, max-age={max(1, round(settings.PUBLIC_CACHE_SECONDS))}"


def conditional_response(request: HttpRequest, body: bytes, etag: str, caching: str) -> HttpResponse:
    """Return the body, or 304 where the request says that the client holds it."""
    held = request.META.get("HTTP_IF_NONE_MATCH")
    if held and (held == etag or is_current(held, etag)):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = HttpResponse(body, content_type="application/json")
    response["ETag"] = etag
    response["Cache-Control"] = caching
    return response


def is_current(held: str, etag: str) -> bool:
    """Compare weakly (RFC 9110, 13.1.2): a proxy that compressed the response may have marked the tag weak."""
    tags = parse_etags(held)
    return "*" in tags or etag in [tag.removeprefix("W/") for tag in tags]


def unchanging(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a view that sends, with an ETag, what the first GET of this process made.

    For pages about the program itself, which are the same for everybody; `view` sees neither the query nor any header
    of the client's, so that none decides what others get.
    """
    kept: list[HttpResponse] = []
    # Also because drf-spectacular fails when two threads describe the API for the first time.
    making = Lock()

    @wraps(view)
    @conditional_page
    def respond(request: HttpRequest) -> Any:
        if request.method not in ("GET", "HEAD"):
            return view(request)
        with making:
            if not kept:
                made = view(plain_request(request))
                if made.status_code != 200:  # noqa: PLR2004
                    return made
                made["ETag"] = etag_of(made.render().content)
                made["Cache-Control"] = f"public, max-age={UNCHANGING_SECONDS}"
                kept.append(made)
        return HttpResponse(kept[0].content, headers=kept[0].headers)

    return respond


def plain_request(request: HttpRequest) -> HttpRequest:
    """Return a GET of the same path and nothing else."""
    plain = HttpRequest()
    plain.method, plain.path, plain.path_info = "GET", request.path, request.path_info
    plain.META = {"HTTP_HOST": request.get_host()}
    return plain
