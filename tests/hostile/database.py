"""What a thief with the password of the service's role tries on the database itself, and what comes of it."""

from tests.hostile.application import NO_RIGHT
from tests.hostile.outcomes import Found, Refused

STATEMENTS: list[tuple[Refused | Found, str]] = [
    (NO_RIGHT, "ALTER TABLE credit_transactions DISABLE TRIGGER ALL"),
    (NO_RIGHT, "ALTER TABLE users DROP CONSTRAINT users_balance_not_negative"),
    (NO_RIGHT, "DROP TRIGGER credit_transactions_append_only ON credit_transactions"),
    (NO_RIGHT, "DROP TABLE ledger_anchors CASCADE"),
    (
        NO_RIGHT,
        (
            "CREATE OR REPLACE FUNCTION credit_transactions_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RETURN NEW; END'"
        ),
    ),
    (NO_RIGHT, "DROP FUNCTION users_check_journal() CASCADE"),
    (NO_RIGHT, "CREATE FUNCTION sha256_(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'"),
    (NO_RIGHT, "CREATE TABLE public.users_ (id uuid)"),
    (NO_RIGHT, "CREATE SCHEMA thieves"),
    (NO_RIGHT, "CREATE TRIGGER mine BEFORE INSERT ON credit_transactions FOR EACH ROW EXECUTE FUNCTION new_id()"),
    (NO_RIGHT, "CREATE RULE mine AS ON INSERT TO credit_transactions DO INSTEAD NOTHING"),
    (NO_RIGHT, "DO 'BEGIN EXECUTE $$ DELETE FROM credit_transactions $$; END'"),
    (NO_RIGHT, "CREATE PUBLICATION everything FOR ALL TABLES"),
    (NO_RIGHT, "COMMENT ON TABLE users IS 'Mine.'"),
    (NO_RIGHT, "SELECT set_config('session_replication_role', 'replica', true)"),
    (Refused("P0002"), "SELECT standings_begin_table('day; DROP TABLE users')"),
    (NO_RIGHT, "DELETE FROM market_points"),
    (NO_RIGHT, "UPDATE market_hourly_points SET this_odds = 1"),
    (NO_RIGHT, "TRUNCATE market_points, market_hourly_points"),
    (NO_RIGHT, "DROP TABLE market_points CASCADE"),
    (
        NO_RIGHT,
        (
            "DO 'BEGIN EXECUTE (SELECT $$DELETE FROM $$ || inhrelid::regclass FROM pg_inherits "
            "WHERE inhparent = $$market_points$$::regclass LIMIT 1); END'"
        ),
    ),
    (
        NO_RIGHT,
        (
            "DO 'BEGIN EXECUTE (SELECT $$ALTER TABLE market_points DETACH PARTITION $$ || inhrelid::regclass "
            "FROM pg_inherits WHERE inhparent = $$market_points$$::regclass LIMIT 1); END'"
        ),
    ),
    (Refused("23514"), "SELECT market_history_add_partitions('users', now(), now())"),
    (Refused("23514"), "SELECT market_history_add_partitions('market_points; DROP TABLE users', now(), now())"),
    (Refused("23514"), "SELECT market_history_add_partitions('market_points', now(), 'infinity')"),
    (Refused("23514"), "SELECT market_history_add_partitions('market_hourly_points', '-infinity', now())"),
    (Refused("22004"), "SELECT market_history_add_partitions(NULL, now(), now())"),
    # Nothing young is dropped: of none there is no part.
    (Refused("22012"), "SELECT 1 / market_history_drop_partitions('infinity')"),
    (Refused("22012"), "SELECT 1 / market_history_drop_partitions(NULL)"),
    (NO_RIGHT, "SET session_replication_role = replica"),
    (NO_RIGHT, "SET ROLE postgres"),
    (NO_RIGHT, "SET ROLE thisthat_owner"),
    (NO_RIGHT, "ALTER ROLE thisthat SUPERUSER"),
    (NO_RIGHT, "CREATE ROLE thief SUPERUSER LOGIN"),
    (NO_RIGHT, "GRANT thisthat_owner TO thisthat"),
    (NO_RIGHT, "ALTER TABLE credit_transactions OWNER TO thisthat"),
    (NO_RIGHT, "ALTER DATABASE postgres SET search_path = thieves"),
    (NO_RIGHT, "COPY users TO PROGRAM 'cat'"),
    (NO_RIGHT, "COPY users FROM '/etc/passwd'"),
    (NO_RIGHT, "SELECT pg_read_file('/etc/passwd')"),
    (NO_RIGHT, "SELECT lo_import('/etc/passwd')"),
    (NO_RIGHT, "SELECT lo_export(lo_from_bytea(0, 'x'), '/tmp/x')"),
    (NO_RIGHT, "SELECT pg_ls_dir('.')"),
    (NO_RIGHT, "SELECT pg_reload_conf()"),
    (NO_RIGHT, "LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE"),
    (NO_RIGHT, "INSERT INTO django_migrations (app, name, applied) VALUES ('economy', '9999', now())"),
    (NO_RIGHT, "UPDATE pg_trigger SET tgenabled = 'D'"),
    (NO_RIGHT, "DELETE FROM pg_constraint"),
    (NO_RIGHT, "SELECT setval(pg_get_serial_sequence('staff_actions', 'id'), 1)"),
    (
        Refused("23514", "users_balance_follows_journal"),
        (
            "CREATE TEMPORARY TABLE users AS SELECT * FROM users; UPDATE users SET credit_balance = 1000000; "
            "UPDATE public.users SET credit_balance = 1000000 WHERE id = :ann"
        ),
    ),
    (
        Refused("23514", "users_balance_follows_journal"),
        (
            "SET search_path = pg_temp, public; CREATE TEMPORARY TABLE credit_transactions (LIKE public.credit_transactions); "
            "INSERT INTO credit_transactions SELECT * FROM public.credit_transactions; "
            "UPDATE public.users SET credit_balance = credit_balance + 1 WHERE id = :ann"
        ),
    ),
]
