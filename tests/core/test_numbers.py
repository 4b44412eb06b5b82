"""NaN, which is greater than any number to PostgreSQL, and infinity are refused wherever a number is stored."""

import pytest
from django.db import connection

from tests.roles import as_owner

# Not those of other projects' apps, which hold the positions of solar schedules.
COLUMNS = """
SELECT class.relname, attribute.attname, format_type(attribute.atttypid, attribute.atttypmod),
    format_type(attribute.atttypid, NULL)
FROM pg_attribute AS attribute JOIN pg_class AS class ON class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname !~ '^django_' AND attnum > 0 AND NOT attisdropped
AND atttypid IN ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype,
    'numeric[]'::regtype, 'real[]'::regtype, 'double precision[]'::regtype)
ORDER BY 1, 2
"""
# Conditions that hold for every row: validated, or of a table that began with them.
CHECKS = """
SELECT conname, pg_get_expr(conbin, conrelid) FROM pg_constraint
WHERE conrelid = %s::regclass AND contype = 'c' AND convalidated
"""
ALL_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


def query(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def values_to_refuse(kind):
    """Those that the column's type takes. numeric(p,s) has no infinity."""
    values = ["NaN"] if kind.startswith("numeric(") else ["NaN", "Infinity", "-Infinity"]
    return [f"{{{value}}}" if kind.endswith("[]") else value for value in values]


def is_refused(table, column, value):
    """Whether a condition is false for the value whatever else the row has: all other columns are unknown here."""
    row = ", ".join(
        f"'{value}'::{kind} AS \"{name}\"" if name == column else f'NULL::{kind} AS "{name}"'
        for name, kind in query(ALL_COLUMNS, table)
    )
    return any(
        query(f"SELECT ({condition}) IS FALSE FROM (SELECT {row}) AS {table}".replace("%", "%%"))[0][0]  # noqa: S608
        for _, condition in query(CHECKS, table)
    )


@pytest.mark.django_db
def test_no_column_takes_what_is_not_a_number():
    columns = query(COLUMNS)
    assert {("bets", "amount"), ("users", "credit_balance"), ("recorded_rules", "numbers")} <= {
        (table, column) for table, column, *_ in columns
    }
    taken = [
        (table, column, value)
        for table, column, kind, _ in columns
        for value in values_to_refuse(kind)
        if not is_refused(table, column, value)
    ]
    assert taken == []


@pytest.mark.django_db
def test_a_column_without_a_condition_is_seen():
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE odd (price numeric(5, 2), free numeric, fine numeric(5, 2) CHECK (fine < 9))")
    assert not is_refused("odd", "price", "NaN")
    assert not is_refused("odd", "free", "Infinity")
    assert is_refused("odd", "fine", "NaN")
