"""Workers that start, are killed, and start again, while messages are queued: each message's job is done."""

import os
import re
import signal
import sys

import pytest
import redis
from kombu import Connection, Queue

from core.backends import BROKER_OPTIONS, broker_url
from core.jobs.redis_transport import HOLDERS, LEASE_SECONDS
from devtools.embedded import valkey
from tests.devtools.conftest import soon
from tests.ops.servers import Process
from thisthat.celery import DEFAULT, app

# LOST_MESSAGES=3000 for a longer proof.
MESSAGES = int(os.environ.get("LOST_MESSAGES", "600"))
KILLS = 4
DONE = re.compile(r"Task common\.purge_job_runs\[([\w-]+)\] succeeded")


@pytest.fixture
def queue(folder):
    server = valkey.start(folder)
    yield server.url
    server.stop()


def test_no_message_is_lost_while_workers_start_and_are_killed(database, running, queue):
    workers = []

    def start():
        command = [sys.executable, "manage.py", "work", "--concurrency", "2", DEFAULT]
        workers.append(running(Process, command, DATABASE_URL=database, REDIS_URL=queue))

    def done():
        return {found for worker in workers for found in DONE.findall(worker.log)}

    sent = set()
    with Connection(broker_url(queue), transport_options=BROKER_OPTIONS) as connection:
        start()
        for _ in range(KILLS):
            start()
            for _ in range(MESSAGES // KILLS):
                sent.add(app.send_task("common.purge_job_runs", connection=connection).id)
            before = len(done())
            # In the middle of its work.
            assert soon(lambda before=before: len(done()) > before, seconds=90), workers[-1].log
            os.kill(workers[-2].process.pid, signal.SIGKILL)
            workers[-2].process.wait()
    assert soon(lambda: sent <= done(), seconds=400), f"{len(sent - done())} of {len(sent)} are lost"
    assert workers[-1].stop() == 0


def test_a_message_taken_by_a_consumer_that_died_before_it_noted_it_comes_back(queue):
    """What kombu's own transport loses: it is out of the queue, and nowhere else."""
    with Connection(broker_url(queue), transport_options=BROKER_OPTIONS) as connection:
        declared = Queue(DEFAULT)(connection.default_channel)
        declared.declare()
        app.send_task("common.purge_job_runs", connection=connection)
        with redis.Redis.from_url(queue) as client:
            client.lmove(DEFAULT, "queue-taken:dead", "RIGHT", "LEFT")
            client.sadd(HOLDERS, "dead")
            assert client.llen(DEFAULT) == 0
            connection.default_channel.restore_abandoned()
            assert client.llen(DEFAULT) == 1
            assert client.keys("queue-*dead*") == []
            assert client.smembers(HOLDERS) == set()


def test_messages_of_a_living_consumer_are_left_to_it(queue):
    options = {"transport_options": BROKER_OPTIONS}
    with Connection(broker_url(queue), **options) as connection, redis.Redis.from_url(queue) as client:
        client.lpush("queue-taken:living", "{}")
        client.sadd(HOLDERS, "living")
        client.set("queue-lease:living", 1, ex=LEASE_SECONDS)
        connection.default_channel.restore_abandoned()
        assert client.llen("queue-taken:living") == 1
