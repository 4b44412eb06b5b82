"""Times honest clients beside hundreds of slow ones and thousands of idle connections.

`python -m bench.serving`: 40 browsers with six connections each ask alone, then beside clients that send headers or
bodies a byte a second, clients that don't read their responses, and idle keep-alive connections. The data is a database
of its own; the load runs on the same processors as the service.
"""

import argparse
import os
import resource
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.load import Result, request_bytes, run
from bench.markets import environment, manage, web_server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-serving-{os.getpid()}"
PORT = 8876
BASE = f"http://127.0.0.1:{PORT}"
LIST = request_bytes(f"{BASE}/api/v1/markets?limit=20")
# Costs the service little but the sending.
BIG = request_bytes(f"{BASE}/api/schema")
HALF_HEAD = LIST[:-4]
HALF_BODY = b"POST /api/v1/bets/quote HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"


def connect(sent: bytes, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(20)
    client.connect(("127.0.0.1", PORT))
    client.sendall(sent)
    return client


@contextmanager
def kept_up(count: int, make: Callable[[], socket.socket]) -> Iterator[None]:
    """Keep so many of these clients, each sending a byte a second, and replace those that the server ends."""
    is_over = threading.Event()
    clients = [make() for _ in range(count)]

    def trickle() -> None:
        while not is_over.wait(1):
            for place, client in enumerate(clients):
                try:
                    client.send(b"x")
                except OSError:
                    client.close()
                    clients[place] = make()

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        for client in clients:
            client.close()


def idle_connection() -> socket.socket:
    client = connect(request_bytes(f"{BASE}/health"))
    client.recv(10_000)
    return client


def memory_of_service() -> float:
    """Return MB of the web processes that listen on the port, and of their parent."""
    found = [p for p in psutil.process_iter(["cmdline"]) if "ops.serving.server" in (p.info["cmdline"] or [])]
    processes = {process for parent in found for process in [parent, *parent.children(recursive=True)]}
    return sum(process.memory_info().rss for process in processes) / 1e6


def health_times(is_over: threading.Event, times: list[float]) -> None:
    while not is_over.wait(0.1):
        started = time.perf_counter()
        client = connect(request_bytes(f"{BASE}/health"))
        client.recv(10_000)
        times.append((time.perf_counter() - started) * 1000)
        client.close()


def measure(name: str, seconds: float) -> Result:
    is_over, times = threading.Event(), list[float]()
    watcher = threading.Thread(target=health_times, args=(is_over, times))
    watcher.start()
    result = run(BASE, lambda: LIST, connections=240, seconds=seconds)
    is_over.set()
    watcher.join()
    print(
        f"| {name:<38} | {result.rate:>6,.0f} | {result.p50:>6.1f} | {result.p99:>6.1f} | {max(times):>6.1f} "
        f"| {memory_of_service():>5.0f} | {result.statuses} |",
        flush=True,
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", type=int, default=500)
    parser.add_argument("--idle", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    VAR.mkdir(parents=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(database.url, queue.url, DATABASE_OWNER_URL=database.owner_url, VAR_DIR=str(VAR))
    third = arguments.slow // 3
    try:
        manage(env, "migrate")
        print("| 240 connections of honest clients | req/s | p50 ms | p99 ms | /health, slowest ms | MB | responses |")
        print("|---|---:|---:|---:|---:|---:|---|")
        with web_server(env, port=PORT, workers=2, threads=4):
            time.sleep(3)
            # Each process makes it once.
            for _ in range(20):
                urllib.request.urlopen(f"{BASE}/api/schema").close()
            for _ in range(arguments.rounds):
                measure("alone", arguments.seconds)
                with ExitStack() as stack:
                    for _ in range(arguments.idle):
                        stack.enter_context(idle_connection())
                    stack.enter_context(kept_up(third, lambda: connect(HALF_HEAD)))
                    stack.enter_context(kept_up(third, lambda: connect(HALF_BODY)))
                    stack.enter_context(kept_up(third, lambda: connect(BIG * 6, 4096)))
                    measure("beside slow and idle ones", arguments.seconds)
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)


if __name__ == "__main__":
    main()
