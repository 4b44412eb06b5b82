"""Times bets on mirrored markets while the upstream takes its time, beside bets on house markets.

`python -m bench.fills`: a simulated Polymarket, a database and a queue of its own in var/. The load generator, the
simulator and PostgreSQL run on the same processors as the service.
"""

import argparse
import json
import os
import random
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from bench.bets import fill, name_id
from bench.load import Result, post_bytes, run
from bench.markets import environment, manage, running, web_server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-fills-{os.getpid()}"
WEB_PORT, SIMULATOR_PORT = 8877, 8878
BASE, SIMULATOR = f"http://127.0.0.1:{WEB_PORT}", f"http://127.0.0.1:{SIMULATOR_PORT}"
HOUSE_MARKETS = 100


def post(url: str, body: object) -> tuple[int, object]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def liquid_markets(count: int) -> list[str]:
    """Return ids of mirrored markets that can be bet on now."""
    from markets.models import Market

    ids = map(str, Market.objects.filter(market_type="polymarket", status="open").values_list("id", flat=True)[:1_000])
    found: list[str] = []
    for market_id in ids:
        status, _ = post(f"{BASE}/api/v1/bets/quote", {"marketId": market_id, "side": "this", "amount": 10})
        found += [market_id] if status == 200 else []
        if len(found) == count:
            break
    return found


def bets(tokens: list[str], markets: list[str]) -> Iterator[bytes]:
    """Requests that never come twice."""
    bodies = [json.dumps({"marketId": market, "side": "this", "amount": 10}).encode() for market in markets]
    while True:
        headers = {"Authorization": f"Bearer {random.choice(tokens)}", "Idempotency-Key": uuid4().hex}
        yield post_bytes(f"{BASE}/api/v1/bets", random.choice(bodies), **headers)


def book_requests() -> int:
    with urllib.request.urlopen(f"{SIMULATOR}/_control/state") as response:
        return int(json.load(response)["requests"])


def report(name: str, result: Result, requests: int) -> None:
    placed = result.statuses.get(201, 0)
    statuses = " ".join(f"{status}x{count}" for status, count in sorted(result.statuses.items()))
    print(
        f"| {name:<28} | {result.rate:>6,.0f} | {result.p50:>6.0f} | {result.p99:>6.0f} "
        f"| {requests / max(placed, 1):>5.2f} | {statuses} |",
        flush=True,
    )


def measure(tokens: list[str], arguments: argparse.Namespace) -> None:
    print("| bets on | fills/s | p50 ms | p99 ms | requests a fill | responses |\n|---|---:|---:|---:|---:|---|")
    house = [str(name_id("market", number)) for number in range(1, HOUSE_MARKETS + 1)]
    mirrored = liquid_markets(arguments.markets)
    for _ in range(arguments.rounds):
        cases = [("house markets", house, 0), *((f"mirrored, {ms} ms upstream", mirrored, ms) for ms in (0, 100, 300))]
        for name, markets, milliseconds in cases:
            latency = {"kind": "latency", "path": "/books", "seconds": milliseconds / 1000}
            post(f"{SIMULATOR}/_control/faults", [latency] if milliseconds else [])
            before = book_requests()
            result = run(BASE, bets(tokens, markets).__next__, connections=arguments.clients, seconds=arguments.seconds)
            report(name, result, book_requests() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--clients", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    VAR.mkdir(parents=True, exist_ok=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(
        database.url,
        queue.url,
        DATABASE_OWNER_URL=database.owner_url,
        VAR_DIR=str(VAR),
        JWT_ACCESS_EXPIRES_IN="1d",
        THROTTLE_ENABLED="false",
        POLYMARKET_GAMMA_URL=SIMULATOR,
        POLYMARKET_CLOB_URL=SIMULATOR,
    )
    os.environ.update(env)
    simulator = [sys.executable, "-m", "devtools.simulators.polymarket", "--port", str(SIMULATOR_PORT)]
    try:
        manage(env, "migrate")
        tokens = fill(arguments.users, HOUSE_MARKETS)
        with running([*simulator, "--events", "400"], SIMULATOR_PORT, env):
            manage(env, "ingest_markets", "--limit", "500", "--force")
            with web_server(env, port=WEB_PORT, workers=arguments.workers, threads=arguments.threads):
                measure(tokens, arguments)
        print(manage(env, "audit_ledger").splitlines()[-1])
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)


if __name__ == "__main__":
    main()
