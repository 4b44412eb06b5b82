"""What is away is asked by one now and then, is said once a minute, and is used again as soon as it responds."""

import logging

import pytest

from core.resilience import LOGGED_EVERY_SECONDS, RESET_SECONDS, CircuitBreaker


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def circuit(clock):
    return CircuitBreaker("it", fallback="we do without", clock=clock)


def test_while_it_answers_everybody_asks(circuit):
    assert all(circuit.allows() for _ in range(5))
    assert not circuit.record_success()


def test_after_a_failure_nobody_asks_for_a_moment_and_then_one(circuit, clock):
    circuit.record_failure(OSError("gone"))
    assert not circuit.allows()
    clock.now += RESET_SECONDS
    assert [circuit.allows() for _ in range(3)] == [True, False, False]


def test_a_trial_that_says_nothing_is_another_ones_turn(circuit, clock):
    circuit.record_failure(OSError("gone"))
    for _ in range(3):
        clock.now += RESET_SECONDS
        assert circuit.allows()


def test_one_success_brings_everybody_back_and_only_the_first_is_told(circuit, clock):
    circuit.record_failure(OSError("gone"))
    clock.now += RESET_SECONDS
    assert circuit.allows()
    assert [circuit.record_success() for _ in range(3)] == [True, False, False]
    assert all(circuit.allows() for _ in range(3))


def test_it_is_said_once_a_minute_however_many_fail(circuit, clock, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(100):
        circuit.record_failure(OSError("gone"))
        clock.now += LOGGED_EVERY_SECONDS / 50
    assert [record.getMessage() for record in caplog.records] == ["it is away: we do without: gone"] * 2
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    circuit.record_success()
    assert caplog.records[-1].getMessage() == "it is back"
