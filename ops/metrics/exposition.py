"""All figures as one text: what processes counted, what the database knows, and what waits in the queues."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from kombu import Queue
from kombu.exceptions import ChannelError, KombuError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from core.metrics import COUNTS
from ops.metrics.database import figures_of_database
from ops.metrics.folders import VARIABLE, files_of_counts

logger = logging.getLogger(__name__)
BROKER_SECONDS = 1


def exposition() -> bytes:
    """In Prometheus's text format. A source that is away is left out, and said to be by `thisthat_source_up`."""
    registry = CollectorRegistry()
    registry.register(Figures())
    return generate_latest(registry)


class Figures:
    """A collector, as Prometheus's library calls it."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("thisthat_source_up", "Whether these figures could be had: 1 or 0.", labels=["source"])
        took = GaugeMetricFamily(
            "thisthat_source_duration_seconds", "How long it took to get these figures.", labels=["source"]
        )
        for source, read in SOURCES.items():
            start = perf_counter()
            found = read_or_none(source, read)
            yield from found or ()
            up.add_metric([source], float(found is not None))
            took.add_metric([source], perf_counter() - start)
        yield up
        yield took


def read_or_none(source: str, read: Callable[[], Iterable[Metric]]) -> list[Metric] | None:
    try:
        return list(read())
    except (DatabaseError, InterfaceError, KombuError, ChannelError, OSError) as exc:
        logger.warning("no figures of %s: %s", source, exc)
        return None


def counts() -> Iterable[Metric]:
    if VARIABLE in os.environ:
        merged: Iterable[Metric] = MultiProcessCollector.merge(files_of_counts(settings.VAR_DIR))  # type: ignore[no-untyped-call]
        return merged
    return COUNTS.collect()


def figures_of_queues() -> Iterator[Metric]:
    waiting = GaugeMetricFamily("thisthat_queue_messages", "Tasks that wait for a worker.", labels=["queue"])
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0, timeout=BROKER_SECONDS)
        for queue in current_app.conf.task_queues:
            waiting.add_metric([queue.name], messages_in(queue, connection.default_channel))
    yield waiting


def messages_in(queue: Queue, channel: Any) -> int:
    """A queue that nothing was ever put into is unknown to the broker."""
    try:
        declared: Any = queue(channel).queue_declare(passive=True)
    except ChannelError:
        return 0
    return int(declared.message_count)


SOURCES: dict[str, Callable[[], Iterable[Metric]]] = {
    "processes": counts,
    "database": figures_of_database,
    "queues": figures_of_queues,
}
