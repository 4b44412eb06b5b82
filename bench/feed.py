"""Measures what the price feed costs: CPU, memory and rows written, for so many tokens at so many changes a second.

`python -m bench.feed`: the feed is a process of its own, the simulated Polymarket is in this one. A change moves levels
of a book of 2 x 20, of both tokens in one frame; about every fourth moves the bid. Database and queue are in var/.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psutil
import psycopg

from bench.markets import environment, manage

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-feed-{os.getpid()}"
LEVELS = 20
WRITTEN = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'markets'"
KNOWN = "SELECT trusted, tokens, extract(epoch FROM clock_timestamp() - heard_at)::float FROM market_feed"
FED = "SELECT polymarket_id FROM markets WHERE odds_live AND status = 'open' LIMIT 1"
BID = "SELECT bid FROM markets WHERE polymarket_id = %s"


class Books:
    """The books of the markets that are fed, which change so often a second in a thread."""

    def __init__(self, markets: list[Any], rate: float) -> None:
        self._markets, self._rate, self._random = markets, rate, Random(1)
        self._stopping = threading.Event()
        self.changes = 0
        for market in markets:
            self.show(market, "500", "500")

    def show(self, market: Any, best: str, second: str) -> None:
        step = Decimal("0.002")
        rest = [(str(Decimal("0.388") - place * step), "1000") for place in range(LEVELS)]
        asks = [(str(Decimal("0.430") + place * step), "1000") for place in range(LEVELS)]
        market.set_book([("0.40", best), ("0.39", second), *rest], [("0.42", "500"), *asks])

    def change(self) -> None:
        market = self._random.choice(self._markets[1:])
        self.show(market, self._random.choice(["0", "500"]) if self._random.random() < 0.25 else "500",
                  str(self._random.randint(1, 900)))  # fmt: skip
        self.changes += 1

    def run(self) -> None:
        begun, done = time.monotonic(), 0
        while not self._stopping.is_set():
            due = int((time.monotonic() - begun) * self._rate)
            for _ in range(due - done):
                self.change()
            done = due
            time.sleep(0.01)

    def stop(self) -> None:
        self._stopping.set()


def probe(database: str, books: Books, market: Any, number: int) -> float:
    """Return the milliseconds from a move of the bid to its being stored."""
    odds = ("0.40", "0.39")[number % 2]
    started = time.monotonic()
    books.show(market, "500" if odds == "0.40" else "0", "500")
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(BID, [market.condition_id]).fetchone()[0] != Decimal(odds):
            if time.monotonic() - started > 30:
                raise SystemExit("a move wasn't stored")
            time.sleep(0.005)
    return (time.monotonic() - started) * 1000


def measure(database: str, feed: psutil.Process, books: Books, market: Any, seconds: float) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute(WRITTEN).fetchone()
        cpu, memory, changes, begun = feed.cpu_times(), feed.memory_info().rss, books.changes, time.monotonic()
        times = []
        while time.monotonic() - begun < seconds:
            times.append(probe(database, books, market, len(times)))
            time.sleep(1)
        took, after_cpu, after_memory = time.monotonic() - begun, feed.cpu_times(), feed.memory_info().rss
        time.sleep(2)  # until the server has counted
        after = connection.execute(WRITTEN).fetchone()
        trusted, tokens, age = connection.execute(KNOWN).fetchone()
    times.sort()
    used = after_cpu.user + after_cpu.system - cpu.user - cpu.system
    rate = (books.changes - changes) / took
    print(f"{tokens} tokens, {trusted} known, {age:.1f} s old; {rate:.0f} changes/s for {took:.0f} s")
    print(f"CPU seconds a second: {used / took:.3f}")
    print(f"memory: {memory / 2**20:.0f} MiB, then {after_memory / 2**20:.0f} MiB")
    print(
        f"rows written a second: {(after[0] - before[0]) / took:.0f}, {(after[1] - before[1]) / took:.0f} of them HOT"
    )
    print(f"from a move to its row: p50 {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    VAR.mkdir(parents=True)
    from devtools.embedded import postgres, valkey
    from devtools.simulators.polymarket import Simulator
    from devtools.simulators.start import upstream_environment

    database, queue = postgres.start(VAR), valkey.start(VAR)
    env = environment(database.url, queue.url, DATABASE_OWNER_URL=database.owner_url, VAR_DIR=str(VAR))
    try:
        with Simulator(seed=1, events=arguments.tokens // 4) as simulator:
            env |= upstream_environment(simulator.url)
            env |= {"FEED_MAX_TOKENS": str(arguments.tokens), "FEED_ENABLED": "true"}
            manage(env, "migrate")
            markets = simulator.world.good_markets()
            books = Books(markets, arguments.rate)
            manage(env, "ingest_markets", "--limit", "50000")
            feed = subprocess.Popen([sys.executable, "-m", "markets.feed"], env=env, cwd=ROOT)
            try:
                wait_until_known(database.superuser_url)
                threading.Thread(target=books.run, daemon=True).start()
                fed = first_fed(database.superuser_url)
                market = simulator.world.find(fed)
                books._markets.remove(market)  # noqa: SLF001 - the one that is probed moves by itself
                for _ in range(arguments.rounds):
                    measure(database.superuser_url, psutil.Process(feed.pid), books, market, arguments.seconds)
            finally:
                books.stop()
                feed.terminate()
                feed.wait(10)
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)


def wait_until_known(database: str) -> None:
    deadline = time.monotonic() + 400
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            row = connection.execute(KNOWN).fetchone()
            if row and row[1] and row[0] == row[1]:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"the feed doesn't know its books: {row}")
            time.sleep(0.2)


def first_fed(database: str) -> str:
    deadline = time.monotonic() + 30
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT polymarket_id FROM markets WHERE odds_live AND status = 'open' LIMIT 1"
            ).fetchone()
            if row:
                return str(row[0])
            if time.monotonic() > deadline:
                raise SystemExit("the feed writes nothing")
            time.sleep(0.1)


if __name__ == "__main__":
    main()
