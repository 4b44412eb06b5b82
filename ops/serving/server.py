"""The web server's processes: `python -m ops.serving.server APPLICATION --port 8000 …`, as `ops.processes` starts it.

uvicorn speaks HTTP and keeps the worker processes. Its connections get what it lacks here: limits for slow and silent
clients, and errors in the contract's shape.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from typing import Any, ClassVar

import orjson
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from ops.serving import IS_GONE, ON_STOP

MAX_HEAD_BYTES = 64 * 1024
BACKLOG = 2048
# What the kernel holds of a response that a client takes slowly, instead of several megabytes.
SEND_BUFFER_BYTES = 128 * 1024
# glibc gives every thread that allocates a pool of its own, up to eight a processor, and seldom returns what is in
# them: with 32 threads a process came to twice the memory.
MEMORY_POOLS = "2"
LOGGING: dict[str, Any] = {"version": 1, "disable_existing_loggers": False}


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, and the limits of connections. Seconds are of a whole step."""

    def __init__(
        self, app: str, *, head_seconds: float, send_seconds: float, max_connections: int, **options: Any
    ) -> None:
        super().__init__(app, http=Connection, ws="none", loop="uvloop", access_log=False, server_header=False,
                         proxy_headers=False, log_config=LOGGING, log_level=logging.ERROR, **options)  # fmt: skip
        self.head_seconds = head_seconds
        self.send_seconds = send_seconds
        self.max_connections = max_connections


class Connection(HttpToolsProtocol):
    """A client's connection, which is closed when its client takes too long."""

    config: ServerConfig
    # The connections of this process without a request, the one that has waited longest first.
    waiting: ClassVar[dict["Connection", None]] = {}
    # The request that is being served, or was last.
    _served: RequestResponseCycle | None = None
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting[self] = None
        self._start_head_timer()
        if len(self.connections) > self.config.max_connections:
            # Somebody has to go: the one that has been silent longest misses least.
            next(iter(self.waiting)).abort()

    def shutdown(self) -> None:
        # uvicorn waits for the requests that are being served: those that would go on for ever are ended first.
        if on_stop := self.app_state.get(ON_STOP):
            on_stop()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_send_timer()
        self._tell_gone()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Drop the connection, and tell what still works on its requests."""
        self._tell_gone()
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_gone(self) -> None:
        # uvicorn tells the latest request alone, which with pipelining isn't the one that is being served.
        if self._served:
            self._served.disconnected = True
            self._served.message_event.set()

    def _is_gone(self) -> bool:
        return self._served is not None and self._served.disconnected

    # A request's headers

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][IS_GONE] = self._is_gone

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle() or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "headers_too_large", "The request's headers are too large.")
        elif self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self.pipeline or not (self._is_idle() or self.cycle.more_body):
            # The requests before get their responses, and this one none: nobody could tell it from theirs.
            self.cycle.keep_alive = False
        else:
            self._refuse(400, "bad_request", "This request can't be understood.")

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.config.head_seconds, self.abort)

    def _stop_waiting(self) -> None:
        self._head_bytes = 0
        self.waiting.pop(self, None)
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = orjson.dumps({"success": False, "error": message, "code": code})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
        self._start_send_timer()

    # A response that the client takes slowly

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_send_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_send_timer()
        elif not self.pipeline:
            self.waiting[self] = None

    def timeout_keep_alive_handler(self) -> None:
        # Not close, which would wait for the client to take what is left of the last response.
        self.abort()

    def _start_send_timer(self) -> None:
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self.config.send_seconds, self.abort)

    def _stop_send_timer(self) -> None:
        if self._send_timer:
            self._send_timer.cancel()
            self._send_timer = None


class Worker(Process):
    """A worker process, which stops in order when its master has been killed: it would hold the port for ever."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        threading.Thread(target=self._stop_after_master, daemon=True).start()
        super().target(sockets)

    def _stop_after_master(self) -> None:
        if master := multiprocessing.parent_process():
            master.join()
            os.kill(os.getpid(), signal.SIGTERM)


class Master(Multiprocess):
    """Keeps the worker processes. Each has a listening socket, among which the kernel shares connections out evenly."""

    def init_processes(self) -> None:
        self.processes = [self._start(sock) for sock in self.sockets]

    def keep_subprocess_alive(self) -> None:
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                sys.stderr.write("A web process failed to start: giving up.\n")
                self.should_exit.set()
                return
            sys.stderr.write(f"A web process ended with status {process.exitcode}: starting another.\n")
            self.processes[place] = self._start(self.sockets[place])

    def terminate_all(self) -> None:
        # Before the processes close theirs: as long as one is open, the kernel accepts connections that nobody serves.
        for sock in self.sockets:
            sock.close()
        super().terminate_all()

    def _start(self, sock: socket.socket) -> Worker:
        process = Worker(self.config, [sock])
        process.start()
        return process


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that shares the port with others of this user. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    for option, value in (
        (socket.SO_REUSEADDR, 1),
        (socket.SO_REUSEPORT, 1),
        (socket.SO_SNDBUF, SEND_BUFFER_BYTES),
        (socket.SO_KEEPALIVE, 1),
    ):
        sock.setsockopt(socket.SOL_SOCKET, option, value)
    sock.bind((host, port))
    sock.set_inheritable(True)
    return sock


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.serving.server", description=__doc__)
    parser.add_argument("application")
    # All of them come from the settings, through `ops.processes.web_command`.
    parser.add_argument("--host", required=True)
    for name in ("--port", "--workers", "--max-connections", "--stop-seconds"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--head-seconds", "--idle-seconds", "--send-seconds"):
        parser.add_argument(name, type=float, required=True)
    options = vars(parser.parse_args())
    # For the workers: glibc reads it when a program starts.
    os.environ.setdefault("MALLOC_ARENA_MAX", MEMORY_POOLS)
    host, port = options["host"], options["port"]
    config = ServerConfig(
        options.pop("application"),
        timeout_keep_alive=options.pop("idle_seconds"),
        timeout_graceful_shutdown=options.pop("stop_seconds"),
        backlog=BACKLOG,
        **options,
    )
    try:
        # Without sharing at first: a port that another program has must not be shared with it.
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        sockets = [listen(host, port) for _ in range(config.workers)]
    except OSError as exc:
        sys.exit(f"Can't listen on {host}, port {port}: {exc.strerror}.")
    Master(config, sockets).run()


if __name__ == "__main__":
    main()
