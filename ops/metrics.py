"""Serves `/metrics`: what processes counted, what the database knows, and what waits in the queues.

The database is read in seven queries whose cost is bounded. The ledger's metrics are sums of `ledger_days`, which a job
keeps for the dashboard: no ledger entry is read.

The processes of one program, started together, keep what they count in a folder. The program holds a lock on it, and
the folders of those that have ended are removed by the next one that starts. So containers of one machine may share
them: each web server then has the counts of the workers too.
"""

import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from time import perf_counter
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from kombu import Queue
from kombu.exceptions import ChannelError, KombuError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

import markets.feed.metrics  # noqa: F401 - registers what the feed counts
from core.api.errors import not_found
from core.db.sql import fetch_all
from core.file_locks import exclusively, is_locked, open_lock, try_lock
from core.jobs.runs import histories
from core.jobs.scheduling import entries, late_jobs
from core.metrics import COUNTS
from markets import rules as market_rules
from markets.feed.selectors import feed_health

FOLDERS, LOCK = "metrics", "lock"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
ODDS = """
SELECT count(*), max(age), percentile_cont(0.5) WITHIN GROUP (ORDER BY age) FROM (
    SELECT extract(epoch FROM %(now)s - market.odds_updated_at)::float AS age
    FROM market_watches AS watch JOIN markets AS market ON market.id = watch.market_id
    WHERE watch.watched_until > %(now)s AND market.status = 'open' AND market.market_type = 'polymarket'
) AS watched
"""
LEDGER = """
SELECT transaction_type, counterparty, sum(transfers), sum(given), sum(taken) FROM ledger_days
GROUP BY transaction_type, counterparty ORDER BY transaction_type, counterparty
"""
COUNTED = "SELECT extract(epoch FROM max(counted_at))::float FROM counted_days"
CONNECTIONS = """
SELECT coalesce(state, 'other'), count(*), current_setting('max_connections')::integer FROM pg_stat_activity
WHERE datname = current_database() GROUP BY 1
"""


def database_metrics() -> Iterator[Metric]:
    yield from job_metrics()
    yield from odds_metrics()
    yield from feed_metrics()
    yield from ledger_metrics()
    yield from connection_metrics()


def job_metrics() -> Iterator[Metric]:
    history = histories()
    late = {job.job for job in late_jobs(history, now=timezone.now())}
    succeeded = gauge("job_last_success_timestamp_seconds", "When the job last succeeded.", "job")
    took = gauge("job_last_success_duration_seconds", "How long its last success took.", "job")
    broken = gauge("job_last_success_broken_objects", "Broken objects that its last success had to skip.", "job")
    failed = gauge("job_last_run_failed", "Whether its newest run failed, or its process died: 1 or 0.", "job")
    is_late = gauge("job_late", "Whether it hasn't succeeded for three periods: 1 or 0.", "job")
    for job, past in history.items():
        failed.add_metric([job], float(past.status in ("failed", "abandoned")))
        if past.success:
            started_at, finished_at = past.success
            succeeded.add_metric([job], finished_at.timestamp())
            took.add_metric([job], (finished_at - started_at).total_seconds())
            broken.add_metric([job], float(past.broken_objects))
    for job in sorted({entry["task"] for entry in entries().values()}):
        is_late.add_metric([job], float(job in late))
    yield from (succeeded, took, broken, failed, is_late)


def odds_metrics() -> Iterator[Metric]:
    ((watched, oldest, median),) = fetch_all(ODDS, {"now": timezone.now()})
    yield gauge("watched_markets", "Open markets of Polymarket that somebody looks at or has a bet on.", value=watched)
    age = gauge("odds_age_seconds", "How old the odds of watched markets are: the oldest, and the median.", "which")
    if watched:
        age.add_metric(["oldest"], oldest)
        age.add_metric(["median"], median)
    yield age


def feed_metrics() -> Iterator[Metric]:
    now = timezone.now()
    feed = feed_health(now=now)
    up = gauge("feed_up", "Whether a process is the price feed: 1 or 0. None where FEED_ENABLED is off.")
    age = gauge("feed_age_seconds", "How old what the price feed knows of its connections is at most.")
    if market_rules.FEED_ENABLED:
        up.add_metric([], float(feed.is_running))
        if feed.heard_at:
            age.add_metric([], (now - feed.heard_at).total_seconds())
    tokens = gauge("feed_tokens", "Tokens that the feed is to follow, and those whose books it knows.", "which")
    tokens.add_metric(["wanted"], feed.tokens if feed.is_running else 0)
    tokens.add_metric(["known"], feed.trusted if feed.is_running else 0)
    yield from (up, age, tokens)
    yield gauge("feed_connections", "Websockets that are open.", value=feed.connections if feed.is_running else 0)


def ledger_metrics() -> Iterator[Metric]:
    transfers = counter("ledger_transfers", "Ledger entries; those of `bet_placed` are the bets.", "type", "with")
    moved = counter("ledger_credits", "Credits given to users, and taken from them.", "type", "with", "way")
    for transaction_type, counterparty, rows, given, taken in fetch_all(LEDGER):
        transfers.add_metric([transaction_type, counterparty], float(rows))
        moved.add_metric([transaction_type, counterparty, "given"], float(given))
        moved.add_metric([transaction_type, counterparty, "taken"], float(taken))
    ((counted_at,),) = fetch_all(COUNTED)
    yield from (transfers, moved)
    yield gauge("ledger_counted_timestamp_seconds", "When these were last counted.", value=counted_at or 0.0)


def connection_metrics() -> Iterator[Metric]:
    states = gauge("database_connections", "Connections to the database, of all processes, by state.", "state")
    rows = fetch_all(CONNECTIONS)
    for state, connections, _ in rows:
        states.add_metric([state], connections)
    yield states
    yield gauge("database_connections_max", "How many the server allows, all databases together.", value=rows[0][2])


def gauge(name: str, says: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"thisthat_{name}", says, labels=labels or None, value=value)


def counter(name: str, says: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"thisthat_{name}", says, labels=labels)


logger = logging.getLogger(__name__)
BROKER_SECONDS = 1


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format. A source that is away is left out: see `thisthat_source_up`."""
    registry = CollectorRegistry()
    registry.register(AllMetrics())
    return generate_latest(registry)


class AllMetrics:
    """A collector, as Prometheus's library calls it."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("thisthat_source_up", "Whether these metrics could be read: 1 or 0.", labels=["source"])
        took = GaugeMetricFamily(
            "thisthat_source_duration_seconds", "How long it took to read these metrics.", labels=["source"]
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
        logger.warning("no metrics of %s: %s", source, exc)
        return None


def counts() -> Iterable[Metric]:
    if VARIABLE in os.environ:
        merged: Iterable[Metric] = MultiProcessCollector.merge(files_of_counts(settings.VAR_DIR))  # type: ignore[no-untyped-call]
        return merged
    return COUNTS.collect()


def queue_metrics() -> Iterator[Metric]:
    waiting = GaugeMetricFamily("thisthat_queue_messages", "Tasks that wait for a worker.", labels=["queue"])
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0, timeout=BROKER_SECONDS)
        for queue in current_app.conf.task_queues:
            waiting.add_metric([queue.name], messages_in(queue, connection.default_channel))
    yield waiting


def messages_in(queue: Queue, channel: Any) -> int:
    """Return the length of a queue; 0 for one that the broker doesn't know, as nothing was ever put into it."""
    try:
        declared: Any = queue(channel).queue_declare(passive=True)
    except ChannelError:
        return 0
    return int(declared.message_count)


SOURCES: dict[str, Callable[[], Iterable[Metric]]] = {
    "processes": counts,
    "database": database_metrics,
    "queues": queue_metrics,
}


# What proxies add. One that adds none must be known by NUM_PROXIES or TRUST_PROXY.
FORWARDED = ("X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "X_REAL_IP", "FORWARDED", "VIA")


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Respond with the metrics, to who has METRICS_TOKEN and to this machine's own Prometheus."""
    if request.method not in ("GET", "HEAD") or not (has_token(request) or is_on_this_machine(request)):
        return not_found(request)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.METRICS_TOKEN.encode()
    return bool(token) and scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token)


def is_on_this_machine(request: HttpRequest) -> bool:
    """Return whether it came from here, and not through a proxy, which may be on this machine and serve everybody."""
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.REST_FRAMEWORK["NUM_PROXIES"]
    if behind_proxy or any(f"HTTP_{header}" in request.META for header in FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


# The folders of what processes count


def fresh_folder(var_dir: Path) -> dict[str, str]:
    """Make a folder for this process and delete those of ended ones; return the environment to count there.

    Where the disk takes no folder, that is nothing, and each process counts in its own memory.
    """
    folders = var_dir / FOLDERS
    own = folders / f"{machine()}-{os.getpid()}"
    try:
        folders.mkdir(parents=True, exist_ok=True)
        with exclusively(folders / LOCK):
            for folder in folders.glob("*/"):
                if not is_locked(folder / LOCK):
                    shutil.rmtree(folder, ignore_errors=True)
            own.mkdir()
            descriptor = open_lock(own / LOCK)
    except OSError as exc:
        logger.warning("what processes count isn't shared, so /metrics has only a part: %s", exc)
        return {}
    try_lock(descriptor)
    # Kept by the program that this process becomes.
    os.set_inheritable(descriptor, True)
    return {VARIABLE: str(own)}


def files_of_counts(var_dir: Path) -> list[str]:
    """Return the files of all programs, less the gauges of processes that ended; their counters stay."""
    found = [file for file in (var_dir / FOLDERS).glob("*/*.db") if not is_left_behind(file)]
    return [str(file) for file in found]


def is_left_behind(file: Path) -> bool:
    """Return whether it is a gauge of an ended process of this machine; other machines' can't be seen from here."""
    if not file.name.startswith("gauge_live"):
        return False
    if not is_locked(file.parent / LOCK):
        return True
    of_this_machine = file.parent.name.rpartition("-")[0] == machine()
    return of_this_machine and not is_alive(int(file.stem.rpartition("_")[2]))


def machine() -> str:
    """Return the name of the machine, or the container: process numbers mean something within it."""
    return socket.gethostname()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
