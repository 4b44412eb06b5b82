import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from devtools.simulators.polymarket import Simulator
from devtools.simulators.polymarket.server import is_loopback

from .conftest import START, Caller

ROOT = Path(__file__).resolve().parents[3]


def test_faults_can_be_switched_over_http(caller):
    state = caller.post("/_control/faults", {"kind": "status", "status": 429, "retry_after": 2, "path": "/events"}).json
    assert [(fault["kind"], fault["path"]) for fault in state["faults"]] == [("status", "/events")]
    assert caller.get("/events/keyset").status == 429
    replaced = caller.post("/_control/faults", [{"kind": "html"}, {"kind": "latency", "seconds": 0.01}]).json
    assert [fault["kind"] for fault in replaced["faults"]] == ["html", "latency"]
    assert caller.post("/_control/faults", []).json["faults"] == []
    assert caller.get("/events/keyset").status == 200


@pytest.mark.parametrize(
    "body", [{"kind": "sunshine"}, {"path": "/"}, {"kind": "html", "colour": 1}, "html", [7], None]
)
def test_a_wrong_fault_is_refused_and_changes_nothing(upstream, caller, body):
    upstream.faults.set("latency", seconds=0)
    assert caller.post("/_control/faults", body).status == 400
    assert [fault["kind"] for fault in upstream.faults.active()] == ["latency"]


def test_ticks_can_be_given_over_http(upstream, caller):
    assert caller.post("/_control/tick", {"ticks": 4}).json["tick"] == 4
    assert caller.post("/_control/tick", None).json["tick"] == 5
    assert caller.post("/_control/tick", {"ticks": -1}).status == 400
    assert upstream.world.ticks == 5


def test_a_market_can_be_commanded_over_http(upstream, caller):
    market = upstream.world.good_markets()[0]
    response = caller.post("/_control/market", {"market": market.id, "do": "set_price", "price": "0.42"})
    assert response.json["price"] == "0.42"
    caller.post("/_control/market", {"market": market.condition_id, "do": "resolve", "outcome": "50-50"})
    assert market.gamma_prices() == ["0.5", "0.5"]
    for wrong in (
        {"market": "nobody", "do": "close"},
        {"market": market.id, "do": "__init__"},
        {"market": market.id, "do": "resolve", "outcome": "maybe"},
        {"market": market.id, "do": "set_price", "price": "much"},
        {"market": market.id, "do": "close", "loudly": True},
    ):
        assert caller.post("/_control/market", wrong).status == 400


def test_the_state_tells_the_size_and_the_time(upstream, caller):
    state = caller.get("/_control/state").json
    assert (state["tick"], state["seed"], state["events"]) == (0, 7, 120)
    assert state["now"] == "2026-08-01T12:00:00Z"
    assert state["good_markets"] == len(upstream.world.good_markets())


def test_there_are_no_controls_beyond_loopback():
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")  # noqa: S104 - the very address that must not have controls
    assert not is_loopback("example.org")
    with Simulator(events=2, host="0.0.0.0", start=START) as simulator:  # noqa: S104
        caller = Caller(simulator)
        assert caller.get("/events/keyset").status == 200
        assert caller.get("/_control/state").status == 404
        caller.connection.close()


def test_time_passes_by_itself_when_asked_to():
    with Simulator(events=5, start=START, tick_seconds=0.01) as simulator:
        for _ in range(500):
            if simulator.world.ticks >= 3:
                break
            simulator._stopping.wait(0.01)
        assert simulator.world.ticks >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_when_it_is_ready_and_leaves_quietly(number):
    command = [sys.executable, "-m", "devtools.simulators.polymarket", "--port", "0", "--events", "20", "--seed", "4"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        ready = process.stdout.readline()
        assert "ready at http://127.0.0.1:" in ready
        with urlopen(f"{ready.split()[4]}/_control/state", timeout=5) as response:
            assert json.load(response)["events"] == 20
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_one_plain_line():
    with Simulator(events=1, start=START) as simulator:
        port = simulator.url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "devtools.simulators.polymarket", "--port", port, "--events", "1"]
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("The Polymarket simulator cannot listen")
    assert done.stderr.count("\n") == 1
