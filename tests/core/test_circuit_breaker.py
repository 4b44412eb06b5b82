"""When the circuit breaker opens, whom it lets through on trial, and when it closes."""

import threading

import pytest

from core.resilience import CircuitBreaker, CircuitOpen
from tests.core.frozen_time import FrozenTime


class Away(Exception):
    """The service can't be reached."""


class Refused(Exception):
    """The service is alive, and says no."""


def attempt(breaker):
    return breaker.attempt(failures=Away, successes=Refused)


@pytest.fixture
def frozen_time():
    return FrozenTime()


@pytest.fixture
def breaker(frozen_time):
    return CircuitBreaker("it", fallback="nothing", failures=3, reset_seconds=10, clock=frozen_time)


def fail(breaker, error=None):
    error = error or Away()
    with pytest.raises(type(error)), attempt(breaker):
        raise error


def succeed(breaker):
    with attempt(breaker):
        pass


def open_up(breaker):
    for _ in range(3):
        fail(breaker)


def refusal(breaker):
    """Seconds that a refused attempt is told to wait."""
    reached = []
    with pytest.raises(CircuitOpen) as caught, attempt(breaker):
        reached.append(True)
    assert not reached
    return caught.value.retry_after


def test_it_stays_closed_below_the_number_of_failures(breaker):
    fail(breaker)
    fail(breaker)
    succeed(breaker)
    assert not breaker.is_open


def test_only_failures_in_a_row_count(breaker):
    fail(breaker)
    fail(breaker)
    succeed(breaker)
    fail(breaker)
    fail(breaker)
    assert not breaker.is_open


def test_after_enough_failures_it_refuses_at_once_and_says_how_long(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 4
    assert breaker.is_open
    assert refusal(breaker) == 6


def test_a_subclass_of_the_failures_is_a_failure(breaker):
    class Garbled(Away):
        pass

    for _ in range(3):
        fail(breaker, Garbled())
    assert breaker.is_open


def test_a_rejection_shows_that_the_upstream_is_alive(breaker):
    fail(breaker)
    fail(breaker)
    fail(breaker, Refused())
    fail(breaker)
    fail(breaker)
    assert not breaker.is_open


def test_a_successful_trial_closes_it(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 10
    succeed(breaker)
    assert not breaker.is_open
    fail(breaker)
    assert not breaker.is_open


def test_a_failed_trial_opens_it_for_the_whole_time_again(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 10
    fail(breaker)
    assert refusal(breaker) == 10


def test_one_trial_at_a_time_is_let_through(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 11
    with attempt(breaker):
        assert refusal(breaker) == 10
        frozen_time.now += 30
        assert refusal(breaker) == 10
    succeed(breaker)


def test_a_trial_that_ended_by_a_bug_of_ours_lets_the_next_one_through(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 10
    with pytest.raises(KeyError), attempt(breaker):
        raise KeyError
    assert breaker.is_open
    succeed(breaker)
    assert not breaker.is_open


def test_a_failure_begun_before_it_opened_does_not_put_the_trial_off(breaker, frozen_time):
    late = attempt(breaker)
    late.__enter__()
    open_up(breaker)
    frozen_time.now += 9
    error = Away()
    assert not late.__exit__(type(error), error, None)
    frozen_time.now += 1
    succeed(breaker)
    assert not breaker.is_open


def test_one_for_another_service_knows_nothing_of_the_failures(breaker):
    open_up(breaker)
    other = breaker.with_name("another")
    succeed(other)
    open_up(other)
    assert other.is_open


def test_exactly_one_of_many_threads_gets_the_trial(breaker, frozen_time):
    open_up(breaker)
    frozen_time.now += 10
    start, done, let_through = threading.Barrier(8), threading.Event(), []

    def ask():
        start.wait()
        try:
            with attempt(breaker):
                let_through.append(True)
                done.wait(5)
        except CircuitOpen:
            refused.release()

    refused = threading.Semaphore(0)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(7):
        assert refused.acquire(timeout=5)
    done.set()
    for thread in threads:
        thread.join()
    assert len(let_through) == 1
