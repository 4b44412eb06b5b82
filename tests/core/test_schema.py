"""Whatever an owner changes in what protects the books is found, by its name."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.db import schema
from core.db.sql import execute, fetch_value
from economy.ledger.audit import audit
from tests.roles import as_superuser

pytestmark = pytest.mark.django_db

CHANGES = {
    "trigger credit_transactions.credit_transactions_append_only is another": (
        "ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only"
    ),
    "trigger bets.bets_never_go_back is another": "ALTER TABLE bets ENABLE TRIGGER bets_never_go_back",
    "trigger users.users_begin_with_nothing is missing": "DROP TRIGGER users_begin_with_nothing ON users",
    "trigger bets.mine is unknown": (
        "CREATE TRIGGER mine BEFORE UPDATE ON bets FOR EACH ROW EXECUTE FUNCTION bets_refuse()"
    ),
    "function credit_transactions_check_chain() is another": (
        "CREATE OR REPLACE FUNCTION credit_transactions_check_chain() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'"
    ),
    "function bets_refuse() is another": "ALTER FUNCTION bets_refuse() RESET search_path",
    "function mine() is unknown": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "function ledger_chain(previous bytea, user_id uuid, content text) is another": (
        "CREATE OR REPLACE AGGREGATE ledger_chain(previous bytea, user_id uuid, content text)"
        " (SFUNC = ledger_link, STYPE = bytea, INITCOND = 'x')"
    ),
    "constraint credit_transactions.swordfish is unknown": (
        "ALTER TABLE credit_transactions ADD CONSTRAINT swordfish CHECK (amount > 0) NOT VALID"
    ),
    "unique index debts.debts_pkey is another": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'debts_pkey'::regclass"
    ),
    "table credit_transactions is another": "CREATE RULE mine AS ON INSERT TO credit_transactions DO INSTEAD NOTHING",
    "table markets is another": "ALTER TABLE markets ENABLE ROW LEVEL SECURITY",
    "table debts is another": "ALTER TABLE debts ALTER lent DROP NOT NULL",
    "grant TRUNCATE on credit_transactions to thisthat": "GRANT TRUNCATE ON credit_transactions TO thisthat",
    "grant UPDATE on credit_transactions to everybody": "GRANT UPDATE (amount) ON credit_transactions TO PUBLIC",
    "grant CREATE on schema public to thisthat": "GRANT CREATE ON SCHEMA public TO thisthat",
    "missing grant INSERT on bets": "REVOKE INSERT ON bets FROM thisthat",
}


def test_what_the_migrations_made_is_what_the_file_says():
    """If not: `make schema`."""
    with as_superuser():
        assert schema.read() == json.loads(schema.PATH.read_text())
    assert schema.differences() == []


@pytest.mark.parametrize("line", CHANGES)
def test_a_change_is_found_by_its_name(line):
    with as_superuser():
        execute("SET LOCAL allow_system_table_mods = on")
        execute(CHANGES[line])
    assert schema.differences() == [line]
    finding = audit().findings["schema"]
    assert (finding.broken, finding.examples) == (1, [line])


@pytest.mark.parametrize(
    ("table", "kind"), [("credit_transactions", "c"), ("bets", "c"), ("users", "u"), ("credit_adjustments", "f")]
)
def test_a_constraint_dropped_or_no_longer_validated_is_found(table, kind):
    with as_superuser():
        execute("SET LOCAL allow_system_table_mods = on")
        name = fetch_value(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = %s ORDER BY conname LIMIT 1",
            [table, kind],
        )
        execute("UPDATE pg_constraint SET convalidated = false WHERE conname = %s", [name])
        assert schema.differences() == [f"constraint {table}.{name} is another"]
        execute("UPDATE pg_constraint SET convalidated = true WHERE conname = %s", [name])
        assert schema.differences() == []
        execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}" CASCADE')
    assert f"constraint {table}.{name} is missing" in schema.differences()


def test_a_foreign_key_that_is_no_longer_enforced_is_found():
    with as_superuser():
        execute("ALTER TABLE bets DISABLE TRIGGER ALL")
    lines = schema.differences()
    assert [line for line in lines if line.startswith("constraint bets.bets_user_id")]


def test_the_audit_command_names_it():
    with as_superuser():
        execute("GRANT TRUNCATE ON users TO thisthat")
    said = StringIO()
    with pytest.raises((SystemExit, CommandError)):
        call_command("audit_ledger", stdout=said)
    assert "grant TRUNCATE on users to thisthat" in said.getvalue()
