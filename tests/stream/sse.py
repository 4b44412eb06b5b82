"""A client of streams, as `EventSource` is one."""

import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Self

SECONDS = 20


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    id: str
    data: Any


class Stream:
    """A response that goes on. `last_event_id` and `retry` are as a browser keeps them."""

    def __init__(
        self, base: str, query: str = "", *, body: Iterable[bytes] | bytes | None = None, **headers: str
    ) -> None:
        host = base.removeprefix("http://")
        self._connection = HTTPConnection(host, timeout=SECONDS)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", f"/api/v1/stream{query}", body, headers=names)
        self.response: HTTPResponse = self._connection.getresponse()
        self.status, self.headers = self.response.status, self.response.headers
        self.last_event_id = ""
        self.retry: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._connection.close()

    def error(self) -> dict[str, Any]:
        return json.loads(self.response.read())

    def events(self, *, seconds: float = SECONDS):
        """Yield events until the stream ends; fails where nothing comes for so long."""
        self._timeout(seconds)
        fields: dict[str, str] = {}
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
                continue
            self.retry = int(fields.get("retry", self.retry or 0))
            self.last_event_id = fields.get("id", self.last_event_id)
            if "data" in fields:
                yield Event(fields["event"], self.last_event_id, json.loads(fields["data"]))
            fields = {}

    def next(self, name: str, *, seconds: float = SECONDS, **expected: Any) -> Event:
        """The next event of that name with these values; others are passed over."""
        until = time.monotonic() + seconds
        for event in self.events(seconds=seconds):
            if event.name == name and expected.items() <= event.data.items():
                return event
            assert time.monotonic() < until, f"no {name}"
        raise AssertionError(f"the stream ended without {name}")

    def names_until(self, name: str) -> list[str]:
        """The names of the events up to the first of that name."""
        names = []
        for event in self.events():
            names.append(event.name)
            if event.name == name:
                return names
        raise AssertionError(names)

    def ends(self, *, seconds: float = SECONDS) -> bool:
        """Whether the server ends the stream in order; what comes before is read."""
        for _ in self.events(seconds=seconds):
            pass
        return True

    def _timeout(self, seconds: float) -> None:
        sock: socket.socket | None = self._connection.sock
        if sock is not None:
            sock.settimeout(seconds)
