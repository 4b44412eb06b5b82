"""The service under test, in this process: its WSGI application, its jobs, and a time that only the simulation moves."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from io import BytesIO
from typing import Any

import orjson
import time_machine

START = datetime(2030, 3, 4, 9, tzinfo=UTC)
ENVIRON = {
    "SERVER_NAME": "simulation",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "",
    "CONTENT_TYPE": "application/json",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.errors": None,
}


@dataclass(slots=True)
class Time:
    """The time that everything in this process reads; it stands still between the steps of the simulation."""

    now: datetime = START
    _travel: Any = field(default=None, repr=False)

    def start(self) -> None:
        self._travel = time_machine.travel(self.now, tick=False).start()

    def move(self, by: timedelta) -> None:
        self.now += by
        self._travel.move_to(self.now)


@dataclass
class Response:
    """What a request got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)

    @property
    def code(self) -> str:
        """The code of an error; empty for a success."""
        return str(self.json.get("code", "")) if self.status >= 400 else ""

    @property
    def was_replayed(self) -> bool:
        return self.headers.get("Idempotency-Replayed") == "true"

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip() if self.status >= 400 else str(self.status)


def load() -> None:
    """Have Django ready, with what keeps a simulation repeatable and quick; connects to nothing yet."""
    import django
    from django.conf import settings

    django.setup()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Entries of this cache expire by the simulation's time, Redis's by another.
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "simulation"}
    }
    from thisthat.celery import app

    keep_prepared_statements()
    # What is sent to the queue is lost: sweeps have to find it.
    app.conf.broker_url = "memory://"
    import thisthat.wsgi  # noqa: F401 - loads all that requests need

    tasks()


def keep_prepared_statements() -> None:
    """Have a connection prepare what comes twice, and keep all of it until it is closed.

    psycopg drops all prepared statements at a ROLLBACK, which may have undone a table that they read, and the oldest of
    more than a hundred. Every refusal here is a ROLLBACK and no table is made in one, so nearly half of the database's
    time was spent on planning the same statements again.
    """
    from psycopg._preparing import PrepareManager

    PrepareManager.prepare_threshold, PrepareManager.prepared_max = 1, 2_000
    PrepareManager._should_discard = lambda self, *args, **kwargs: False  # type: ignore[method-assign]


def encode(body: Any) -> bytes:
    """Return JSON with each Decimal as the number that it is, never through a float."""
    return b"" if body is None else orjson.dumps(body, default=_number)


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} has no JSON")


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    token: str | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send a request through the WSGI application, and return the response."""
    from thisthat.wsgi import application

    environ: dict[str, Any] = {**ENVIRON, "REQUEST_METHOD": method, "wsgi.input": BytesIO(body)}
    environ["PATH_INFO"], _, environ["QUERY_STRING"] = path.partition("?")
    environ["CONTENT_LENGTH"] = str(len(body))
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    if key is not None:
        environ["HTTP_IDEMPOTENCY_KEY"] = key
    environ |= headers or {}
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    parts = application(environ, lambda status, given, *_: begun.append((status, given)))
    content = b"".join(parts)
    parts.close()  # type: ignore[attr-defined]
    ((status, given),) = begun
    return Response(int(status[:3]), dict(given), content)


# -- What the simulation does beside requests: use cases of staff, and jobs


@dataclass(frozen=True, slots=True)
class Refused:
    """A use case that said no, by its error's code."""

    code: str


def attempt(act: Callable[[], Any]) -> Any:
    """Return what a use case returns, or Refused."""
    from core.api.errors import DomainError

    try:
        return act()
    except DomainError as exc:
        return Refused(exc.code)


def verification_token(user_id: str, now: datetime) -> str:
    """Return the token of a mail that verifies the user's address, as it would be sent now."""
    from accounts.email_tokens import Purpose, make_token
    from accounts.models import User

    return make_token(User.objects.get(pk=user_id), Purpose.EMAIL_VERIFICATION, now=now)


@cache
def staff_member(user_id: str) -> Any:
    """Return one of the staff, as a session of the admin has them."""
    from accounts.models import User
    from accounts.staff import StaffMember

    return StaffMember(User.objects.get(pk=user_id), "192.0.2.7")


def list_stock(symbol: str, *, price: str, supply: int, max_leverage: int, now: datetime) -> None:
    """List a stock of which there is so little that it is sold out."""
    from core.db.transactions import run_transaction
    from economy.stocks import prices

    terms = prices.ListedStock(symbol, symbol.title(), "Seldom to be had.", price, supply, max_leverage)
    run_transaction(lambda: prices.list_stock(terms, now=now))


@cache
def tasks() -> Mapping[str, Any]:
    """Return all tasks by name."""
    from thisthat.celery import app

    # This checks all models, too: once is enough.
    app.loader.import_default_modules()
    return app.tasks


def job(name: str) -> Callable[[], None]:
    """Return the task of that name, to be run in this process."""
    run: Callable[[], None] = tasks()[name].run
    return run


def drop_broken_connections() -> None:
    """Close this thread's connection if it can't be used any more, as happens between requests."""
    from django.db import close_old_connections

    close_old_connections()


@contextmanager
def lies(polymarket: Any, kind: str, **options: Any) -> Iterator[None]:
    """Have Polymarket misbehave inside the block; after it nobody remembers: circuit breakers are those of new clients."""
    from markets.polymarket.client import fill_client, job_client, request_client

    polymarket.faults.set(kind, **options)
    try:
        yield
    finally:
        polymarket.faults.clear()
        for client in (fill_client, job_client, request_client):
            client.cache_clear()
