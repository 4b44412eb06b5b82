"""`Idempotency-Key`: a request that is sent again gets the first response again, and its effect happens once.

The key is claimed by the first statement of the transaction that has the effect, and the response is added to it by the
last: both are kept, or neither. A second request with the key waits at the unique index for the first to end.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

from django.db import OperationalError
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from core.api.errors import DomainError
from core.api.requests import Known, warnings_about
from core.api.responses import add_warnings
from core.db.sql import execute, fetch_one
from core.db.transactions import LOCK_TIMEOUT, run_transaction, sqlstate_of
from core.rules import IDEMPOTENCY_HOURS

HEADER = "Idempotency-Key"
MAX_LETTERS = 255
LOCK_NOT_AVAILABLE = "55P03"
FIRST_REFUSAL = 400
PURGE_BATCH = 5_000
# The table's size is mostly of responses. PostgreSQL compresses none that is shorter than 2 KB; the fastest level takes
# 40 % off a bet in 23 µs, and the slowest hardly more.
COMPRESSION_LEVEL = 1
# For `extend_schema(parameters=[…])` of what `idempotent` wraps.
HEADER_PARAMETER = OpenApiParameter(
    HEADER,
    # Without the spaces that HTTP drops at both ends.
    {"type": "string", "minLength": 1, "maxLength": MAX_LETTERS, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    location=OpenApiParameter.HEADER,
    description=f"1 to {MAX_LETTERS} printable ASCII characters, kept for {IDEMPOTENCY_HOURS} hours: the same request "
    "sent again gets the first response again, with `Idempotency-Replayed: true`, and has no second effect.",
)
# What a view method that is `idempotent` returns: what is to happen in the transaction, and the response to it.
Act = Callable[[], HttpResponse]


class KeyReused(DomainError):
    code = "idempotency_key_reused"
    status = 409
    message = "This Idempotency-Key was used for another request."


class InProgress(DomainError):
    code = "idempotency_in_progress"
    status = 409
    message = "The first request with this Idempotency-Key is still running."


class NotKept(Exception):
    """No failure: it takes a refusal out of the transaction, which rolls back."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class Claim:
    user_id: UUID
    key: str
    request_hash: bytes


def idempotent(prepare: Callable[..., Act]) -> Callable[..., HttpResponse]:
    """Make a method of a DRF view that moves credits idempotent, with or without the header.

    The method checks the request, asks the network what it must, and returns what is to be done (`Act`). That runs in
    one durable transaction, again from the start after a collision; it only uses the database (its own
    `transaction.atomic(savepoint=False)` joins), and returns a rendered HttpResponse. Refusals aren't kept.
    """

    @wraps(prepare)
    def respond(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        claim = claim_of(request)
        try:
            act = prepare(view, request, *args, **kwargs)
        except Exception:
            # What was possible the first time may not be now: the price can't be had, the market is closed.
            if claim and (earlier := find(claim)):
                return earlier
            raise
        # With what the client is told about its request in what is kept: the same again is the same bytes.
        known: Known | None = getattr(view, "known", None)
        return run_once(partial(act_and_warn, act, request, known) if known else act, claim)

    respond.is_idempotent = True  # type: ignore[attr-defined]
    return respond


def act_and_warn(act: Act, request: Request, known: Known) -> HttpResponse:
    return add_warnings(act(), warnings_about(request, known))


def run_once(act: Act, claim: Claim | None) -> HttpResponse:
    try:
        if claim is None:
            return run_transaction(partial(unless_refused, act))
        # Claiming limits the waits for locks too, in the same round trip.
        return run_transaction(partial(first_or_again, act, claim), begin=lambda: None)
    except NotKept as refusal:
        return refusal.response


def claim_of(request: Request) -> Claim | None:
    """Return the request's claim; None without the header. Raises ValidationError for a key that isn't one."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not (key.isascii() and key.isprintable() and key.strip() and len(key) <= MAX_LETTERS):
        text = f"Ensure this header has 1 to {MAX_LETTERS} printable ASCII characters."
        raise ValidationError({HEADER: text}, code="invalid")
    # Before anybody parses it: a body that was read as a stream can't be had again. Slashes at the end make no other
    # path, nor another request.
    asked = f"{request.method} {request.path_info}\n".encode() + request._request.body  # noqa: SLF001
    return Claim(cast("UUID", request.user.pk), key, sha256(asked).digest())


def first_or_again(act: Act, claim: Claim) -> HttpResponse:
    if not take(claim):
        earlier = find(claim)
        # Gone only if it was purged this very moment.
        if earlier is None:
            raise InProgress(retry_after=1)
        return earlier
    response = unless_refused(act)
    keep(claim, response)
    return response


def unless_refused(act: Act) -> HttpResponse:
    response = act()
    if response.status_code >= FIRST_REFUSAL:
        raise NotKept(response)
    return response


TAKE = """
INSERT INTO idempotency_keys AS kept (user_id, key, request_hash, created_at)
SELECT %(user_id)s, %(key)s, %(request_hash)s, now() FROM set_config('lock_timeout', %(timeout)s, true)
ON CONFLICT (user_id, key) DO UPDATE
SET request_hash = excluded.request_hash, status = NULL, body = NULL, created_at = excluded.created_at
WHERE kept.created_at <= now() - make_interval(hours => %(hours_kept)s)
"""
KEEP = """
UPDATE idempotency_keys SET status = %(status)s, body = %(body)s WHERE user_id = %(user_id)s AND key = %(key)s
"""
FIND = """
SELECT request_hash, status, body FROM idempotency_keys
WHERE user_id = %(user_id)s AND key = %(key)s AND created_at > now() - make_interval(hours => %(hours_kept)s)
"""
PURGE = """
DELETE FROM idempotency_keys WHERE (user_id, key) IN (
    SELECT user_id, key FROM idempotency_keys WHERE created_at <= now() - make_interval(hours => %(hours_kept)s)
    LIMIT %(batch)s FOR UPDATE SKIP LOCKED
)
"""


def take(claim: Claim) -> bool:
    """Return whether the key is ours now. Waits while another request has it; raises InProgress after too long."""
    facts: dict[str, Any] = {"user_id": claim.user_id, "key": claim.key, "request_hash": claim.request_hash}
    try:
        return execute(TAKE, {**facts, "timeout": LOCK_TIMEOUT, "hours_kept": IDEMPOTENCY_HOURS}) == 1
    except OperationalError as exc:
        if sqlstate_of(exc) == LOCK_NOT_AVAILABLE:
            raise InProgress(retry_after=1) from exc
        raise


def keep(claim: Claim, response: HttpResponse) -> None:
    kept: dict[str, Any] = {"status": response.status_code, "body": zlib.compress(response.content, COMPRESSION_LEVEL)}
    execute(KEEP, {"user_id": claim.user_id, "key": claim.key, **kept})


def find(claim: Claim) -> HttpResponse | None:
    """Return the first response, as it was. Raises KeyReused where that was to another request."""
    row = fetch_one(FIND, {"user_id": claim.user_id, "key": claim.key, "hours_kept": IDEMPOTENCY_HOURS})
    if row is None:
        return None
    request_hash, status, body = row
    if bytes(request_hash) != claim.request_hash:
        raise KeyReused
    headers = {"Idempotency-Replayed": "true"}
    return HttpResponse(content_of(bytes(body)), status=status, content_type="application/json", headers=headers)


def content_of(body: bytes) -> bytes:
    """Return the response's bytes. What was kept before they were compressed, a JSON object, is as it was."""
    return body if body.startswith(b"{") else zlib.decompress(body)


def purge_keys() -> int:
    """Delete the keys that are older than IDEMPOTENCY_HOURS, in batches; return how many."""
    total = 0
    while True:
        deleted = execute(PURGE, {"batch": PURGE_BATCH, "hours_kept": IDEMPOTENCY_HOURS})
        total += deleted
        if deleted < PURGE_BATCH:
            return total
