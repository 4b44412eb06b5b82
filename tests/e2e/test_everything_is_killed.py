"""`make run` while each of its processes is killed in turn: it is back within seconds, and nothing is lost.

KILL_ROUNDS=20 for a longer proof.
"""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

from kombu import Connection

from core.backends import BROKER_OPTIONS, broker_url
from core.jobs.redis_transport import LEASE_SECONDS
from devtools.embedded import valkey
from devtools.simulators.start import free_port
from tests.devtools.conftest import soon
from tests.e2e.terminal import make_run, manage
from tests.migrated import copy_server
from thisthat.celery import app

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
# What a child's command line has, and none of the others'.
MARKS = {
    "web": "ops.serving.server",
    "payments": "payments@",
    "worker": "default@",
    "beat": "beat",
    "feed": "markets.feed",
    "simulator": "devtools.simulators.polymarket",
    "providers": "devtools.simulators.providers",
}
SERVERS = ("postgres", "valkey")
BACK_SECONDS = 60
OPTIONS = {
    "LOG_LEVEL": "INFO",
    "LOG_JOBS": "true",
    "MARKET_ODDS_REFRESH_SECONDS": "5",
    "X_CLIENT_ID": "",
    "FEED_ENABLED": "true",
}
JOB = "common.purge_idempotency_keys"


def children(pid: int) -> dict[str, int]:
    """The supervisor's programs, by name."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if parent == pid:
            found |= {name: int(folder.name) for name, mark in MARKS.items() if mark in command}
    return found


class Player:
    """A client that tries each request until it is answered, as a careful frontend does."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.placed = 0
        name = f"player{uuid4().hex[:8]}"
        body = {"username": name, "email": f"{name}@example.com", "name": name, "password": "correct horse battery"}
        status, response = self.ask("/api/v1/auth/signup", body)
        assert status == 201, response
        self.token = response["accessToken"]

    def ask(self, path: str, body: dict | None = None, **headers: str) -> tuple[int, dict]:
        if hasattr(self, "token"):
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def bet(self) -> bool:
        """Whether a bet of 10 was placed: the same one, by its key, until there is a response."""
        key = uuid4().hex
        deadline = time.monotonic() + BACK_SECONDS
        while time.monotonic() < deadline:
            try:
                _, listed = self.ask("/api/v1/markets?limit=20")
                for market in listed["data"]:
                    body = {"marketId": market["id"], "side": "this", "amount": 10}
                    status, _response = self.ask("/api/v1/bets", body, **{"Idempotency-Key": f"{key}-{market['id']}"})
                    if status == 201:
                        self.placed += 1
                        return True
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.1)
        return False

    def bets(self) -> int:
        return len(self.ask("/api/v1/bets/me?limit=100")[1]["bets"])


def is_well(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/ready", timeout=3) as response:
            checks = json.load(response)["checks"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            checks = json.load(refusal).get("checks", {})
    except (OSError, ValueError):
        return False
    return len(checks) > 2 and set(checks.values()) == {"ok"}


def test_each_process_killed_in_turn_is_back_and_no_bet_and_no_job_is_lost(var_dir):
    copy_server(var_dir)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    queue = valkey.Valkey(var_dir).url
    seconds: dict[str, list[float]] = {}
    sent = set()
    with make_run(var_dir, port, **OPTIONS) as terminal:
        assert terminal.shows("THISTHAT is running"), terminal.text
        players = [Player(base)]
        assert players[0].bet(), terminal.text
        for number in range(ROUNDS):
            for name in (*MARKS, *SERVERS):
                assert soon(lambda: children(terminal.process.pid).keys() == MARKS.keys(), seconds=BACK_SECONDS), (
                    terminal.text[-3000:]
                )
                before = children(terminal.process.pid)
                victim = int((var_dir / f"{name}.running").read_text()) if name in SERVERS else before[name]
                with Connection(broker_url(queue), transport_options=BROKER_OPTIONS) as connection:
                    sent.update(app.send_task(JOB, connection=connection).id for _ in range(3))
                started = time.monotonic()
                os.kill(victim, signal.SIGKILL)
                # One that is killed in the middle of its start has died, too.
                assert soon(
                    lambda name=name, victim=victim: is_another(terminal, var_dir, name, victim), seconds=BACK_SECONDS
                ), f"{name} isn't back in round {number}:\n{terminal.text[-5000:]}"
                assert players[-1].bet(), terminal.text[-3000:]
                assert soon(lambda: is_well(base), seconds=BACK_SECONDS), terminal.text[-3000:]
                seconds.setdefault(name, []).append(time.monotonic() - started)
                assert terminal.process.poll() is None, terminal.text[-3000:]
            # A new one, before the first is out of credits.
            if number % 10 == 9:
                players.append(Player(base))
        done = re.compile(rf"Task {re.escape(JOB)}\[([\w-]+)\] (?:succeeded|raised)")
        # A killed worker's messages come back when its lease runs out.
        assert soon(lambda: sent <= set(done.findall(terminal.text)), seconds=120 + LEASE_SECONDS), terminal.text[
            -3000:
        ]
        for player in players:
            assert player.bets() == min(player.placed, 100)
        manage(var_dir, "audit_ledger")
        for name in MARKS:
            assert terminal.text.count(f"{name} was killed by SIGKILL: started again") == ROUNDS
        terminal.ctrl_c()
        assert terminal.ends() == 0, terminal.text[-3000:]
    report = os.environ.get("KILL_REPORT")
    if report:
        Path(report).write_text(
            json.dumps({name: [round(value, 1) for value in values] for name, values in seconds.items()})
        )


def is_another(terminal, var_dir, name, victim):
    if name in SERVERS:
        return int((var_dir / f"{name}.running").read_text() or victim) != victim
    return children(terminal.process.pid).get(name, victim) != victim
