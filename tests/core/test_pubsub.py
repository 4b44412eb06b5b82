"""Messages between processes: in order, in batches, never in the way of who publishes them."""

import asyncio
import os
import time
import warnings
from uuid import uuid4

import redis
from django.conf import settings

from core import pubsub
from core.pubsub import Publisher, Subscriber, publish

SECONDS = 10


class Listener:
    """What a subscriber hears, and how often it was connected."""

    def __init__(self, *topics: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connected = 0
        self.subscriber = Subscriber(topics, on_messages=self.take, on_connected=self.note)

    def take(self, topic: str, published_at: float, messages: list[bytes]) -> None:
        assert abs(time.time() - published_at) < SECONDS
        self.heard += [(topic, message) for message in messages]

    def note(self) -> None:
        self.connected += 1

    async def until(self, condition) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():  # noqa: ASYNC110 - what it looks at has no event
                await asyncio.sleep(0.005)


def listen(listener: Listener, story) -> None:
    async def run() -> None:
        task = asyncio.create_task(listener.subscriber.run())
        await listener.until(lambda: listener.connected)
        await story()
        task.cancel()

    asyncio.run(run())


def test_what_is_published_arrives_in_order_at_who_listens_to_the_topic() -> None:
    topic, other = f"a-{uuid4()}", f"b-{uuid4()}"
    listener = Listener(topic)

    async def story() -> None:
        publish(other, [{"n": 0}])
        publish(topic, [{"n": 1, "text": "two\nlines"}, {"n": 2}])
        publish(topic, [{"n": number} for number in range(3, 2_500)])
        await listener.until(lambda: len(listener.heard) == 2_499)

    listen(listener, story)
    assert listener.heard[0] == (topic, b'{"n":1,"text":"two\\nlines"}')
    assert [message for _, message in listener.heard[1:]] == [b'{"n":%d}' % number for number in range(2, 2_500)]


def test_a_lost_connection_is_made_again_and_its_user_told() -> None:
    topic = f"a-{uuid4()}"
    listener = Listener(topic)

    async def story() -> None:
        kill_subscriptions()
        await listener.until(lambda: listener.connected == 2)
        publish(topic, [{"n": 1}])
        await listener.until(lambda: listener.heard)

    listen(listener, story)


def kill_subscriptions() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for entry in client.client_list(_type="pubsub"):
            if entry["name"] == f"subscriber-{os.getpid()}":
                client.client_kill_filter(_id=entry["id"])


def test_while_redis_is_away_publishing_costs_no_time_and_raises_nothing(settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    publisher = Publisher()
    start = time.perf_counter()
    for _ in range(100):
        publisher.add("odds", [{"n": 1}])
    assert time.perf_counter() - start < 1
    before = pubsub.DROPPED.labels("unavailable")._value.get()
    publisher.add("odds", [{"n": 1}])
    publisher.flush()
    assert pubsub.DROPPED.labels("unavailable")._value.get() > before - 1


def test_where_too_many_wait_the_oldest_are_dropped() -> None:
    publisher = Publisher()
    # Nothing empties it.
    publisher._thread = pubsub.threading.current_thread()
    before = pubsub.DROPPED.labels("overflow")._value.get()
    publisher.add("odds", [{"n": number} for number in range(pubsub.BUFFER_LENGTH + 3)])
    assert pubsub.DROPPED.labels("overflow")._value.get() == before + 3
    assert publisher._buffer[0] == ("odds", {"n": 3})


def test_a_forked_process_publishes_too() -> None:
    topic = f"a-{uuid4()}"
    listener = Listener(topic)

    async def story() -> None:
        publish(topic, [{"from": "parent"}])
        await listener.until(lambda: listener.heard)
        # Forking beside threads is what Celery's prefork pool does.
        read, write = os.pipe()
        child = fork()
        if not child:
            publish(topic, [{"from": "child"}])
            os.read(read, 1)
            os._exit(0)
        await listener.until(lambda: len(listener.heard) == 2)
        os.write(write, b"!")
        os.waitpid(child, 0)  # noqa: ASYNC222

    listen(listener, story)
    assert [message for _, message in listener.heard] == [b'{"from":"parent"}', b'{"from":"child"}']


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
