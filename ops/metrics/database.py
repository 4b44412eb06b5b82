"""Figures from the database: of jobs, odds, the ledger and connections. Six queries, whose cost is bounded.

The ledger's are sums of `ledger_days`, which a job keeps for the dashboard: no row of the journal is read.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.jobs.runs import histories
from core.jobs.scheduling import entries, late_jobs

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


def figures_of_database() -> Iterator[Metric]:
    yield from figures_of_jobs()
    yield from figures_of_odds()
    yield from figures_of_ledger()
    yield from figures_of_connections()


def figures_of_jobs() -> Iterator[Metric]:
    history = histories()
    late = {job.job for job in late_jobs(history, now=timezone.now())}
    succeeded = gauge("job_last_success_timestamp_seconds", "When the job last succeeded.", "job")
    took = gauge("job_last_success_duration_seconds", "How long its last success took.", "job")
    failed = gauge("job_last_run_failed", "Whether its newest run failed, or its process died: 1 or 0.", "job")
    is_late = gauge("job_late", "Whether it hasn't succeeded for three periods: 1 or 0.", "job")
    for job, past in history.items():
        failed.add_metric([job], float(past.status in ("failed", "abandoned")))
        if past.success:
            started_at, finished_at = past.success
            succeeded.add_metric([job], finished_at.timestamp())
            took.add_metric([job], (finished_at - started_at).total_seconds())
    for job in sorted({entry["task"] for entry in entries().values()}):
        is_late.add_metric([job], float(job in late))
    yield from (succeeded, took, failed, is_late)


def figures_of_odds() -> Iterator[Metric]:
    ((watched, oldest, median),) = fetch(ODDS, {"now": timezone.now()})
    yield gauge("watched_markets", "Open markets of Polymarket that somebody looks at or has a bet on.", value=watched)
    age = gauge("odds_age_seconds", "How old the odds of watched markets are: the oldest, and the median.", "which")
    if watched:
        age.add_metric(["oldest"], oldest)
        age.add_metric(["median"], median)
    yield age


def figures_of_ledger() -> Iterator[Metric]:
    transfers = counter("ledger_transfers", "Rows of the journal; those of `bet_placed` are the bets.", "type", "with")
    moved = counter("ledger_credits", "Credits given to users, and taken from them.", "type", "with", "way")
    for transaction_type, counterparty, rows, given, taken in fetch(LEDGER):
        transfers.add_metric([transaction_type, counterparty], float(rows))
        moved.add_metric([transaction_type, counterparty, "given"], float(given))
        moved.add_metric([transaction_type, counterparty, "taken"], float(taken))
    ((counted_at,),) = fetch(COUNTED)
    yield from (transfers, moved)
    yield gauge("ledger_counted_timestamp_seconds", "When these were last counted.", value=counted_at or 0.0)


def figures_of_connections() -> Iterator[Metric]:
    states = gauge("database_connections", "Connections to the database, of all processes, by state.", "state")
    rows = fetch(CONNECTIONS)
    for state, connections, _ in rows:
        states.add_metric([state], connections)
    yield states
    yield gauge("database_connections_max", "How many the server allows, all databases together.", value=rows[0][2])


def gauge(name: str, says: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"thisthat_{name}", says, labels=labels or None, value=value)


def counter(name: str, says: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"thisthat_{name}", says, labels=labels)


def fetch(statement: str, parameters: dict[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows
