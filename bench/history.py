"""The history of markets' odds: what it weighs, what recording it costs, and how fast it is read.

`python -m bench.history`: 10,000,000 points of minutes and a quarter of hours, of 2,000 live markets among 50,000, in a
database of its own in var/bench-history-<process>, removed afterwards. CPU seconds are those of the database's process.
"""

import argparse
import os
import random
import resource
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.bloat import row
from bench.database import own_database
from bench.ledger import execute
from bench.load import request_bytes, run
from bench.markets import WEB_PORT, web_server

INTERVALS = ("1h", "6h", "1d", "1w", "1m", "max")
MARKETS = """
INSERT INTO markets (id, market_type, status, polymarket_id, this_token_id, that_token_id, slug, title, description,
    this_option, that_option, category, tags, image_url, this_odds, that_odds, bid, ask, odds_live, odds_updated_at,
    accepting_orders, neg_risk, upstream_facts, upstream_id, group_title, neg_risk_id, event_slug, event_title,
    liquidity, volume, volume_24hr)
SELECT new_id(), 'polymarket', 'open', '0x' || lpad(n::text, 64, '0'), n || '1', n || '2', 'market-' || n,
    'Will it be ' || n || '?', repeat('It ends with THIS where it is. ', 40), 'Yes', 'No', 'general', '{{}}',
    'https://img.example/a.png', 0.5, 0.5, 0.49, 0.51, n <= {live}, now(), true, false, '{{}}', '', '', '', '', '',
    0, 0, 0
FROM generate_series(1, {markets}) AS n
"""
LIVE = "CREATE TABLE live AS SELECT id FROM markets WHERE odds_live"
# In the order of time, as they are recorded: a market's points are far apart.
MINUTES = """
INSERT INTO market_points (market_id, recorded_at, this_odds, bid, ask)
SELECT id, at, odds, odds - 100, odds + 100 FROM generate_series(%(first)s::timestamptz, %(last)s, %(step)s) AS moment
CROSS JOIN LATERAL (SELECT id, moment AS at, (2000 + random() * 6000)::smallint AS odds FROM live OFFSET 0) AS drawn
"""
HOURS = """
INSERT INTO market_hourly_points (market_id, recorded_at, this_odds, bid, ask)
SELECT id, at, 5000, 4900, 5100 FROM generate_series(%(first)s::timestamptz, %(last)s, '1 hour') AS moment
CROSS JOIN LATERAL (SELECT id, moment AS at FROM live OFFSET 0) AS all_live
"""
NOTED = "INSERT INTO market_backfills (market_id, tried_at, is_done) SELECT id, now(), true FROM live"
MOVE = "UPDATE markets SET this_odds = 0.2 + random() * 0.6, odds_updated_at = %(now)s WHERE odds_live"
STILL = "UPDATE markets SET odds_updated_at = %(now)s WHERE odds_live"
SIZES = """
SELECT sum(reltuples), sum(pg_table_size(pg_class.oid))::float8, sum(pg_indexes_size(pg_class.oid))::float8
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = '{table}'::regclass AND reltuples > 0
"""
USER_DAYS = """
INSERT INTO user_days (day, user_id, volume, realized_pnl)
SELECT current_date - back, md5(back || '-' || n)::uuid, 100.00, -12.34
FROM generate_series(0, 99) AS back, generate_series(1, 10000) AS n
"""


def cpu_seconds() -> float:
    """Return what the database's process of this connection has used."""
    (pid,) = row("SELECT pg_backend_pid()")
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measured(name: str, work: Callable[[], Any]) -> None:
    begun, cpu = time.perf_counter(), cpu_seconds()
    done = work()
    print(f"{name}: {time.perf_counter() - begun:.2f} s, CPU {cpu_seconds() - cpu:.2f} s, {done}", flush=True)


def fill(arguments: argparse.Namespace, now: datetime) -> None:
    from django.db import connection

    from markets.history.recording import add_partitions

    span = timedelta(days=13)
    step = span * arguments.live / arguments.points
    execute(MARKETS.format(markets=arguments.markets, live=arguments.live))
    execute(LIVE)
    execute(NOTED)
    first = now - timedelta(days=90)
    add_partitions("market_points", now - span, now)
    add_partitions("market_hourly_points", first, now)
    measured("filling minutes", lambda: execute(MINUTES, {"first": now - span, "last": now, "step": step}))
    measured("filling hours", lambda: execute(HOURS, {"first": first, "last": now}))
    execute("ANALYZE")
    connection.close()


def weigh(table: str) -> None:
    rows, size, indexes = row(SIZES.format(table=table))
    print(
        f"{table}: {rows:,.0f} rows, {size / 1e6:,.0f} MB and {indexes / 1e6:,.0f} MB of indexes, "
        f"{size / rows:.0f} + {indexes / rows:.0f} bytes each",
        flush=True,
    )


def jobs(now: datetime) -> None:
    from markets.history.recording import record_points, roll_up

    for minute in range(1, 4):
        moment = now + timedelta(minutes=minute)
        execute(MOVE, {"now": moment})
        measured("a minute, all odds changed", lambda moment=moment: record_points(now=moment))
    for minute in range(4, 7):
        moment = now + timedelta(minutes=minute)
        execute(STILL, {"now": moment})
        measured("a minute, none changed", lambda moment=moment: record_points(now=moment))
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    measured("rolling an hour up", lambda: roll_up(hour, hour + timedelta(hours=1)))


def reads(now: datetime, times: int) -> None:
    from markets.history.selectors import Interval, get_history
    from markets.models import Market

    print(
        "| interval | points | p50 ms | p99 ms | CPU ms of Python | of the database |\n|---|---:|---:|---:|---:|---:|",
        flush=True,
    )
    markets = list(Market.objects.defer("search").filter(odds_live=True))
    for interval in map(Interval, INTERVALS):
        took, points = [], 0
        here, there = resource.getrusage(resource.RUSAGE_SELF).ru_utime, cpu_seconds()
        for market in random.choices(markets, k=times):
            begun = time.perf_counter()
            points = len(get_history(market, interval=interval, now=now).points)
            took.append(1000 * (time.perf_counter() - begun))
        here = 1000 * (resource.getrusage(resource.RUSAGE_SELF).ru_utime - here) / times
        there = 1000 * (cpu_seconds() - there) / times
        took.sort()
        p50, p99 = took[times // 2], took[int(times * 0.99)]
        print(f"| `{interval}` | {points} | {p50:.1f} | {p99:.1f} | {here:.1f} | {there:.1f} |", flush=True)


def requests(seconds: float) -> None:
    """One connection: how long a request takes, rather than how long it waits for others."""
    from markets.models import Market

    ids = list(Market.objects.filter(odds_live=True).values_list("id", flat=True))
    base = f"http://127.0.0.1:{WEB_PORT}"
    print(
        "| `GET /markets/{id}/history` | requests/s | p50 ms | p99 ms | responses |\n|---|---:|---:|---:|---|",
        flush=True,
    )
    with web_server(dict(os.environ), port=WEB_PORT, workers=1, threads=4):
        for interval in INTERVALS:
            path = f"{base}/api/v1/markets/{{}}/history?interval={interval}"
            found = run(
                base, lambda path=path: request_bytes(path.format(random.choice(ids))), connections=1, seconds=seconds
            )
            print(
                f"| `{interval}` | {found.rate:.0f} | {found.p50:.1f} | {found.p99:.1f} | {found.statuses} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--markets", type=int, default=50_000)
    parser.add_argument("--live", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    with own_database("history"):
        from django.utils import timezone

        now = timezone.now()
        print(f"load of the machine: {os.getloadavg()[0]:.1f}", flush=True)
        fill(arguments, now)
        for table in ("market_points", "market_hourly_points"):
            weigh(table)
        reads(now, arguments.times)
        requests(arguments.seconds)
        jobs(now)
        execute(USER_DAYS)
        execute("ANALYZE user_days")
        rows, size = row(
            "SELECT reltuples, pg_total_relation_size('user_days') FROM pg_class WHERE relname = 'user_days'"
        )
        print(f"user_days: {size / rows:.0f} bytes a row with both indexes", flush=True)
        print(f"load of the machine: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
