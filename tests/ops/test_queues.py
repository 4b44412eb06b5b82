"""What pays has a queue and a worker of its own: nothing else delays it. Real workers, real queues."""

import signal
import sys
from collections.abc import Iterator

import pytest
from kombu import Connection

from core.backends import BROKER_OPTIONS, broker_url
from core.models import JobRun
from devtools.embedded import valkey
from tests.betting.factories import sign_up
from tests.betting.settlement.factories import end, outcome
from tests.devtools.conftest import soon
from tests.markets.factories import add_market
from tests.ops.servers import Process
from thisthat.celery import DEFAULT, PAYING, PAYMENTS, app

FLOOD = 200
PURGE = "common.purge_job_runs"


@pytest.fixture(params=["embedded", "redis"])
def broker(request, folder, redis_server) -> Iterator[str]:
    """The address of the queue: on a socket, or on a port."""
    if request.param == "redis":
        redis_server.start()
        yield redis_server.url
        return
    server = valkey.start(folder)
    yield server.url
    server.stop()


@pytest.fixture
def queues(broker):
    """A connection of the test's own to the workers' broker."""
    with Connection(broker_url(broker), transport_options=BROKER_OPTIONS) as connection:
        yield connection


@pytest.fixture
def worker(database, running, broker):
    # In this order: what runs ends before the database is emptied.
    def start(queue):
        environment = {"DATABASE_URL": database, "REDIS_URL": broker}
        process = running(Process, [sys.executable, "manage.py", "work", "--concurrency", "1", queue], **environment)
        assert soon(lambda: process.said("ready."), seconds=60), process.log
        return process

    return start


@pytest.fixture
def ended():
    """A bet of 100 on the side that won, waiting to be paid."""
    market = add_market()
    bet = sign_up("ann").bet(market, 100, "this")
    end(market, "this")
    return bet


def waiting(queues, queue) -> int:
    return app.amqp.queues[queue](queues.default_channel).queue_declare(passive=True).message_count


def test_with_the_rest_blocked_and_flooded_a_bet_is_still_paid(worker, queues, ended):
    paying, rest = worker(PAYMENTS), worker(DEFAULT)
    rest.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(FLOOD):
            app.send_task(PURGE, connection=queues)
        app.send_task("betting.settle_markets", connection=queues)
        assert soon(lambda: outcome(ended)[0] == "won", seconds=60), paying.log
        # Redis hands one message to a client that waits, though it is stopped.
        assert waiting(queues, DEFAULT) >= FLOOD - 1
        assert not JobRun.objects.filter(job=PURGE).exists()
    finally:
        rest.process.send_signal(signal.SIGCONT)
    assert soon(lambda: JobRun.objects.filter(job=PURGE).exists(), seconds=60), rest.log
    assert paying.stop() == 0


def test_a_worker_takes_from_its_queue_alone(worker, queues, ended):
    rest = worker(DEFAULT)
    for task in PAYING:
        app.send_task(task, connection=queues)
    app.send_task(PURGE, connection=queues)
    assert soon(lambda: JobRun.objects.filter(job=PURGE).exists(), seconds=60), rest.log
    assert waiting(queues, PAYMENTS) == len(PAYING)
    assert outcome(ended)[0] == "pending"
