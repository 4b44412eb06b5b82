"""Counting the ranks of many users, beside the bare UPDATE of the same columns; then reading them.

`python -m bench.leaderboard`: a database of its own in var/bench-leaderboard-<process>, removed afterwards. The bare
UPDATE ranks and writes in one statement, on a table without triggers: it holds a million locks until it ends.
"""

import argparse
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.ledger import BARE_TABLES, BARE_USERS, USERS, execute, report, timed
from bench.markets import environment

VAR = Path(__file__).resolve().parent.parent / "var" / f"bench-leaderboard-{os.getpid()}"
SHUFFLE = """
UPDATE {table} SET overall_pnl = round((random() * 20000 - 10000)::numeric, 2),
    total_volume = round((random() * 100000)::numeric, 2)
"""
# One in a hundred passes a neighbour, in both orders.
SWAP = """
UPDATE users SET {figure} = other.{figure} FROM users AS other
WHERE users.rank_by_{order} %% 200 IN (10, 11)
AND other.rank_by_{order} = users.rank_by_{order} + CASE users.rank_by_{order} %% 200 WHEN 10 THEN 1 ELSE -1 END
"""
BARE = """
UPDATE bare_users SET rank_by_pnl = by_pnl, rank_by_volume = by_volume FROM (
    SELECT id, row_number() OVER (ORDER BY overall_pnl DESC, created_at, id) AS by_pnl,
        row_number() OVER (ORDER BY total_volume DESC, created_at, id) AS by_volume
    FROM bare_users
) AS ranked WHERE ranked.id = bare_users.id
"""


def counts(users: int) -> None:
    from django.utils import timezone

    from leaderboard.services import recount

    report("first count", timed(lambda: print(recount(now=timezone.now()))), users)
    execute("VACUUM ANALYZE users")
    report("nothing changed", timed(lambda: print(recount(now=timezone.now()))), users)
    execute(SWAP.format(figure="overall_pnl", order="pnl"), {})
    execute(SWAP.format(figure="total_volume", order="volume"), {})
    report("1 % changed", timed(lambda: print(recount(now=timezone.now()))), users)
    execute(SHUFFLE.format(table="users"))
    execute("VACUUM ANALYZE users")
    execute(SHUFFLE.format(table="bare_users"))
    execute("VACUUM ANALYZE bare_users")
    bare = timed(lambda: execute(BARE))
    report("the bare UPDATE, everything changed", bare, users)
    report("everything changed", timed(print_parts), users, bare)


def print_parts() -> None:
    """The count in its parts."""
    from django.utils import timezone

    from leaderboard import services
    from leaderboard.periods import Period

    now = timezone.now()
    for first, last in services.days_to_count(now=now):
        print(f"  days: {timed(lambda first=first, last=last: services.count_days(first, last)):.2f} s")
    for period in Period:
        print(f"  {period}: {timed(lambda period=period: services.count_ranks(period, now=now)):.2f} s")
    print(f"  users: {timed(lambda: print('  (cached, passed over):', services.cache_ranks())):.2f} s", flush=True)


def reads(users: int) -> None:
    from accounts.models import User
    from leaderboard.periods import Period
    from leaderboard.selectors import Order, entries, ranking

    middle = User.objects.get(rank_by_pnl=users // 2).pk
    each: dict[str, Callable[[], Any]] = {
        "top 100": lambda: entries(Order.PNL, Period.ALL, after=0, until=100),
        f"100 at {users // 2:,}": lambda: entries(Order.VOLUME, Period.ALL, after=users // 2, until=users // 2 + 100),
        "own rank and ten around": lambda: ranking(middle, Order.PNL, Period.ALL),
    }
    for name, work in each.items():
        spent = sorted(timed(work) * 1000 for _ in range(300))
        print(f"{name}: median {statistics.median(spent):.2f} ms, p99 {spent[296]:.2f} ms", flush=True)


def posting(stop: threading.Event, ids: list[Any], spent: list[float]) -> None:
    """Stakes of bets, as far as users' rows are concerned, one after the other."""
    from django.db import connections, transaction
    from django.utils import timezone

    from economy.ledger import Transfer, post
    from economy.models import TransactionType

    while not stop.is_set():
        given = {"transaction_type": TransactionType.ADMIN_ADJUSTMENT, "reference_id": uuid4()}
        transfer = Transfer(user_id=ids[len(spent) % len(ids)], amount=Decimal(1), **given)
        begun = time.perf_counter()
        with transaction.atomic():
            post(transfer, now=timezone.now())
        spent.append((time.perf_counter() - begun) * 1000)
    connections.close_all()


def posts_meanwhile(work: Callable[[], Any], name: str) -> None:
    from accounts.models import User

    ids = list(User.objects.order_by("referral_code").values_list("pk", flat=True)[:20_000:7])
    stop, spent = threading.Event(), list[float]()
    poster = threading.Thread(target=posting, args=(stop, ids, spent))
    poster.start()
    work()
    stop.set()
    poster.join()
    spent.sort()
    print(
        f"posts {name}: {len(spent):,}, median {statistics.median(spent):.2f} ms, "
        f"p99 {spent[int(len(spent) * 0.99)]:.2f} ms, longest {spent[-1]:.0f} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    arguments = parser.parse_args()
    VAR.mkdir(parents=True)
    from thisthat.embedded.postgres import start

    database = start(VAR)
    os.environ.update(environment(database.url), VAR_DIR=str(VAR), DJANGO_SETTINGS_MODULE="thisthat.settings")
    try:
        import django

        django.setup()
        from django.core.management import call_command
        from django.utils import timezone

        from leaderboard.services import recount

        call_command("migrate", verbosity=0)
        execute(USERS, [arguments.users])
        execute(SHUFFLE.format(table="users"))
        execute(BARE_TABLES)
        execute(BARE_USERS)
        execute("VACUUM ANALYZE")
        counts(arguments.users)
        execute("VACUUM ANALYZE ranks")
        reads(arguments.users)
        posts_meanwhile(lambda: time.sleep(8), "alone")
        execute(SHUFFLE.format(table="users"))
        posts_meanwhile(lambda: recount(now=timezone.now() + timedelta(seconds=1)), "while everything is counted")
    finally:
        from django.db import connections

        connections.close_all()
        database.stop()
        shutil.rmtree(VAR, ignore_errors=True)


if __name__ == "__main__":
    main()
