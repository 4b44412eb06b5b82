"""Does every number of credits follow from the journal? Set-based, on one snapshot of the live database.

The apps above register their own promises (`register`), and what users have at stake (`register_positions`), when
they are ready: locked credits and realized profit follow from these and the journal.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from core.api.errors import DomainError
from economy import audit_sql as sql
from economy.ledger.posting import rebuild_columns
from economy.models import Counterparty

EXAMPLES = 20


class BooksDontBalance(DomainError):
    code = "books_dont_balance"
    status = 500
    message = "The audit of the ledger found broken promises."


@dataclass(frozen=True, slots=True)
class Finding:
    """How many were looked at, how many break the promise, and the ids of the first of those."""

    examined: int
    broken: int
    examples: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise, and what finds its breaches; `find` runs inside the audit's snapshot."""

    name: str
    promise: str
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


def by_sql(name: str, promise: str, *, examined: str, breaches: str) -> Check:
    """A check of two SELECTs: the number of what is looked at, and a column `id` of what breaks the promise."""

    def find() -> Finding:
        ((count,),) = fetch(examined)
        ((broken, examples),) = fetch(
            f"SELECT count(*), (array_agg(id::text ORDER BY id))[1:{EXAMPLES}] FROM ({breaches}) AS breaches"  # noqa: S608
        )
        return Finding(int(count), broken, examples or [])

    return Check(name=name, promise=promise, find=find)


def by_column(name: str, promise: str, column: str) -> Check:
    return by_sql(name, promise, examined=sql.USERS, breaches=sql.DIFFERENT.format(column=column))


CHECKS: list[Check] = [
    by_sql(
        "chains",
        "Every user's rows are numbered without gaps, and each balance is the one before plus the amount.",
        examined=sql.ROWS,
        breaches=sql.BROKEN_CHAINS,
    ),
    by_sql("owners", "Every row of the journal has its user.", examined=sql.ROWS, breaches=sql.OWNERLESS),
    by_sql(
        "balances",
        "Every balance is the sum of the user's rows and what the last of them says.",
        examined=sql.USERS,
        breaches=sql.WRONG_BALANCES,
    ),
    by_column("locked", "Locked credits are the stake of open bets.", "locked_credits"),
    by_column("expended", "Expended credits are all that was staked or invested.", "expended_credits"),
    by_column("volume", "Volume is all that was staked on markets.", "total_volume"),
    by_column("profit", "Realized profit is what came back less what was put in and isn't at stake.", "overall_pnl"),
    by_column("referrals", "Referral credits are the referral bonuses.", "referral_credits_earned"),
    by_sql(
        "debts",
        "Every debt is what the house lent less what was repaid, and never less than nothing.",
        examined=sql.DEBTS,
        breaches=sql.DEBTS_UNLIKE_JOURNAL,
    ),
    by_sql(
        "bonuses",
        "Signup bonuses are the user's own, referral bonuses for somebody whom the user referred.",
        examined=sql.BONUSES,
        breaches=sql.STRANGE_BONUSES,
    ),
]
POSITIONS: dict[str, str] = {}


def register(check: Check) -> None:
    """Adds a promise of another app to the audit."""
    CHECKS.append(check)


def register_positions(counterparty: Counterparty, select: str) -> None:
    """Says what users have at stake with escrow or in stocks: a SELECT of `user_id` and `staked`, any rows a user."""
    POSITIONS[str(counterparty)] = select


def audit(*, repair: bool = False) -> Report:
    """Checks everything; with `repair`, first sets the users' columns to what the journal says, never the journal."""
    begun = time.perf_counter()
    with snapshot():
        derive()
        repaired = rebuild_columns() if repair else None
        findings = {check.name: check.find() for check in CHECKS}
        forget()
    return Report(findings, repaired, time.perf_counter() - begun)


@contextmanager
def snapshot() -> Iterator[None]:
    """One moment of the database, whatever is written meanwhile."""
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


def derive() -> None:
    sources = [
        f"SELECT user_id, '{counterparty}' AS counterparty, staked FROM ({select}) AS source"  # noqa: S608 - the apps' own
        for counterparty, select in POSITIONS.items()
    ]
    execute(sql.FORGET)
    execute(sql.TOTALS)
    execute(sql.POSITIONS.format(sources=" UNION ALL ".join(sources) or sql.NO_POSITIONS))
    execute("ANALYZE audit_totals, audit_positions")
    execute(sql.EXPECTED)
    execute("ANALYZE audit_expected")


def forget() -> None:
    execute(sql.FORGET)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def fetch(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
