"""Reads of the journal, each one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Sum

from core.api.requests import decode_cursor, encode_cursor, invalid_cursor
from economy.models import Debt

SEQUENCE_MAX = 2**63 - 1
NAMES = ("id", "amount", "transactionType", "referenceId", "balanceAfter", "description", "createdAt")
COLUMNS = """
id, amount, transaction_type, reference_id, balance_after, description,
to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
"""
# A user's rows are numbered without gaps: the last number is how many there are, and an offset is a number.
ALL = f"""
SELECT total, page.* FROM (SELECT journal_length AS total FROM users WHERE id = %(user_id)s) AS owner
LEFT JOIN LATERAL (
    SELECT sequence, {COLUMNS} FROM credit_transactions
    WHERE user_id = %(user_id)s AND sequence <= total - %(offset)s AND sequence < %(before)s
    ORDER BY sequence DESC LIMIT %(limit)s + 1
) AS page ON true
"""  # noqa: S608
OF_TYPE = f"""
SELECT total, page.* FROM (
    SELECT count(*) AS total FROM credit_transactions WHERE user_id = %(user_id)s AND transaction_type = %(type)s
) AS counted
LEFT JOIN LATERAL (
    SELECT sequence, {COLUMNS} FROM credit_transactions
    WHERE user_id = %(user_id)s AND transaction_type = %(type)s AND sequence < %(before)s
    ORDER BY sequence DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
) AS page ON true
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was asked for; `offset` and `cursor` exclude each other."""

    type: str | None = None
    limit: int = 50
    offset: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`total`: how many match in all. `next_cursor`: where to go on, None at the end."""

    transactions: list[dict[str, Any]]
    total: int
    next_cursor: str | None


def list_transactions(user_id: UUID, query: Query) -> Page:
    """A user's transfers, newest first. Rows that are added meanwhile don't move what a cursor shows.

    Raises ValidationError for a cursor that isn't one.
    """
    place = {"before": position(query.cursor), "offset": query.offset, "limit": query.limit}
    rows = fetch(OF_TYPE if query.type else ALL, {"user_id": user_id, "type": query.type, **place})
    total = rows[0][0] if rows else 0
    found = [row for row in rows if row[1] is not None]
    shown = found[: query.limit]
    more = len(found) > len(shown)
    return Page(
        [dict(zip(NAMES, row[2:], strict=True)) for row in shown],
        total,
        encode_cursor(shown[-1][1]) if more else None,
    )


def position(cursor: str | None) -> int:
    """The number of the last row shown; all rows come before the greatest."""
    if cursor is None:
        return SEQUENCE_MAX
    parts = decode_cursor(cursor)
    # JSON's `true` is an int to Python.
    if len(parts) != 1 or type(parts[0]) is not int or not 1 <= parts[0] <= SEQUENCE_MAX:
        raise invalid_cursor()
    return parts[0]


def fetch(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def debt_of(user_id: UUID) -> Decimal:
    """Credits that the user owes the house."""
    still_open = Debt.objects.filter(user_id=user_id, repaid__lt=F("lent"))
    owed: Decimal | None = still_open.aggregate(owed=Sum(F("lent") - F("repaid")))["owed"]
    return owed or Decimal(0)


SUMMARY_MAX = 20_000
SUMMARY = """
SELECT transaction_type, counterparty, count(*), sum(amount) FROM credit_transactions WHERE user_id = %(user_id)s
GROUP BY transaction_type, counterparty ORDER BY abs(sum(amount)) DESC
"""
# A user's rows have their times in order, or nearly: two that were booked at once may stand the other way round.
CLOSING = """
SELECT DISTINCT ON (day) (created_at AT TIME ZONE 'UTC')::date AS day, balance_after FROM (
    SELECT sequence, created_at, balance_after FROM credit_transactions
    WHERE user_id = %(user_id)s ORDER BY sequence DESC LIMIT %(rows)s
) AS newest ORDER BY day, sequence DESC
"""


def origins(user_id: UUID) -> list[tuple[str, str, int, Decimal]]:
    """What a balance is made of: type, counterparty, how many transfers and their sum; the greatest sums first.

    Reads all of the user's journal: for those of at most SUMMARY_MAX rows.
    """
    return [(kind, other_end, count, total) for kind, other_end, count, total in fetch(SUMMARY, {"user_id": user_id})]


def closing_balances(user_id: UUID, *, rows: int) -> dict[date, Decimal]:
    """The balance at the end of each UTC day in which something moved, as far as the newest so many rows go back."""
    return dict(fetch(CLOSING, {"user_id": user_id, "rows": rows}))
