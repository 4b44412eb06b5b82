"""The service runs as a role that reads and writes rows, and can do nothing else to the database."""

import psycopg
import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core.db import schema
from core.db.roles import rights_too_many, secure
from core.db.sql import analyze, execute, fetch_all, fetch_value
from tests.roles import as_owner, as_superuser

pytestmark = pytest.mark.django_db

BEYOND_IT = [
    "ALTER TABLE credit_transactions DISABLE TRIGGER credit_transactions_append_only",
    "ALTER TABLE users DROP CONSTRAINT users_credits_not_negative",
    "ALTER TABLE users OWNER TO CURRENT_USER",
    "DROP TRIGGER credit_transactions_chain ON credit_transactions",
    "CREATE OR REPLACE FUNCTION credit_transactions_check_chain() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
    "CREATE TRIGGER mine BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION bets_refuse()",
    "CREATE RULE mine AS ON INSERT TO credit_transactions DO INSTEAD NOTHING",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
    "SET session_replication_role = replica",
    "TRUNCATE market_staging",
    "TRUNCATE refresh_tokens",
    "DROP TABLE refresh_tokens",
    "UPDATE credit_transactions SET amount = 1",
    "DELETE FROM credit_transactions",
    "DELETE FROM bets",
    "DELETE FROM users",
    "UPDATE staff_actions SET reason = 'x'",
    "DELETE FROM market_resolutions",
    "UPDATE recorded_rules SET numbers = '{}'",
    "UPDATE settlement_records SET state = '{}'",
    "UPDATE ledger_anchor_heads SET hash = ''",
    "DELETE FROM ledger_anchors",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('mine', '0001', now())",
    "COPY users TO PROGRAM 'cat'",
]


@pytest.mark.parametrize("statement", BEYOND_IT)
def test_the_service_may_not(statement):
    with pytest.raises(ProgrammingError) as refused, transaction.atomic():
        execute(statement)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


def test_the_service_hands_on_no_right_to_change_the_ledger():
    # Who has some right may grant, and is only warned that it was nothing.
    execute("GRANT ALL ON credit_transactions TO PUBLIC")
    assert not fetch_value("SELECT has_table_privilege('public', 'credit_transactions', 'UPDATE')")


def test_the_service_has_no_right_too_many():
    assert rights_too_many() == []


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        ("ALTER ROLE thisthat CREATEROLE", "makes roles"),
        ("ALTER ROLE thisthat SUPERUSER", "is a superuser"),
        ("GRANT CREATE ON SCHEMA public TO thisthat", "makes tables"),
        ("GRANT TRUNCATE ON debts TO thisthat", "empties tables"),
        ("GRANT TRIGGER ON debts TO PUBLIC", "makes triggers"),
        ("ALTER TABLE debts OWNER TO thisthat", "owns tables"),
        ("GRANT thisthat_owner TO thisthat", "owns tables"),
        ("GRANT pg_write_all_data TO thisthat", "is a member of other roles"),
    ],
)
def test_a_right_too_many_is_told(grant, words):
    with as_superuser():
        execute(grant)
    assert words in rights_too_many()


def test_grants_are_made_anew_whatever_they_were():
    with as_owner():
        execute("GRANT ALL ON credit_transactions TO thisthat, PUBLIC")
        execute("GRANT UPDATE (reason) ON stock_prices TO thisthat")
        execute("REVOKE ALL ON bets FROM thisthat")
        execute("ALTER TABLE users ENABLE TRIGGER users_begin_with_nothing")
        execute("ALTER FUNCTION bets_refuse() RESET search_path")
        execute("GRANT EXECUTE ON FUNCTION analyze_tables(text[]) TO PUBLIC")
        assert schema.differences() != []
        secure()
    assert schema.differences() == []
    assert not fetch_value("SELECT has_function_privilege('public', 'analyze_tables(text[])', 'EXECUTE')")


def test_a_new_table_that_refuses_changes_gets_no_right_to_them():
    with as_owner():
        execute("CREATE TABLE anchors (id int)")
        execute(
            "CREATE TRIGGER anchors_append_only BEFORE UPDATE OR DELETE ON anchors EXECUTE FUNCTION "
            "credit_transactions_refuse_change()"
        )
        execute("CREATE TABLE plain_rows (id int)")
        secure()
    rights = "SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM information_schema.role_table_grants"
    assert fetch_value(f"{rights} WHERE table_name = 'anchors' AND grantee = 'thisthat'") == "INSERT SELECT"
    given = fetch_value(f"{rights} WHERE table_name = 'plain_rows' AND grantee = 'thisthat'")
    assert given == "DELETE INSERT SELECT UPDATE"


def test_every_trigger_stays_on_whatever_a_session_says():
    off = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'"
    assert fetch_all(off) == []


@pytest.mark.parametrize("table", ["users", "credit_transactions"])
def test_a_table_of_the_callers_own_does_not_mislead_the_triggers(table):
    """One that says what the forger wants, and comes first on every path that isn't fixed."""
    execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})")
    execute(
        "INSERT INTO public.users (id, email, username, name, password, is_superuser, avatar_url, bio, x_username,"
        " is_active, is_staff, referral_code) SELECT gen_random_uuid(), 'e@x.y', 'eve', 'eve', '', false, '', '', '',"
        " true, false, 'ABCDEFGH'"
    )
    (forged,) = fetch_all("SELECT id FROM public.users WHERE username = 'eve'")
    entry = (
        "INSERT INTO {schema}.credit_transactions (id, sequence, amount, balance_after, transaction_type, counterparty,"
        " reference_id, occurrence, description, created_at, user_id, hash)"
        " SELECT id, 1, 5, 5, 'signup_bonus', 'issuance', id, 0, '', now(), owner, ledger_hash(NULL, owner,"
        " ledger_content(1, id, 5.00, 5.00, 'signup_bonus', 'issuance', id, 0, now(), ''))"
        " FROM (SELECT gen_random_uuid() AS id, %s::uuid AS owner) AS given"
    )
    if table == "credit_transactions":
        execute(entry.format(schema="pg_temp"), [forged[0]])
        attack = (
            "UPDATE public.users SET credit_balance = 5, journal_length = 1,"
            " ledger_head = (SELECT hash FROM pg_temp.credit_transactions) WHERE id = %s"
        )
    else:
        execute("INSERT INTO pg_temp.users SELECT * FROM public.users")
        execute("UPDATE pg_temp.users SET journal_length = 9 WHERE id = %s", [forged[0]])
        attack = entry.format(schema="public")
    with pytest.raises(Exception, match=r"continues nothing|is not that of"), transaction.atomic():
        execute(attack, [forged[0]])


def test_statistics_are_collected_all_the_same():
    analyze("stocks", "debts")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname IN ('stocks', 'debts') AND reltuples >= 0")
        assert cursor.fetchone() == (2,)


def test_migrate_makes_the_role_with_a_password_that_no_log_shows(settings):
    settings.DATABASE_ROLE, settings.DATABASE_ROLE_PASSWORD = "thisthat_new", "swordfish-swordfish"
    with as_superuser(), CaptureQueriesContext(connection) as asked:
        secure()
        kept = fetch_value("SELECT rolpassword FROM pg_authid WHERE rolname = 'thisthat_new'")
        execute("SET LOCAL ROLE thisthat_new")
        assert rights_too_many() == []
        assert schema.differences() == []
        assert fetch_value("SELECT count(*) FROM users") == 0
    assert kept.startswith("SCRAM-SHA-256$")
    assert "swordfish" not in str(asked.captured_queries)


def test_one_role_for_all_is_left_as_it_is(settings):
    settings.DATABASE_ROLE = "thisthat_owner"
    with as_owner():
        secure()
        assert schema.differences() == []
        assert "owns tables" in rights_too_many()
