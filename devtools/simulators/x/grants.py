"""Codes and tokens, given once and to the right one only."""

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from devtools.simulators.x.people import Person

CODE_SECONDS = 30  # X's documentation: "you will have only 30 seconds once the user approves your application"


@dataclass(frozen=True)
class Grant:
    """What one person allowed. `failure` is what this sign-in is to fail by, if anything."""

    person: Person
    redirect_uri: str
    challenge: str
    scope: str
    failure: str
    until: float


class Grants:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._codes: dict[str, Grant] = {}
        self._tokens: dict[str, Grant] = {}

    def allow(self, person: Person, *, redirect_uri: str, challenge: str, scope: str, failure: str) -> str:
        """A code, good once and for half a minute."""
        code = secrets.token_urlsafe(48)
        until = self._clock() + CODE_SECONDS
        with self._lock:
            self._codes[code] = Grant(person, redirect_uri, challenge, scope, failure, until)
        return code

    def failure_of(self, code: str) -> str:
        with self._lock:
            grant = self._codes.get(code)
        return grant.failure if grant else ""

    def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> tuple[str, Grant] | None:
        """The access token. None for a code that is unknown, used or old, or not this caller's."""
        with self._lock:
            grant = self._codes.pop(code, None)
        if grant is None or grant.until < self._clock():
            return None
        if grant.redirect_uri != redirect_uri or challenge_of(verifier) != grant.challenge:
            return None
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._tokens[token] = grant
        return token, grant

    def of(self, token: str) -> Grant | None:
        with self._lock:
            return self._tokens.get(token)


def challenge_of(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)), without padding (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
