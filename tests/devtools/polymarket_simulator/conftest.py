import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from devtools.simulators.polymarket import Simulator

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
RECORDED = Path(__file__).resolve().parents[4] / "shared" / "polymarket" / "recorded"


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """A keep-alive connection to a simulator."""

    def __init__(self, simulator: Simulator, timeout: float = 5) -> None:
        host, port = simulator.url.removeprefix("http://").split(":")
        self.connection = HTTPConnection(host, int(port), timeout=timeout)

    def get(self, path: str, **query: object) -> Response:
        return self.send("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)

    def post(self, path: str, body: object) -> Response:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, target: str, body: str | None = None) -> Response:
        self.connection.request(method, target, body)
        response = self.connection.getresponse()
        return Response(response.status, dict(response.getheaders()), response.read())

    def walk(self, path: str, key: str, between: Callable[[], object] = lambda: None, **query: object) -> list[Any]:
        """All objects of a keyset list; `between` is called after every page."""
        found: list[Any] = []
        cursor: dict[str, object] = {}
        while True:
            page = self.get(path, **query, **cursor).json
            found += page[key]
            if "next_cursor" not in page:
                return found
            cursor = {"after_cursor": page["next_cursor"]}
            between()


@pytest.fixture
def upstream() -> Iterator[Simulator]:
    with Simulator(seed=7, events=120, start=START) as simulator:
        yield simulator


@pytest.fixture
def caller(upstream: Simulator) -> Iterator[Caller]:
    caller = Caller(upstream)
    yield caller
    caller.connection.close()
