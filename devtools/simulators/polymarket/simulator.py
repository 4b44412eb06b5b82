"""A simulated upstream that is running: the world, its faults, its requests and its address."""

from datetime import datetime, timedelta
from threading import Event as Signal
from threading import Thread
from types import TracebackType
from typing import Self

from .faults import Faults
from .requests_log import RequestLog
from .server import Application, Server, is_loopback, serve_in_thread
from .world import TICK, World


class Simulator:
    """Serves a world on its own threads from `start` to `stop`, or inside a `with`.

    `port` 0 takes a free one. `tick_seconds` above 0 lets time pass by itself. `events` is the size at the start,
    `start` the simulated time of tick 0: give it to make two worlds equal.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        events: int = 400,
        start: datetime | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tick_seconds: float = 0,
    ) -> None:
        length = timedelta(seconds=tick_seconds) if tick_seconds else TICK
        self.world = World(seed=seed, events=events, start=start, tick_length=length)
        self.faults = Faults(seed)
        self.requests = RequestLog()
        application = Application(self.world, self.faults, self.requests, loopback=is_loopback(host))
        self._server = Server((host, port), application)
        self._tick_seconds = tick_seconds
        self._stopping = Signal()
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def gamma_url(self) -> str:
        return self.url

    @property
    def clob_url(self) -> str:
        """The same origin: the paths of the two do not collide."""
        return self.url

    def start(self) -> None:
        self._threads.append(serve_in_thread(self._server))
        if self._tick_seconds > 0:
            ticker = Thread(target=self._tick_on, name="polymarket-simulator-clock", daemon=True)
            ticker.start()
            self._threads.append(ticker)

    def stop(self) -> None:
        """Stop listening, let go of what hangs, close every connection."""
        self._stopping.set()
        if self._threads:
            self._server.shutdown()
        self._server.server_close()
        self.faults.clear()
        self._server.hang_up()
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tick_on(self) -> None:
        while not self._stopping.wait(self._tick_seconds):
            self.world.tick()
