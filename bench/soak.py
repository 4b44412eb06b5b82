"""Runs the whole service under a mixed load: whether its memory stays flat, and what its tables come to in 30 days.

`python -m bench.soak --minutes 15 --rate 100`: web server, workers, scheduler, PostgreSQL, Valkey and the simulated
Polymarket, in var/bench-soak-<process>, removed afterwards. Of the requests 60 % read, 25 % bet, 10 % sell and 5 %
refresh a session; a market is resolved and paid twice a minute. Memory is the proportional set size of the processes of
each kind, its trend that of the last two thirds of the run.
"""

import argparse
import os
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import linear_regression
from typing import Any
from uuid import uuid4

import psutil
import requests

from bench.bets import fill, name_id
from bench.markets import environment, manage, running, web_server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / f"bench-soak-{os.getpid()}"
WEB_PORT, SIMULATOR_PORT = 8878, 8879
BASE = f"http://127.0.0.1:{WEB_PORT}/api/v1"
USERS, HOUSE_MARKETS, CLIENTS = 500, 100, 12
SAMPLE_SECONDS, RESOLVE_SECONDS = 10, 30
KINDS = {
    "web": "ops.serving.server",
    "workers": "thisthat worker",
    "scheduler": "thisthat beat",
    "PostgreSQL": "bin/postgres",
    "Valkey": "valkey-server",
}
TABLES = (
    "bets",
    "credit_transactions",
    "idempotency_keys",
    "refresh_tokens",
    "users",
    "job_runs",
    "ledger_anchor_heads",
)
READS = (
    "markets?limit=20", "markets/random?count=10", "markets/categories", "bets/me?limit=20", "auth/me",
    "transactions/me?limit=20", "leaderboard/pnl?limit=100", "leaderboard/me", "economy/stocks",
)  # fmt: skip


class Users(threading.Thread):
    """One connection that sends the next of the requests that are due, as one of the users each."""

    def __init__(self, due: "SimpleQueue[int]", tokens: list[str], markets: "Markets") -> None:
        super().__init__(daemon=True)
        self.due, self.tokens, self.markets = due, tokens, markets
        self.statuses: Counter[str] = Counter()
        self.milliseconds: list[float] = []
        self.is_over = threading.Event()
        self.open_bets: list[tuple[str, str]] = []
        self.refresh_tokens: list[str] = []
        self.draw = random.Random(self.name)

    def run(self) -> None:
        with requests.Session() as self.session:
            while not self.is_over.is_set():
                try:
                    self.due.get(timeout=0.5)
                except Empty:
                    continue
                self.send()

    def send(self) -> None:
        what = self.draw.choices(("read", "bet", "sell", "refresh"), (60, 25, 10, 5))[0]
        begun = time.perf_counter()
        response = getattr(self, what)(self.draw.choice(self.tokens))
        self.milliseconds.append((time.perf_counter() - begun) * 1000)
        self.statuses[f"{what} {response.status_code}"] += 1

    def read(self, token: str) -> requests.Response:
        return self.session.get(f"{BASE}/{self.draw.choice(READS)}", headers=bearer(token), timeout=30)

    def post(self, path: str, body: dict[str, Any], token: str) -> requests.Response:
        headers = bearer(token) | {"Idempotency-Key": uuid4().hex}
        return self.session.post(f"{BASE}/{path}", json=body, headers=headers, timeout=30)

    def bet(self, token: str) -> requests.Response:
        body = {
            "marketId": self.draw.choice(self.markets.open),
            "side": self.draw.choice(("this", "that")),
            "amount": 10,
        }
        response = self.post("bets", body, token)
        if response.status_code == requests.codes.created:
            self.open_bets.append((response.json()["bet"]["id"], token))
        return response

    def sell(self, token: str) -> requests.Response:
        if not self.open_bets:
            return self.bet(token)
        bet, owner = self.open_bets.pop(self.draw.randrange(len(self.open_bets)))
        return self.post(f"bets/{bet}/sell", {}, owner)

    def refresh(self, token: str) -> requests.Response:
        if len(self.refresh_tokens) < 5:
            name = uuid4().hex[:12]
            body = {"username": name, "email": f"{name}@example.com", "password": f"soak-{uuid4()}", "name": "Soak"}
            response = self.session.post(f"{BASE}/auth/signup", json=body, timeout=30)
        else:
            old = self.refresh_tokens.pop(0)
            response = self.session.post(f"{BASE}/auth/refresh", json={"refreshToken": old}, timeout=30)
        if response.ok:
            self.refresh_tokens.append(response.json()["refreshToken"])
        return response


class Markets(threading.Thread):
    """House markets of which one after the other is resolved and paid, and mirrored ones."""

    def __init__(self, env: dict[str, str], mirrored: list[str]) -> None:
        super().__init__(daemon=True)
        self.env, self.is_over = env, threading.Event()
        self.house = [str(name_id("market", number)) for number in range(1, HOUSE_MARKETS + 1)]
        self.mirrored = mirrored

    @property
    def open(self) -> list[str]:
        return self.house[:20] + self.mirrored

    def run(self) -> None:
        while not self.is_over.wait(RESOLVE_SECONDS) and len(self.house) > 1:
            market = self.house.pop(0)
            manage(self.env, "close_market", market, "--reason", "soak")
            manage(self.env, "resolve_market", market, random.choice(("this", "that")), "--reason", "soak")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def megabytes(kind: str) -> float:
    """Return the memory of all processes of this kind, what they share counted once."""
    found: set[psutil.Process] = set()
    ours = set(psutil.Process().children(recursive=True))
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if KINDS[kind] in command and (process in ours or str(VAR) in command):
            found |= {process, *process.children(recursive=True)}
    total = 0
    for process in found:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 1e6


def table_bytes() -> dict[str, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name", [list(TABLES)]
        )
        return dict(cursor.fetchall())


@contextmanager
def service(env: dict[str, str]) -> Iterator[None]:
    from ops import processes

    with ExitStack() as stack:
        simulator = [sys.executable, "-m", "devtools.simulators.polymarket", "--port", str(SIMULATOR_PORT)]
        stack.enter_context(running([*simulator, "--tick-seconds", "5"], SIMULATOR_PORT, env))
        manage(env, "ingest_markets", "--limit", "2000", "--force")
        stack.enter_context(web_server(env, port=WEB_PORT, workers=2, threads=32))
        for queue in ("payments", "default"):
            stack.enter_context(running(processes.worker_command(queue), WEB_PORT, env))
        stack.enter_context(running(processes.beat_command(), WEB_PORT, env))
        yield


def soak(tokens: list[str], markets: Markets, *, minutes: float, rate: float) -> None:
    due: SimpleQueue[int] = SimpleQueue()
    users = [Users(due, tokens, markets) for _ in range(CLIENTS)]
    samples: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    before, begun = table_bytes(), time.monotonic()
    for thread in (*users, markets):
        thread.start()
    next_sample = begun
    for number in count():
        now = time.monotonic()
        if now >= begun + minutes * 60:
            break
        if now >= next_sample:
            next_sample += SAMPLE_SECONDS
            for kind in KINDS:
                samples[kind].append((now - begun, megabytes(kind)))
        due.put(number)
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
    for thread in (*users, markets):
        thread.is_over.set()
    for thread in (*users, markets):
        thread.join()
    report(users, samples, before, time.monotonic() - begun)


def report(
    users: list[Users], samples: dict[str, list[tuple[float, float]]], before: dict[str, int], seconds: float
) -> None:
    statuses = sum((user.statuses for user in users), Counter())
    times = sorted(time for user in users for time in user.milliseconds)
    print(f"{len(times) / seconds:.0f} requests a second for {seconds / 60:.1f} min: {dict(sorted(statuses.items()))}")
    print(
        f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms, longest {times[-1]:.0f} ms\n"
    )
    print("| processes | MB at a third | MB at the end | trend, MB an hour |\n|---|---:|---:|---:|")
    for kind, values in samples.items():
        late = values[len(values) // 3 :]
        slope = linear_regression([at for at, _ in late], [size for _, size in late]).slope
        print(f"| {kind} | {late[0][1]:.0f} | {late[-1][1]:.0f} | {slope * 3600:+.1f} |")
    print("\n| table | grew by, MB | in 30 days at this rate, GB |\n|---|---:|---:|")
    for table, size in table_bytes().items():
        grown = size - before[table]
        print(f"| {table} | {grown / 1e6:.1f} | {grown / seconds * 86400 * 30 / 1e9:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=100.0)
    arguments = parser.parse_args()
    VAR.mkdir(parents=True)
    from devtools.embedded import postgres, valkey

    database, queue = postgres.start(VAR), valkey.start(VAR)
    simulator = f"http://127.0.0.1:{SIMULATOR_PORT}"
    env = environment(database.url, queue.url, DATABASE_OWNER_URL=database.owner_url, VAR_DIR=str(VAR))
    env |= {"JWT_ACCESS_EXPIRES_IN": "1d", "THROTTLE_ENABLED": "false"}
    env |= {"POLYMARKET_GAMMA_URL": simulator, "POLYMARKET_CLOB_URL": simulator}
    os.environ.update(env)
    try:
        manage(env, "migrate")
        tokens = fill(USERS, HOUSE_MARKETS)
        with service(env):
            listed = requests.get(f"{BASE}/markets?limit=20", timeout=30).json()["data"]
            mirrored = [market["id"] for market in listed if market["marketType"] == "polymarket"]
            soak(tokens, Markets(env, mirrored), minutes=arguments.minutes, rate=arguments.rate)
        print("\n" + manage(env, "audit_ledger").splitlines()[-1])
    finally:
        database.stop()
        queue.stop()
        shutil.rmtree(VAR, ignore_errors=True)


if __name__ == "__main__":
    main()
