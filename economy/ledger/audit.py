"""The audit: whether every number of credits follows from the ledger's entries. Set-based, on one snapshot.

The apps above register their own invariants (`register`), and what users have staked (`register_positions`), when
they are ready: locked credits and realized profit follow from these and the entries.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from core.db import schema
from core.db.sql import execute, fetch_all
from economy.ledger.posting import EFFECTS, rebuild_columns
from economy.models import Counterparty

EXAMPLES = 20
# How far times may seem to go back, in SQL: a run gives all that it pays the time at which it began, for some minutes,
# and the system times of machines differ by seconds.
SLACK = "interval '15 minutes'"

CHAINED = """hash = ledger_hash(lag(hash) OVER history, user_id, ledger_content(
    sequence, id, amount, balance_after, transaction_type, counterparty, reference_id, occurrence, created_at,
    description
))"""
# One pass over the ledger, in order: each entry against the one before it, and sums by user.
TOTALS = f"""
CREATE TEMPORARY TABLE audit_totals ON COMMIT DROP AS
SELECT user_id, count(*) AS length, max(sequence) AS last_sequence, sum(amount) AS balance,
    sum(balance_after) FILTER (WHERE is_last) AS last_balance, count(*) FILTER (WHERE NOT follows) AS breaks,
    count(*) FILTER (WHERE NOT chained) AS forged, (array_agg(hash) FILTER (WHERE is_last))[1] AS last_hash,
    count(*) FILTER (WHERE is_earlier) AS earlier,
    sum({EFFECTS["expended_credits"]}) AS expended_credits, sum({EFFECTS["total_volume"]}) AS total_volume,
    sum({EFFECTS["referral_credits_earned"]}) AS referral_credits_earned,
    sum(CASE WHEN counterparty IN ('escrow', 'stocks') THEN amount ELSE 0 END) AS returned
FROM (
    SELECT user_id, sequence, amount, balance_after, transaction_type, counterparty, hash, {CHAINED} AS chained,
        lead(sequence) OVER history IS NULL AS is_last,
        sequence = lag(sequence, 1, 0::bigint) OVER history + 1
        AND balance_after = lag(balance_after, 1, 0::numeric) OVER history + amount AS follows,
        created_at < lag(created_at) OVER history - {SLACK} AS is_earlier
    FROM credit_transactions WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS entries
GROUP BY user_id
"""  # noqa: S608 - constants of the ledger
NO_POSITIONS = "SELECT NULL::uuid AS user_id, NULL::text AS counterparty, NULL::numeric AS staked WHERE false"
STAKES = """
CREATE TEMPORARY TABLE audit_positions ON COMMIT DROP AS
SELECT user_id, coalesce(sum(staked) FILTER (WHERE counterparty = 'escrow'), 0) AS locked, sum(staked) AS staked
FROM ({sources}) AS positions GROUP BY user_id
"""
EXPECTED = """
CREATE TEMPORARY TABLE audit_expected ON COMMIT DROP AS
SELECT users.id AS user_id, coalesce(balance, 0) AS credit_balance, coalesce(length, 0) AS journal_length,
    coalesce(last_balance, 0) AS last_balance, coalesce(last_sequence, 0) AS last_sequence,
    coalesce(locked, 0) AS locked_credits, coalesce(totals.expended_credits, 0) AS expended_credits,
    coalesce(totals.total_volume, 0) AS total_volume, coalesce(returned, 0) + coalesce(staked, 0) AS overall_pnl,
    coalesce(totals.referral_credits_earned, 0) AS referral_credits_earned,
    last_hash AS ledger_head,
    coalesce(breaks = 0 AND forged = 0 AND length = last_sequence AND balance = last_balance AND balance >= 0
        AND users.ledger_head IS NOT DISTINCT FROM last_hash, true) AS whole
FROM users LEFT JOIN audit_totals AS totals ON totals.user_id = users.id
LEFT JOIN audit_positions AS positions ON positions.user_id = users.id
"""
DROP_TABLES = "DROP TABLE IF EXISTS audit_totals, audit_positions, audit_expected"

ENTRIES = "SELECT coalesce(sum(length), 0) FROM audit_totals"
USERS = "SELECT count(*) FROM audit_expected"
BROKEN_CHAINS = """
SELECT id FROM (
    SELECT id, sequence = lag(sequence, 1, 0::bigint) OVER history + 1
        AND balance_after = lag(balance_after, 1, 0::numeric) OVER history + amount AS follows
    FROM credit_transactions WHERE user_id IN (SELECT user_id FROM audit_totals WHERE breaks > 0)
    WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS entries WHERE NOT follows
"""
FORGED = f"""
SELECT id FROM (
    SELECT id, {CHAINED} AS chained FROM credit_transactions
    WHERE user_id IN (SELECT user_id FROM audit_totals WHERE forged > 0)
    WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS entries WHERE NOT chained
UNION ALL
"""  # noqa: S608 - constants of the ledger
GOING_BACK = f"""
SELECT id FROM (
    SELECT id, created_at < lag(created_at) OVER history - {SLACK} AS is_earlier
    FROM credit_transactions WHERE user_id IN (SELECT user_id FROM audit_totals WHERE earlier > 0)
    WINDOW history AS (PARTITION BY user_id ORDER BY sequence)
) AS entries WHERE is_earlier
"""  # noqa: S608 - constants of this module
OWNERLESS = "SELECT user_id AS id FROM audit_totals WHERE user_id NOT IN (SELECT id FROM users)"
WRONG_BALANCES = """
SELECT user_id AS id FROM audit_expected AS expected JOIN users ON users.id = user_id
WHERE (users.credit_balance, users.credit_balance, users.journal_length, users.journal_length)
IS DISTINCT FROM (expected.credit_balance, last_balance, expected.journal_length, last_sequence)
"""
# Of one column.
DIFFERENT = """
SELECT user_id AS id FROM audit_expected AS expected JOIN users ON users.id = user_id
WHERE users.{column} IS DISTINCT FROM expected.{column}
"""
FORGED += DIFFERENT.format(column="ledger_head")
BONUSES = "SELECT count(*) FROM credit_transactions WHERE transaction_type IN ('signup_bonus', 'referral_bonus')"
STRANGE_BONUSES = """
SELECT id FROM credit_transactions AS bonus
WHERE transaction_type = 'signup_bonus' AND reference_id <> user_id
UNION ALL
SELECT bonus.id FROM credit_transactions AS bonus LEFT JOIN users AS newcomer ON newcomer.id = reference_id
WHERE transaction_type = 'referral_bonus' AND newcomer.referred_by_id IS DISTINCT FROM user_id
"""
DEBTS = "SELECT count(*) FROM debts"
DEBTS_UNLIKE_LEDGER = """
SELECT coalesce(debt.reference_id, ledger.reference_id) AS id FROM debts AS debt FULL JOIN (
    SELECT reference_id, transaction_type, user_id, count(*) AS entries,
        coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS lent,
        coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS repaid
    FROM credit_transactions WHERE counterparty = 'house' GROUP BY reference_id, transaction_type, user_id
) AS ledger USING (reference_id, transaction_type, user_id)
WHERE (debt.lent, debt.repaid, debt.entries) IS DISTINCT FROM (ledger.lent, ledger.repaid, ledger.entries)
OR ledger.repaid > ledger.lent
UNION
SELECT reference_id FROM (
    SELECT reference_id, transaction_type, user_id,
        sum(amount) FILTER (WHERE counterparty = 'house' AND amount > 0) AS lent,
        -sum(amount) FILTER (WHERE counterparty <> 'house') AS taken
    FROM credit_transactions WHERE transaction_type IN ('settlement_reversal', 'purchase_refund')
    GROUP BY reference_id, transaction_type, user_id
) AS loans WHERE lent > coalesce(taken, 0)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """How many were examined, how many break the invariant, and the ids of the first of those."""

    examined: int
    broken: int
    examples: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """What must always hold, and what finds its breaches; `find` runs inside the audit's snapshot."""

    name: str
    statement: str
    find: Callable[[], Finding]


@dataclass(frozen=True, slots=True)
class Report:
    findings: dict[str, Finding]
    repaired: int | None  # users; None where no repair was asked for
    seconds: float

    @property
    def passed(self) -> bool:
        return not any(finding.broken for finding in self.findings.values())

    def as_dict(self) -> dict[str, Any]:
        checks = {name: asdict(finding) for name, finding in self.findings.items()}
        return {"passed": self.passed, "seconds": round(self.seconds, 3), "repaired": self.repaired, "checks": checks}


def by_sql(name: str, statement: str, *, examined: str, breaches: str) -> Invariant:
    """Return an invariant of two SELECTs: how many are examined, and a column `id` of what breaks it."""

    def find() -> Finding:
        ((count,),) = fetch_all(examined)
        ((broken, examples),) = fetch_all(
            f"SELECT count(*), (array_agg(id::text ORDER BY id))[1:{EXAMPLES}] FROM ({breaches}) AS breaches"  # noqa: S608
        )
        return Finding(int(count), broken, examples or [])

    return Invariant(name=name, statement=statement, find=find)


def find_schema_changes() -> Finding:
    lines = schema.differences()
    return Finding(schema.examined(), len(lines), lines[:EXAMPLES])


def by_column(name: str, statement: str, column: str) -> Invariant:
    """Return the invariant that a column of the users is what the entries say."""
    return by_sql(name, statement, examined=USERS, breaches=DIFFERENT.format(column=column))


INVARIANTS: list[Invariant] = [
    by_sql(
        "chains",
        "Every user's entries are numbered without gaps, and each balance is the one before plus the amount.",
        examined=ENTRIES,
        breaches=BROKEN_CHAINS,
    ),
    by_sql(
        "ledger_chain",
        "The hash of every ledger entry covers it and all of the user's before; the user's head is the last one's.",
        examined=ENTRIES,
        breaches=FORGED,
    ),
    by_sql(
        "times",
        "No entry of a user is older than the one before it, but for the minutes that a run takes.",
        examined=ENTRIES,
        breaches=GOING_BACK,
    ),
    by_sql("owners", "Every ledger entry has its user.", examined=ENTRIES, breaches=OWNERLESS),
    by_sql(
        "balances",
        "Every balance is the sum of the user's entries and what the last of them says.",
        examined=USERS,
        breaches=WRONG_BALANCES,
    ),
    by_column("locked", "Locked credits are the stake of open bets.", "locked_credits"),
    by_column("expended", "Expended credits are all that was staked or invested.", "expended_credits"),
    by_column("volume", "Volume is all that was staked on markets.", "total_volume"),
    by_column(
        "profit", "Realized profit is what came back less what was put in and isn't staked any more.", "overall_pnl"
    ),
    by_column("referrals", "Referral credits are the referral bonuses.", "referral_credits_earned"),
    by_sql(
        "debts",
        "Every debt is what the house lent less what was repaid, never less than nothing, and the house lent for what "
        "a reversal or a refund took, and not more.",
        examined=DEBTS,
        breaches=DEBTS_UNLIKE_LEDGER,
    ),
    by_sql(
        "bonuses",
        "Signup bonuses are the user's own, referral bonuses for somebody whom the user referred.",
        examined=BONUSES,
        breaches=STRANGE_BONUSES,
    ),
    Invariant(
        name="schema",
        statement="Triggers, functions, constraints and grants are what the migrations made.",
        find=find_schema_changes,
    ),
]
POSITIONS: dict[str, str] = {}


def register(invariant: Invariant) -> None:
    """Add an invariant of another module or app to the audit."""
    INVARIANTS.append(invariant)


def register_positions(counterparty: Counterparty, select: str) -> None:
    """Register what users have staked with escrow or in stocks: a SELECT of `user_id` and `staked`, any rows a user."""
    POSITIONS[str(counterparty)] = select


def audit(*, repair: bool = False) -> Report:
    """Check all invariants; with `repair`, first set the users' columns to what the entries say, never the entries."""
    started = time.perf_counter()
    with snapshot():
        derive_expected()
        repaired = rebuild_columns() if repair else None
        findings = {invariant.name: invariant.find() for invariant in INVARIANTS}
        execute(DROP_TABLES)
    return Report(findings, repaired, time.perf_counter() - started)


@contextmanager
def snapshot() -> Iterator[None]:
    """Read one moment of the database inside the block, whatever is written meanwhile."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        execute("SET LOCAL work_mem = '64MB'")
        # Whole tables are compared. Where a settlement changed most rows just now, statistics still say that there are
        # none such, and each row would be looked for among all.
        execute("SET LOCAL enable_nestloop = off")
        yield
        execute("SET LOCAL enable_nestloop = on")


def derive_expected() -> None:
    """Make the temporary tables of what the entries and the positions say that users should have."""
    sources = [
        f"SELECT user_id, '{counterparty}' AS counterparty, staked FROM ({select}) AS source"  # noqa: S608 - the apps' own
        for counterparty, select in POSITIONS.items()
    ]
    execute(DROP_TABLES)
    execute(TOTALS)
    execute(STAKES.format(sources=" UNION ALL ".join(sources) or NO_POSITIONS))
    execute("ANALYZE audit_totals, audit_positions")
    execute(EXPECTED)
    execute("ANALYZE audit_expected")
