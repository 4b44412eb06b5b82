"""Ingests 50,000 markets from the simulator, then times the public endpoints over HTTP.

`python -m bench.markets`: everything of its own, in var/bench; the load generator runs on the same processors.
"""

import argparse
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from email.message import Message
from pathlib import Path

from bench.load import Result, request_bytes, run

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"
SIMULATOR_PORT, WEB_PORT = 8871, 8872
BASE = f"http://127.0.0.1:{WEB_PORT}"


def environment(database_url: str, redis_url: str, **changes: str) -> dict[str, str]:
    """Return the environment of production mode: no query log, JSON logs."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "thisthat.settings",
        "DJANGO_READ_DOT_ENV": "false",
        "DEBUG": "false",
        "SECRET_KEY": "of-the-benchmark-alone-" * 3,
        "JWT_ACCESS_SECRET": "of-the-benchmark-alone-too-" * 3,
        "STOCK_SIGNING_KEYS": "bench:" + "of-the-benchmark-alone-" * 3,
        "ALLOWED_HOSTS": "127.0.0.1",
        "FRONTEND_URL": "http://127.0.0.1:3000",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "DEFAULT_FROM_EMAIL": "no-reply@example.com",
        "SECURE_SSL_REDIRECT": "false",
        "LOG_LEVEL": "ERROR",
        "VAR_DIR": str(VAR),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "POLYMARKET_GAMMA_URL": f"http://127.0.0.1:{SIMULATOR_PORT}",
        "POLYMARKET_CLOB_URL": f"http://127.0.0.1:{SIMULATOR_PORT}",
        **changes,
    }


@contextmanager
def running(command: list[str], port: int, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def manage(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def get(path: str) -> tuple[Message, dict]:
    with urllib.request.urlopen(BASE + path) as response:
        return response.headers, json.load(response)


def web_server(env: dict[str, str], *, port: int, workers: int, threads: int) -> AbstractContextManager[None]:
    own = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": str(workers), "WEB_THREADS": str(threads)}
    return running([sys.executable, "manage.py", "serve"], port, env | own)


def report(name: str, result: Result, health: float) -> None:
    ratio = result.rate / health
    statuses = " ".join(f"{status}x{count}" for status, count in sorted(result.statuses.items()))
    print(
        f"| {name:<42} | {result.rate:>7,.0f} | {result.p50:>6.2f} | {result.p99:>6.2f} | {ratio:>5.2f} | {statuses} |",
        flush=True,
    )


def timed_ingestion(env: dict[str, str], limit: int) -> None:
    for name in ("first", "again"):
        begun = time.perf_counter()
        result = json.loads(manage(env, "ingest_markets", "--limit", str(limit), "--force", "--json"))["data"]
        kept = {key: result[key] for key in ("created", "updated", "unchanged", "skipped", "errors")}
        print(f"ingestion, {name}: {time.perf_counter() - begun:.1f} s {kept}", flush=True)


def requests_to_time(ids: list[str]) -> dict[str, itertools.cycle]:
    first_20 = f"{BASE}/api/v1/markets?limit=20"
    etag = get("/api/v1/markets?limit=20")[0]["ETag"]
    depths = random.Random(1).sample(range(5_000), 3_000)
    return {
        "/health": itertools.cycle([request_bytes(f"{BASE}/health")]),
        "/api/v1/markets?limit=20": itertools.cycle([request_bytes(first_20)]),
        "/api/v1/markets?limit=50": itertools.cycle([request_bytes(f"{BASE}/api/v1/markets?limit=50")]),
        "/api/v1/markets?limit=20, If-None-Match": itertools.cycle(
            [request_bytes(first_20, **{"If-None-Match": etag})]
        ),
        "/api/v1/markets/{id}, one": itertools.cycle([request_bytes(f"{BASE}/api/v1/markets/{ids[0]}")]),
        "/api/v1/markets/{id}, any of 10,000": itertools.cycle(
            [request_bytes(f"{BASE}/api/v1/markets/{market_id}") for market_id in ids]
        ),
        "/api/v1/markets?limit=20&skip=0..5000": itertools.cycle(
            [request_bytes(f"{first_20}&skip={depth}") for depth in depths]
        ),
        "/api/v1/markets/random": itertools.cycle([request_bytes(f"{BASE}/api/v1/markets/random")]),
    }


def market_ids(count: int) -> list[str]:
    ids: list[str] = []
    cursor = ""
    while len(ids) < count:
        _, page = get(f"/api/v1/markets?limit=200{cursor}")
        ids += [market["id"] for market in page["data"]]
        if not page["nextCursor"]:
            break
        cursor = f"&cursor={page['nextCursor']}"
    return random.Random(1).sample(ids, len(ids))


def measure(name: str, env: dict[str, str], arguments: argparse.Namespace) -> None:
    print(f"\n{name}: {arguments.workers} workers, {arguments.threads} threads, 16 connections\n")
    print("| request | req/s | p50 ms | p99 ms | of /health | responses |\n|---|---:|---:|---:|---:|---|")
    with web_server(env, port=WEB_PORT, workers=arguments.workers, threads=arguments.threads):
        health = 0.0
        for request, messages in requests_to_time(market_ids(10_000)).items():
            result = run(BASE, messages.__next__, seconds=arguments.seconds)
            health = health or result.rate
            report(request, result, health)


def measure_pairs(name: str, env: dict[str, str], arguments: argparse.Namespace) -> None:
    """Time the lists of markets and of events in turns: what else the machine does falls on both alike."""
    paths = ("/api/v1/markets?limit=20", "/api/v1/events?limit=20")
    print(f"\n{name}: lists of markets and of events in turns")
    rounds = []
    with web_server(env, port=WEB_PORT, workers=arguments.workers, threads=arguments.threads):
        for _ in range(arguments.pairs):
            messages = [itertools.cycle([request_bytes(BASE + path)]) for path in paths]
            rounds.append([run(BASE, each.__next__, seconds=arguments.seconds) for each in messages])
    for path, results in zip(paths, zip(*rounds, strict=True), strict=True):
        rate, p50, p99 = (statistics.median(figures) for figures in zip(*map(figures_of, results), strict=True))
        print(f"| {path:<42} | {rate:>7,.0f} | {p50:>6.2f} | {p99:>6.2f} |", flush=True)
    ratios = sorted(events.rate / markets.rate for markets, events in rounds)
    print(f"events of markets: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


def figures_of(result: Result) -> tuple[float, float, float]:
    return result.rate, result.p50, result.p99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pairs", type=int, default=0, help="rounds of lists of markets and of events, nothing else")
    parser.add_argument("--no-ingestion", action="store_true", help="use the markets of the last run")
    arguments = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(database.url, queue.url, DATABASE_OWNER_URL=database.owner_url)
    try:
        manage(env, "migrate")
        if not arguments.no_ingestion:
            events = str(arguments.markets // 2 + 1_000)
            options = ["--port", str(SIMULATOR_PORT), "--events", events]
            with running([sys.executable, "-m", "devtools.simulators.polymarket", *options], SIMULATOR_PORT, env):
                timed_ingestion(env, arguments.markets)
        do = measure_pairs if arguments.pairs else measure
        do("As it ships (a public response is remembered for a second)", env, arguments)
        do("Every response from PostgreSQL", {**env, "PUBLIC_CACHE_SECONDS": "0"}, arguments)
    finally:
        database.stop()
        queue.stop()


if __name__ == "__main__":
    main()
