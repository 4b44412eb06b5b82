"""The nightly rewards of many users, beside the bare SQL for the same rows.

`python -m bench.rewards`: a database of its own in var/bench-rewards-<process>, removed afterwards. The bare SQL writes
rewards, ledger entries and users of one day in batches, too, one after the other, on tables without triggers.
"""

import argparse
import sys
from datetime import datetime, timedelta
from functools import partial

from bench.database import own_database
from bench.ledger import BARE_TABLES, BARE_USERS, USERS, execute, report, timed

BARE_REWARDS = "CREATE TABLE bare_rewards (LIKE daily_rewards INCLUDING DEFAULTS INCLUDING INDEXES)"
BARE_DAY = """
WITH chosen AS MATERIALIZED (SELECT id FROM bare_users ORDER BY id OFFSET %(first)s LIMIT %(users)s),
moved AS (
    UPDATE bare_users SET credit_balance = credit_balance + 1000, journal_length = journal_length + 1,
        consecutive_days_online = 1, last_daily_reward_at = %(now)s
    FROM chosen WHERE bare_users.id = chosen.id RETURNING bare_users.id, credit_balance, journal_length
), rewarded AS (
    INSERT INTO bare_rewards (id, user_id, day, streak, credits, created_at)
    SELECT new_id(), id, %(now)s::date, 1, 1000, %(now)s FROM moved RETURNING id, user_id
)
INSERT INTO bare_entries (id, user_id, sequence, amount, balance_after, transaction_type, counterparty, reference_id,
    description, created_at)
SELECT new_id(), moved.id, journal_length, 1000, credit_balance, 'daily_reward', 'issuance', rewarded.id,
    'Daily reward, day 1', %(now)s
FROM moved JOIN rewarded ON rewarded.user_id = moved.id
"""


def days(users: int, count: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from economy.rewards import BATCH, reward_active_users

    now = timezone.now()

    def bare(moment: datetime) -> None:
        for first in range(0, users, BATCH):
            with transaction.atomic():
                execute(BARE_DAY, {"first": first, "users": BATCH, "now": moment})

    for day in range(count):
        moment = now + timedelta(days=day)
        for table in ("users", "bare_users"):
            execute(f"UPDATE {table} SET last_active_at = %s", [moment])
            execute(f"VACUUM ANALYZE {table}")
        execute("CHECKPOINT")
        bare_seconds = timed(partial(bare, moment))
        execute("CHECKPOINT")
        seconds = timed(partial(reward_active_users, now=moment + timedelta(days=1)))
        report(f"day {day + 1}, {users:,} users", seconds, users, bare_seconds)
    report("the same day again, nobody due", timed(lambda: reward_active_users(now=moment + timedelta(days=1))), users)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=3)
    arguments = parser.parse_args()
    with own_database("rewards"):
        from economy.ledger.audit import audit

        execute(USERS, [arguments.users])
        execute(BARE_TABLES)
        execute(BARE_REWARDS)
        execute(BARE_USERS)
        execute("ANALYZE")
        days(arguments.users, arguments.days)
        found = audit()
        print(f"audit of {found.findings['rewards'].examined:,} rewards: {found.seconds:.2f} s, passed: {found.passed}")
        sys.exit(not found.passed)


if __name__ == "__main__":
    main()
