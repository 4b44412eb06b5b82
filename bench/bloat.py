"""Measures what updates leave behind in the table of bets, beside the same rows written once.

`python -m bench.bloat --days 30 --bets 20000`: each day that many bets are placed, and those of three days before are
settled, in batches, in tables like `bets` with its indexes and storage settings. Autovacuum looks after them once a
second, and the run waits for it after each day; in a real day it looks 1,440 times. The database is of its own, in
var/bench-bloat-<process>, and removed afterwards.
"""

import argparse
import time
from typing import Any

from bench.database import own_database
from bench.ledger import execute

STORAGE = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = 'bets'::regclass"
PLACE = """
INSERT INTO {table} (id, user_id, market_id, side, amount, odds_at_bet, shares, status, placed_at,
    sold_amount, sold_payout, sale_count, settlement_count)
SELECT new_id(), md5('user' || number % 10000)::uuid, md5('market' || {day} || '-' || number % 100)::uuid, 'this', 100,
    0.5, 200, 'pending', now(), 0, 0, 0, 0
FROM generate_series(1, {bets}) AS number
"""
SETTLE = """
UPDATE {table} SET status = 'won', actual_payout = 200, resolved_at = now(), settlement_count = settlement_count + 1
WHERE status = 'pending' AND market_id = ANY(ARRAY(
    SELECT md5('market' || {day} || '-' || number)::uuid FROM generate_series({first}, {first} + 4) AS number
))
"""
SIZES = "SELECT pg_table_size('{table}') / 1e6, pg_indexes_size('{table}') / 1e6"
UPDATES = """
SELECT n_tup_hot_upd::float / nullif(n_tup_upd, 0), autovacuum_count, n_dead_tup::float / nullif(n_live_tup, 0)
FROM pg_stat_user_tables WHERE relname = '{table}'
"""


def row(statement: str) -> tuple[Any, ...]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def live(table: str, storage: str, days: int, bets: int) -> None:
    execute(f"CREATE TABLE {table} (LIKE bets INCLUDING ALL)")
    execute(f"ALTER TABLE {table} SET ({storage})")
    for day in range(days + 3):
        if day < days:
            execute(PLACE.format(table=table, day=day, bets=bets))
        # 100 markets, five in a batch.
        for first in range(0, 100, 5):
            execute(SETTLE.format(table=table, day=day - 3, first=first))
        time.sleep(1.5)


def report(table: str, storage: str) -> None:
    time.sleep(5)
    execute(f"CREATE TABLE {table}_once (LIKE bets INCLUDING ALL)")
    execute(f"ALTER TABLE {table}_once SET (fillfactor = 100)")
    execute(f"INSERT INTO {table}_once SELECT * FROM {table} ORDER BY id")
    (rows, indexes), (once, indexes_once) = (row(SIZES.format(table=name)) for name in (table, f"{table}_once"))
    in_place, vacuums, dead = row(UPDATES.format(table=table))
    print(
        f"| {storage} | {rows:.0f} | {rows / once:.2f} | {indexes:.0f} | {indexes / indexes_once:.2f} "
        f"| {in_place:.1%} | {vacuums} | {dead:.1%} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--bets", type=int, default=20_000)
    arguments = parser.parse_args()
    with own_database("bloat"):
        execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        execute("SELECT pg_reload_conf()")
        (shipped,) = row(STORAGE)
        print(
            "| storage settings | rows, MB | of those written once | indexes, MB | of those written once "
            "| in place | vacuums | dead |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for number, storage in enumerate(("fillfactor = 85", shipped.replace("=", " = "))):
            table = f"bets_{number}"
            live(table, storage, arguments.days, arguments.bets)
            report(table, storage)


if __name__ == "__main__":
    main()
