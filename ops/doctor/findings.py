from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from django.conf import settings

SHORTEST_SECRET = 6


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `advice`: what to do; empty where nothing is to be done."""

    check: str
    state: State
    text: str
    advice: str = ""

    def without_secrets(self) -> "Finding":
        return Finding(self.check, self.state, without_secrets(self.text), without_secrets(self.advice))


def ok(check: str, text: str) -> Finding:
    return Finding(check, State.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, State.WARNING, text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    return Finding(check, State.FAILURE, text, advice)


def without_secrets(text: str) -> str:
    """What a library says of a failed connection may quote an address, and with it a password."""
    for secret in secrets():
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def secrets() -> Iterator[str]:
    yield settings.SECRET_KEY
    yield str(settings.SIMPLE_JWT["SIGNING_KEY"])
    yield from settings.STOCK_SIGNING_KEYS.values()
    yield from (settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.X_CLIENT_SECRET)
    yield str(settings.DATABASES["default"].get("PASSWORD") or "")
    for url in (settings.DATABASE_URL, settings.REDIS_URL):
        password = urlsplit(url).password or ""
        yield from (password, unquote(password))
