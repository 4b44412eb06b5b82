"""Public GETs: `ETag` and `Cache-Control` on each, 304 where the client's copy still holds.

The list of open markets is the same for everybody, so a process may answer it again from its own memory for about a
second (`PUBLIC_CACHE_SECONDS`) instead of asking the database. Every answer says so in `Cache-Control`.
"""

import time
from hashlib import blake2b
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags

from core.api.json import dumps

MAX_ENTRIES = 1_000
MAX_ENTRY_BYTES = 512 * 1024
MAX_BYTES = 32 * 1024 * 1024


class Entry(NamedTuple):
    body: bytes
    etag: str
    good_until: float  # time.monotonic()


_memory: dict[str, Entry] = {}
_bytes_taken = 0


def forget() -> None:
    """Drop what this process remembers, after it changed something that public GETs show."""
    global _bytes_taken  # noqa: PLW0603
    _memory.clear()
    _bytes_taken = 0


class PublicReadsMixin:
    """For a viewset whose GETs answer with `rendered`.

    `remembered_actions` are alike for everybody; other GETs get their headers only, `private_actions` one that keeps
    them out of shared caches.
    """

    remembered_actions: ClassVar[frozenset[str]] = frozenset()
    private_actions: ClassVar[frozenset[str]] = frozenset()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        action = self.action_map.get("get")  # type: ignore[attr-defined]
        if not action or request.method not in ("GET", "HEAD"):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]
        seconds = settings.PUBLIC_CACHE_SECONDS if action in self.remembered_actions else 0
        key = request.get_full_path()
        if seconds and (entry := recall(key)):
            return answer(request, entry.body, entry.etag, cache_control(action, self.private_actions))
        response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if response.status_code != 200:  # noqa: PLR2004
            return response  # type: ignore[no-any-return]
        body = response.content
        etag = etag_of(body)
        if seconds:
            remember(key, Entry(body, etag, time.monotonic() + seconds))
        return answer(request, body, etag, cache_control(action, self.private_actions))


def rendered(data: Any) -> HttpResponse:
    """A 200 without DRF's negotiation and template machinery, which take longer than the rendering."""
    return HttpResponse(dumps(data), content_type="application/json")


def recall(key: str) -> Entry | None:
    entry = _memory.get(key)
    return entry if entry and entry.good_until > time.monotonic() else None


def remember(key: str, entry: Entry) -> None:
    global _bytes_taken  # noqa: PLW0603 - an estimate: what is replaced counts until all is forgotten
    if len(entry.body) > MAX_ENTRY_BYTES:
        return
    if len(_memory) >= MAX_ENTRIES or _bytes_taken + len(entry.body) > MAX_BYTES:
        forget()
    _memory[key] = entry
    _bytes_taken += len(entry.body)


def etag_of(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def cache_control(action: str, private_actions: frozenset[str]) -> str:
    if action in private_actions:
        return "private, no-store"
    return f"public, max-age={max(1, round(settings.PUBLIC_CACHE_SECONDS))}"


def answer(request: HttpRequest, body: bytes, etag: str, caching: str) -> HttpResponse:
    held = request.META.get("HTTP_IF_NONE_MATCH")
    if held and (held == etag or still_holds(held, etag)):
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = HttpResponse(body, content_type="application/json")
    response["ETag"] = etag
    response["Cache-Control"] = caching
    return response


def still_holds(held: str, etag: str) -> bool:
    """Weak comparison (RFC 9110, 13.1.2): a proxy that compressed the answer may have marked the tag weak."""
    tags = parse_etags(held)
    return "*" in tags or etag in [tag.removeprefix("W/") for tag in tags]
