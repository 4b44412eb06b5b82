"""A short simulation of the service against the model, and that the simulator finds, repeats and shrinks what is wrong.

Each run is a process of its own with a database of its own: `python -m tests.simulation`, as `make simulate` starts it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.environment import ROOT


def simulate(*options: str) -> "subprocess.CompletedProcess[str]":
    """Run the simulator on the server of the tests."""
    server = os.environ["TEST_SUPERUSER_URL"]
    environment = os.environ | {"SIMULATION_DATABASE_URL": server, "SIMULATION_DIR": str(Path(os.environ["VAR_DIR"]))}
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)


def trace_of(printed: str) -> str:
    found = re.search(r"trace ([0-9a-f]{16})", printed)
    assert found, printed
    return found[1]


def test_the_service_does_what_the_model_says_and_the_same_seed_is_the_same_run():
    first, second = (simulate("--seed", "15", "--operations", "300", "--counts") for _ in range(2))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "No rule was broken." in first.stdout
    # Nothing that this is for is left out by chance.
    for kind in ("PlaceBet", "SellBet", "overlaps, waited", "overlaps, passed", "fault: cut", "fault: collision"):
        assert re.search(rf"\b{kind} [1-9]", first.stdout), (kind, first.stdout)
    assert trace_of(first.stdout) == trace_of(second.stdout)


def test_a_rule_that_the_service_breaks_is_found_shrunk_and_replayed():
    """The other way round: the model is told of a bonus that the service doesn't pay."""
    wrong = ("--expect", "referral_bonus=201")
    found = simulate("--seed", "15", "--operations", "300", "--shrink-seconds", "30", *wrong)
    assert found.returncode == 1, found.stdout + found.stderr
    assert re.search(r"VIOLATION at operation \d+: what user \d+ has follows from what happened", found.stdout)
    shorter = re.search(r"([\d,]+) of ([\d,]+) operations are enough", found.stdout)
    assert shorter
    assert int(shorter[1]) < int(shorter[2]) // 2
    replay = re.search(r"--only ([\d,-]+)", found.stdout)
    assert replay
    again = simulate("--seed", "15", "--only", replay[1], "--shrink-seconds", "0", *wrong)
    assert again.returncode == 1
    assert "signs up" in again.stdout
    assert simulate("--seed", "15", "--only", replay[1]).returncode == 0


@pytest.mark.parametrize(
    "options", [("--only", "three"), ("--expect", "luck=7"), ("--expect", "min_bet=many"), ("--hurry",)]
)
def test_options_that_make_no_sense_are_refused(options):
    refused = simulate(*options)
    assert refused.returncode == 2
    assert "usage:" in refused.stderr
