"""Fills the ledger set-based through the ledger, then times posts, batches and the audit.

`python -m bench.ledger`: a database of its own in var/bench-ledger-<process>, removed afterwards. Every figure stands
beside the bare SQL for the same rows, on tables without triggers, in the same run.
"""

import argparse
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from bench.database import own_database

USERS = """
INSERT INTO users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active, is_staff,
    referral_code)
SELECT new_id(), n || '@example.com', 'user' || n, '', '', false, '', '', '', true, false, lpad(n::text, 8, '0')
FROM generate_series(1, %s) AS n
"""
# Every user's turn comes once in `users` rows: the first `rows` transfers from the turn `first` on.
TRANSFERS = """
SELECT row_number() OVER () AS place, id AS user_id, 10.01::numeric AS amount, 'admin_adjustment' AS transaction_type,
    'staff' AS counterparty, new_id() AS reference_id, 0 AS occurrence, 0::numeric AS staked, '' AS description
FROM (SELECT id FROM users ORDER BY id OFFSET %(first)s LIMIT %(users)s) AS chosen, generate_series(1, %(times)s)
"""
BARE_TABLES = """
CREATE TABLE bare_users (LIKE users INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
ALTER TABLE bare_users SET (fillfactor = 80);
CREATE TABLE bare_entries (LIKE credit_transactions INCLUDING DEFAULTS INCLUDING INDEXES);
ALTER TABLE bare_entries ALTER hash DROP NOT NULL;
"""
BARE_USERS = """
INSERT INTO bare_users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active,
    is_staff, referral_code)
SELECT id, email, username, name, password, is_superuser, avatar_url, bio, x_username, is_active,
    is_staff, referral_code
FROM users
"""
BARE_POST = """
WITH moved AS (
    UPDATE bare_users SET credit_balance = credit_balance + %(amount)s, journal_length = journal_length + 1
    WHERE id = %(user_id)s AND credit_balance + %(amount)s >= 0 RETURNING id, credit_balance, journal_length
)
INSERT INTO bare_entries (id, user_id, sequence, amount, balance_after, transaction_type, counterparty, reference_id,
    description, created_at)
SELECT new_id(), id, journal_length, %(amount)s, credit_balance, 'daily_reward', 'issuance', new_id(), '', now()
FROM moved
"""
BARE_BATCH = """
WITH chosen AS MATERIALIZED (SELECT id FROM bare_users ORDER BY id OFFSET %(first)s LIMIT %(users)s),
moved AS (
    UPDATE bare_users
    SET credit_balance = credit_balance + 10.01 * %(times)s, journal_length = journal_length + %(times)s
    FROM chosen WHERE bare_users.id = chosen.id RETURNING bare_users.id, credit_balance, journal_length
)
INSERT INTO bare_entries (id, user_id, sequence, amount, balance_after, transaction_type, counterparty, reference_id,
    description, created_at)
SELECT new_id(), id, journal_length - %(times)s + n, 10.01, credit_balance - 10.01 * (%(times)s - n), 'daily_reward',
    'issuance', new_id(), '', now()
FROM moved, generate_series(1, %(times)s) AS n
"""


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def report(name: str, seconds: float, count: int, bare: float | None = None) -> None:
    ratio = f", {seconds / bare:.2f} times the bare SQL" if bare else ""
    print(f"{name}: {seconds:.2f} s, {count / seconds:,.0f}/s{ratio}", flush=True)


def execute(statement: str, parameters: Any = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def fill(rows: int, users: int, batch: int) -> None:
    """Fill the ledger in batches, as settlement posts them: 20 rows for each of some users at a time."""
    from django.db import transaction
    from django.utils import timezone

    from economy.ledger import post_from

    times = max(1, rows // users)
    places = [{"first": first, "users": batch // times, "times": times} for first in range(0, users, batch // times)]

    def posted() -> None:
        for place in places:
            with transaction.atomic():
                post_from(TRANSFERS, parameters=place, now=timezone.now())

    def bare() -> None:
        for place in places:
            with transaction.atomic():
                execute(BARE_BATCH, place)

    report(f"{rows:,} rows of {users:,} users in batches of {batch:,}", timed(posted), rows, timed(bare))


def single(count: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from accounts.models import User
    from economy.ledger import Transfer, post
    from economy.models import TransactionType

    ids = list(User.objects.order_by("pk").values_list("pk", flat=True)[:1000])
    kind = TransactionType.ADMIN_ADJUSTMENT

    def posted() -> None:
        for i in range(count):
            user_id, reference = ids[i % len(ids)], uuid4()
            with transaction.atomic():
                transfer = Transfer(user_id=user_id, amount=Decimal(1), transaction_type=kind, reference_id=reference)
                post(transfer, now=timezone.now())

    def bare() -> None:
        for i in range(count):
            with transaction.atomic():
                execute(BARE_POST, {"amount": Decimal(1), "user_id": ids[i % len(ids)]})

    bare_seconds = timed(bare)
    report(f"{count:,} posts, each in its own transaction", timed(posted), count, bare_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=5_000)
    parser.add_argument("--posts", type=int, default=5_000)
    arguments = parser.parse_args()
    with own_database("ledger"):
        from django.utils import timezone

        from economy.ledger.anchors import anchor
        from economy.ledger.audit import audit
        from tests.economy.factories import record_adjustments

        execute(USERS, [arguments.users])
        execute(BARE_TABLES)
        execute(BARE_USERS)
        execute("ANALYZE")
        fill(arguments.rows, arguments.users, arguments.batch)
        single(arguments.posts)
        record_adjustments()
        report("an anchor, the first", timed(lambda: anchor(now=timezone.now())), arguments.users)
        report("an anchor, nothing moved", timed(lambda: anchor(now=timezone.now())), arguments.users)
        found = audit()
        print(f"audit of {found.findings['chains'].examined:,} rows: {found.seconds:.2f} s, passed: {found.passed}")
        sys.exit(not found.passed)


if __name__ == "__main__":
    main()
