import threading

import pytest

from markets.polymarket.breaker import CircuitBreaker
from markets.polymarket.errors import UpstreamGarbled, UpstreamRejected, UpstreamUnavailable
from tests.markets.polymarket.hand_clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(failures=3, reset_after=10, clock=clock)


def fail(breaker, error=None):
    error = error or UpstreamUnavailable("down")
    with pytest.raises(type(error)), breaker.attempt():
        raise error


def succeed(breaker):
    with breaker.attempt():
        pass


def open_up(breaker):
    for _ in range(3):
        fail(breaker)


def refusal(breaker):
    """Seconds that a refused attempt is told to wait."""
    reached = []
    with pytest.raises(UpstreamUnavailable) as caught, breaker.attempt():
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


def test_after_enough_failures_it_refuses_at_once_and_says_how_long(breaker, clock):
    open_up(breaker)
    clock.now += 4
    assert breaker.is_open
    assert refusal(breaker) == 6


def test_a_garbled_answer_is_a_failure(breaker):
    for _ in range(3):
        fail(breaker, UpstreamGarbled("html"))
    assert breaker.is_open


def test_a_rejection_shows_that_the_upstream_is_alive(breaker):
    fail(breaker)
    fail(breaker)
    fail(breaker, UpstreamRejected("no", status=400))
    fail(breaker)
    fail(breaker)
    assert not breaker.is_open


def test_a_successful_trial_closes_it(breaker, clock):
    open_up(breaker)
    clock.now += 10
    succeed(breaker)
    assert not breaker.is_open
    fail(breaker)
    assert not breaker.is_open


def test_a_failed_trial_opens_it_for_the_whole_time_again(breaker, clock):
    open_up(breaker)
    clock.now += 10
    fail(breaker)
    assert refusal(breaker) == 10


def test_one_trial_at_a_time_is_let_through(breaker, clock):
    open_up(breaker)
    clock.now += 11
    with breaker.attempt():
        assert refusal(breaker) == 10
        clock.now += 30
        assert refusal(breaker) == 10
    succeed(breaker)


def test_a_trial_that_ended_by_a_bug_of_ours_lets_the_next_one_through(breaker, clock):
    open_up(breaker)
    clock.now += 10
    with pytest.raises(KeyError), breaker.attempt():
        raise KeyError
    assert breaker.is_open
    succeed(breaker)
    assert not breaker.is_open


def test_a_failure_begun_before_it_opened_does_not_put_the_trial_off(breaker, clock):
    late = breaker.attempt()
    late.__enter__()
    open_up(breaker)
    clock.now += 9
    error = UpstreamUnavailable("late")
    assert not late.__exit__(type(error), error, None)
    clock.now += 1
    succeed(breaker)
    assert not breaker.is_open


def test_a_fresh_one_knows_nothing_of_the_failures(breaker):
    open_up(breaker)
    other = breaker.fresh()
    succeed(other)
    open_up(other)
    assert other.is_open


def test_of_many_threads_exactly_one_gets_the_trial(breaker, clock):
    open_up(breaker)
    clock.now += 10
    start, done, let_through = threading.Barrier(8), threading.Event(), []

    def ask():
        start.wait()
        try:
            with breaker.attempt():
                let_through.append(True)
                done.wait(5)
        except UpstreamUnavailable:
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
