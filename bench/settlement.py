"""Settles one market with many bets, beside the bare minimum of SQL for the same rows in one statement.

`python -m bench.settlement --bets 100000 --users 100000`: a database of its own in var/bench-settlement-<process>,
removed afterwards. The bare SQL works on tables without triggers and constraints, in the same run. While it settles,
others read balances and bet, and how long they took is printed.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.database import own_database
from bench.ledger import execute, report, timed

BARE_TABLES = """
CREATE TABLE bare_users (LIKE users INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
ALTER TABLE bare_users SET (fillfactor = 80);
CREATE TABLE bare_bets (LIKE bets INCLUDING DEFAULTS INCLUDING INDEXES);
ALTER TABLE bare_bets SET (fillfactor = 85);
CREATE TABLE bare_ledger (LIKE credit_transactions INCLUDING DEFAULTS INCLUDING INDEXES);
ALTER TABLE bare_ledger ALTER hash DROP NOT NULL;
"""
COPY_USERS = "INSERT INTO bare_users ({columns}) SELECT {columns} FROM users"
COPY = "INSERT INTO bare_bets SELECT * FROM bets; INSERT INTO bare_ledger SELECT * FROM credit_transactions"
USER_COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
WHERE table_name = 'users' AND table_schema = 'public' AND is_generated = 'NEVER'
"""
# The outcome, the running balances, and the three writes.
BARE = """
WITH settled AS MATERIALIZED (
    SELECT id, user_id, amount, CASE side WHEN 'this' THEN trunc(amount / odds_at_bet, 2) ELSE 0 END AS payout
    FROM bare_bets WHERE market_id = %(market)s AND status = 'pending'
), totals AS (
    SELECT user_id, sum(payout) AS payout, sum(amount) AS stake, count(*) FILTER (WHERE payout > 0) AS rows
    FROM settled GROUP BY user_id
), moved AS (
    UPDATE bare_users SET credit_balance = credit_balance + payout, locked_credits = locked_credits - stake,
        overall_pnl = overall_pnl + payout - stake, journal_length = journal_length + rows
    FROM totals WHERE bare_users.id = totals.user_id
    RETURNING bare_users.id, credit_balance - payout AS before, journal_length - rows AS sequence
), written AS (
    INSERT INTO bare_ledger (id, user_id, sequence, amount, balance_after, transaction_type, counterparty,
        reference_id, occurrence, description, created_at)
    SELECT new_id(), user_id, sequence + row_number() OVER history, payout, before + sum(payout) OVER history,
        'bet_payout', 'escrow', settled.id, 0, '', now()
    FROM settled JOIN moved ON moved.id = user_id WHERE payout > 0
    WINDOW history AS (PARTITION BY user_id ORDER BY settled.id ROWS UNBOUNDED PRECEDING)
)
UPDATE bare_bets SET status = CASE WHEN payout > 0 THEN 'won' ELSE 'lost' END, actual_payout = payout,
    resolved_at = now(), settlement_count = settlement_count + 1
FROM settled WHERE bare_bets.id = settled.id
"""


class Probe(threading.Thread):
    """Does something again and again, as any other request would, and notes how long it took."""

    def __init__(self, name: str, request: Callable[[], Any]) -> None:
        super().__init__(name=name)
        self.request = request
        self.over = threading.Event()
        self.seconds: list[float] = []
        self.start()

    def run(self) -> None:
        from django.db import connection

        while not self.over.wait(0.01):
            self.seconds.append(timed(self.request))
        connection.close()

    def result(self) -> str:
        self.over.set()
        self.join()
        slowest = sorted(self.seconds)
        p50, p99, last = (slowest[int((len(slowest) - 1) * part)] * 1000 for part in (0.5, 0.99, 1))
        return f"{len(slowest)} {self.name} meanwhile: p50 {p50:.1f}, p99 {p99:.1f}, slowest {last:.1f} ms"


def probes() -> list[Probe]:
    """Return probes that read balances, and have users of the batch at work bet on another market."""
    from django.utils import timezone

    from accounts.models import User
    from betting.orders import get_market_snapshot, validate_order
    from betting.pricing import price_order
    from betting.services import place_bet
    from core.db.transactions import run_transaction
    from tests.betting.factories import order
    from tests.markets.factories import add_market

    market = add_market(slug="other")
    users = list(User.objects.values_list("pk", flat=True))

    def read() -> None:
        execute("SELECT credit_balance FROM users WHERE id = %s", [random.choice(users)])

    def bet() -> None:
        snapshot = get_market_snapshot(str(market.pk))
        wanted = validate_order(order(market, 10))
        priced = price_order(order=wanted, market=snapshot, now=timezone.now(), before_upstream=lambda: None)
        run_transaction(lambda: place_bet(priced=priced, user_id=random.choice(users), clock=timezone.now))

    return [Probe("balances read", read), Probe("bets placed", bet)]


def fill(bets: int, users: int) -> Any:
    from tests.betting.settlement.bulk import add_users, place_many
    from tests.betting.settlement.factories import end
    from tests.markets.factories import add_market

    add_users(users, credits_each=100_000)
    market = add_market()
    place_many(market, bets)
    end(market)
    return market


def copy_to_bare() -> None:
    from django.db import connection

    execute(BARE_TABLES)
    with connection.cursor() as cursor:
        cursor.execute(USER_COLUMNS)
        (columns,) = cursor.fetchone()
    execute(COPY_USERS.format(columns=columns))
    execute(COPY)


def measure(bets: int, users: int, size: int) -> bool:
    from django.utils import timezone

    from betting.settlement import settle_market
    from economy.ledger.audit import audit

    market = fill(bets, users)
    copy_to_bare()
    for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
        execute(statement)
    running = probes()
    seconds = timed(lambda: settle_market(market_id=market.pk, now=timezone.now(), size=size))
    meanwhile = "\n".join(probe.result() for probe in running)
    execute("CHECKPOINT")
    bare = timed(lambda: execute(BARE, {"market": market.pk}))
    report(f"{bets:,} bets of {users:,} users, in batches of {size:,}", seconds, bets, bare)
    print(f"bare SQL: {bare:.2f} s\n{meanwhile}")
    begun = time.perf_counter()
    found = audit()
    print(f"audit: {time.perf_counter() - begun:.2f} s, passed: {found.passed}")
    return found.passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bets", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=5_000)
    arguments = parser.parse_args()
    with own_database("settlement"):
        sys.exit(not measure(arguments.bets, arguments.users, arguments.batch))


if __name__ == "__main__":
    main()
