"""The processes of the web server: they end in order, and come back when they die."""

import json
import signal
import threading
import time
from collections import Counter
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.devtools.conftest import soon
from tests.ops.serving.conftest import Server, get, kill, many


def first_worker(server: Server) -> int:
    return min(server.worker_ids())


@pytest.fixture
def own():
    server = Server(workers=2, stop_seconds=5)
    assert soon(lambda: json.loads(server.ask("/health").body)["pid"] != first_worker(server), seconds=20)
    yield server
    server.stop()


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie, which nobody may collect in a container."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_threads_share_pools_of_memory(own):
    """Each of 32 threads with its own, which are never returned, came to twice the memory in a soak."""
    for pid in own.worker_ids():
        assert b"MALLOC_ARENA_MAX=2\0" in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_stop_finishes_what_runs_and_closes_the_rest(own):
    with (
        many(20, partial(own.connect, get("/health"))) as idle,
        many(4, partial(own.connect, get("/sleep/2"))) as busy,
    ):
        for client in idle:
            client.response()
        time.sleep(0.3)
        started = time.monotonic()
        own.master.terminate()
        assert [client.rest() for client in idle] == [b""] * 20
        with pytest.raises(OSError, match="refused"):
            own.connect(timeout=2)
        for client in busy:
            response = client.response()
            assert (response.status, response.headers["connection"]) == (200, "close")
        assert own.master.wait(10) == 0
        assert time.monotonic() - started < 6


def test_a_stop_doesnt_wait_for_ever(own):
    with many(4, partial(own.connect, get("/sleep/60"))):
        time.sleep(0.3)
        started = time.monotonic()
        own.master.terminate()
        assert own.master.wait(20) == 0
        assert time.monotonic() - started < 10


def test_a_stop_under_load_breaks_no_response_off(own):
    statuses, broken, is_over = [], [], threading.Event()

    def ask():
        while not is_over.is_set():
            try:
                statuses.append(own.ask("/sleep/0.01", timeout=5).status)
            except ConnectionError:
                return  # Not accepted any more.
            except (OSError, HTTPException) as exc:
                broken.append(exc)
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    own.master.terminate()
    assert own.master.wait(10) == 0
    is_over.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert not [exc for exc in broken if not isinstance(exc, ConnectionError)]


def test_a_worker_that_is_killed_is_replaced_and_the_other_serves_on(own):
    before = own.worker_ids()
    assert len(before) == 2
    kill(before[0])
    for _ in range(10):
        assert own.ask("/health").status == 200
    assert soon(lambda: len(own.worker_ids()) == 2 and before[0] not in own.worker_ids(), seconds=10)
    assert soon(lambda: json.loads(own.ask("/health").body)["pid"] not in before, seconds=20)


def test_connections_are_shared_among_the_workers(own):
    def shares():
        with many(60, partial(own.connect, get("/health"))) as clients:
            return Counter(json.loads(client.response().body)["pid"] for client in clients)

    # The second worker may still be starting.
    assert soon(lambda: len(shares()) == 2, seconds=30)
    assert min(shares().values()) >= 5


def test_interrupt_ends_it_as_terminate_does(own):
    own.master.send_signal(signal.SIGINT)
    assert own.master.wait(10) == 0


def test_workers_whose_master_was_killed_finish_what_runs_and_leave_the_port(own):
    workers = own.worker_ids()
    with many(4, partial(own.connect, get("/sleep/1"))) as busy:
        time.sleep(0.3)
        own.master.kill()
        own.master.wait()
        assert {client.response().status for client in busy} == {200}
    assert soon(lambda: not any(map(is_running, workers)), seconds=10)
    after = Server(port=own.port)
    try:
        assert json.loads(after.ask("/health").body)["pid"] not in workers
    finally:
        after.stop()
