"""Execute SQL on the current connection, and make primary keys for the rows that it writes.

This is the one place where apps execute statements of their own. Values are always bound as parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

Parameters = Mapping[str, Any] | Sequence[Any] | None
Row = tuple[Any, ...]


def fetch_all(statement: str, parameters: Parameters = None) -> list[Row]:
    """Return all rows of the statement's result."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def fetch_one(statement: str, parameters: Parameters = None) -> Row | None:
    """Return the first row of the result; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: Row | None = cursor.fetchone()
        return row


def fetch_value(statement: str, parameters: Parameters = None) -> Any:
    """Return the first column of the first row; None where there is no row."""
    row = fetch_one(statement, parameters)
    return row[0] if row else None


def execute(statement: str, parameters: Parameters = None) -> int:
    """Execute a statement; return how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        written: int = cursor.rowcount
        return written


def analyze(*tables: str) -> None:
    """Collect the tables' statistics, for joins with what was just written. The service doesn't own them."""
    fetch_value("SELECT analyze_tables(VARIADIC %s::text[])", [list(tables)])


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): new rows go to the right-hand end of the primary key's index."""
    return uuid7()
