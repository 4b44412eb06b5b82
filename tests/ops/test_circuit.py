"""A breaker tries a service that is away now and then, logs once a minute, and closes at the first success."""

import logging

import pytest

from core.resilience import LOGGED_EVERY_SECONDS, RESET_SECONDS, CircuitBreaker
from tests.core.frozen_time import FrozenTime


@pytest.fixture
def frozen_time():
    return FrozenTime()


@pytest.fixture
def circuit(frozen_time):
    return CircuitBreaker("it", fallback="we do without", clock=frozen_time)


def test_while_it_responds_everybody_calls(circuit):
    assert all(circuit.allows() for _ in range(5))
    assert not circuit.record_success()


def test_after_a_failure_nobody_asks_for_a_moment_and_then_one(circuit, frozen_time):
    circuit.record_failure(OSError("gone"))
    assert not circuit.allows()
    frozen_time.now += RESET_SECONDS
    assert [circuit.allows() for _ in range(3)] == [True, False, False]


def test_a_trial_that_says_nothing_is_another_ones_turn(circuit, frozen_time):
    circuit.record_failure(OSError("gone"))
    for _ in range(3):
        frozen_time.now += RESET_SECONDS
        assert circuit.allows()


def test_one_success_brings_everybody_back_and_only_the_first_is_told(circuit, frozen_time):
    circuit.record_failure(OSError("gone"))
    frozen_time.now += RESET_SECONDS
    assert circuit.allows()
    assert [circuit.record_success() for _ in range(3)] == [True, False, False]
    assert all(circuit.allows() for _ in range(3))


def test_it_is_said_once_a_minute_however_many_fail(circuit, frozen_time, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(100):
        circuit.record_failure(OSError("gone"))
        frozen_time.now += LOGGED_EVERY_SECONDS / 50
    assert [record.getMessage() for record in caplog.records] == ["it is away: we do without: gone"] * 2
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    circuit.record_success()
    assert caplog.records[-1].getMessage() == "it is back"
