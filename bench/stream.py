"""Times odds from their commit to the clients that stream them.

`python -m bench.stream`: 2,000 clients, each of 20 of 200 markets, and 100 changes a second in batches of five, for 20
seconds; `--watched 200` has each client stream all of them. A web server of two processes, PostgreSQL, Valkey, whoever
writes the odds and whoever reads the streams share the machine. Odds carry the time just before their commit, so the
latency is that of commit, message, fan-out and reading; one client of ten is timed, the others are only read.
"""

import argparse
import os
import random
import re
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import quantiles
from uuid import UUID

import psutil

from bench.database import own_database
from bench.markets import web_server

PORT = 8881
BATCH = 5
TIMED_OF = 10
AS_OF = re.compile(rb'event: odds\ndata: [^\n]*"asOf":"([^"]+)"')
SERVER = "ops.serving.server"


@dataclass(slots=True)
class Readings:
    """What the clients got. Latencies in milliseconds."""

    latencies: list[float] = field(default_factory=list)
    received: int = 0

    def take(self, part: bytes, *, is_timed: bool) -> None:
        self.received += len(part)
        if is_timed:
            now = time.time()
            committed = (datetime.fromisoformat(said.decode()).timestamp() for said in AS_OF.findall(part))
            self.latencies += [(now - each) * 1000 for each in committed]


def connect(market_ids: list[UUID]) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", PORT), timeout=30)
    query = ",".join(map(str, market_ids))
    client.sendall(f"GET /api/v1/stream?markets={query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def read_all(clients: list[socket.socket], commands: Connection) -> None:
    """Read what comes on all connections, in a process of its own; from one command to the next for the readings."""
    readings = None
    selector = selectors.DefaultSelector()
    for number, client in enumerate(clients):
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, number % TIMED_OF == 0)
    while True:
        if commands.poll():
            commands.recv()
            if readings:
                commands.send(readings)
                return
            readings = Readings()
        for key, _ in selector.select(0.05):
            received = key.fileobj.recv(262_144)  # type: ignore[union-attr]
            if not received:
                sys.exit("A stream ended.")
            if readings:
                readings.take(received, is_timed=key.data)


def change_odds(market_ids: list[UUID], *, per_second: int, seconds: float) -> int:
    """Change odds at an even pace, and publish them as every writer does; return how many were changed."""
    from django.db import transaction

    from markets.changes import publish_odds
    from markets.models import Market

    started, changed = time.monotonic(), 0
    while (late := time.monotonic() - started) < seconds:
        if changed > late * per_second:
            time.sleep(0.002)
            continue
        batch = random.sample(market_ids, BATCH)
        odds = Decimal(random.randint(100, 9_900)) / 10_000
        with transaction.atomic():
            publish_odds(batch)
            Market.objects.filter(pk__in=batch).update(
                this_odds=odds, that_odds=1 - odds, odds_updated_at=datetime.now(UTC)
            )
        changed += BATCH
    return changed


def web_processes() -> list[psutil.Process]:
    """Return the worker processes of this bench's web server."""
    found = [each for each in psutil.Process().children(recursive=True) if SERVER in " ".join(each.cmdline())]
    return [child for master in found for child in master.children()]


def memory() -> int:
    return sum(process.memory_full_info().pss for process in web_processes())


def cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


@contextmanager
def connected(count: int, watched: int, market_ids: list[UUID]) -> Iterator[list[socket.socket]]:
    clients: list[socket.socket] = []
    try:
        clients.extend(connect(random.sample(market_ids, watched)) for _ in range(count))
        yield clients
    finally:
        for client in clients:
            client.close()


def add_markets(count: int) -> list[UUID]:
    from markets.models import Market

    now = datetime.now(UTC)
    markets = [
        Market(market_type="credits", slug=f"m-{n}", title=f"Market {n}", this_option="Yes", that_option="No",
               this_odds=Decimal("0.5"), that_odds=Decimal("0.5"), odds_updated_at=now, created_at=now, updated_at=now,
               category="general", image_url="https://img.example/m.png")
        for n in range(count)
    ]  # fmt: skip
    return [market.pk for market in Market.objects.bulk_create(markets)]


def measure(options: argparse.Namespace, market_ids: list[UUID]) -> None:
    before = memory()
    with connected(options.clients, options.watched, market_ids) as clients:
        commands, theirs = get_context("fork").Pipe()
        reader = get_context("fork").Process(target=read_all, args=(clients, theirs), daemon=True)
        reader.start()
        change_odds(market_ids, per_second=options.rate, seconds=3)
        at_first = memory()
        per_client = (at_first - before) / options.clients / 1024
        commands.send("begin")
        used, started = cpu_seconds(web_processes()), time.monotonic()
        changed = change_odds(market_ids, per_second=options.rate, seconds=options.seconds)
        time.sleep(1)
        took = time.monotonic() - started
        used = cpu_seconds(web_processes()) - used
        at_last = memory()
        commands.send("end")
        readings = commands.recv()
        reader.join()
    report(options, readings, changed=changed, took=took)
    delivered = len(readings.latencies) * TIMED_OF / took
    print(
        f"about {delivered:,.0f} events a second, {readings.received / took / 1e6:.1f} MB a second, "
        f"web server {used / took:.2f} processors, {per_client:.0f} KiB a client, "
        f"memory of the web server {at_first / 2**20:.0f} MiB, then {at_last / 2**20:.0f}"
    )


def report(options: argparse.Namespace, readings: Readings, *, changed: int, took: float) -> None:
    cuts = quantiles(readings.latencies, n=100)
    load = os.getloadavg()[0]
    print(
        f"{options.clients:,} clients of {options.watched} of {options.markets} markets, {changed / took:.0f} changes/s"
    )
    print(f"from commit to client: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms; load of the machine {load:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stream", description=__doc__)
    for name, default in (("clients", 2_000), ("markets", 200), ("watched", 20), ("rate", 100), ("seconds", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with own_database("stream"):
        market_ids = add_markets(options.markets)
        env = os.environ | {"STREAM_MAX_CLIENTS": str(options.clients), "WEB_CONNECTIONS": str(2 * options.clients)}
        with web_server(env, port=PORT, workers=2, threads=4):
            measure(options, market_ids)


if __name__ == "__main__":
    main()
