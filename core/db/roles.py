"""The two roles of the database: the owner, who migrates it, and the one that the service runs as.

`secure` is done after every migration, by the owner: triggers that nobody switches off for a session, functions that
nobody's own tables can mislead, and for the service's role exactly what it needs of each table. What that is follows
from the triggers that refuse the rest, and from `kept_tables` of the apps: a new table needs no list.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from psycopg import sql

from core.db.sql import execute, fetch_all, fetch_value

# What a role connects with; the database's name is the same for both.
CONNECTS_WITH = ("USER", "PASSWORD", "HOST", "PORT", "OPTIONS")

# What migrations alone write: which there were, and what a role of staff may do.
READ_TABLES = ["django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"]
# Of every table of ours, and what the service's role may do with it. Parts of a table are reached through it.
WANTED = """
SELECT relname, oid::regclass::text, CASE
    WHEN relname = ANY (%(read)s) THEN '{SELECT}'
    WHEN relname = ANY (%(kept)s) OR relname || '_never_deleted' = ANY (triggers) THEN '{INSERT,SELECT,UPDATE}'
    WHEN relname || '_append_only' = ANY (triggers) THEN '{INSERT,SELECT}'
    ELSE '{DELETE,INSERT,SELECT,UPDATE}'
END::text[] AS wanted
FROM pg_class, LATERAL (SELECT array_agg(tgname::text) AS triggers FROM pg_trigger WHERE tgrelid = pg_class.oid) AS own
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""
TABLES = f"""
SELECT wanted.oid, wanted.wanted, coalesce(given, '{{}}') = wanted.wanted AND NOT others
FROM ({WANTED}) AS wanted (relname, oid, wanted) JOIN pg_class ON pg_class.oid = wanted.oid::regclass
CROSS JOIN LATERAL (
    SELECT array_agg(privilege_type ORDER BY privilege_type) FILTER (WHERE grantee = %(role)s::regrole) AS given,
        coalesce(bool_or(grantee = 0), false) OR EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attacl IS NOT NULL
        ) AS others
    FROM aclexplode(relacl)
) AS acl
"""  # noqa: S608 - constants of this module
# Those of identity columns need no right; Django has no others of its own.
SEQUENCES = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = current_schema()::regnamespace
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(%(role)s, oid, 'USAGE') END
"""
OWN_FUNCTIONS = """
FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prokind IN ('a', 'f')
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
# A trigger's function runs for whoever causes it, without a right to call it.
FUNCTIONS = f"""
SELECT oid::regprocedure::text, prorettype <> 'trigger'::regtype {OWN_FUNCTIONS}
AND (has_function_privilege('public', oid, 'EXECUTE')
    OR has_function_privilege(%(role)s, oid, 'EXECUTE') <> (prorettype <> 'trigger'::regtype))
"""
SWITCHED_OFF_BY_SESSIONS = """
SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled <> 'A'
"""
# A temporary table of the caller's comes first on any other path, and would be read in place of ours.
MISLED = f"""
SELECT oid::regprocedure::text {OWN_FUNCTIONS} AND (prorettype = 'trigger'::regtype OR prosecdef)
AND NOT coalesce(proconfig, '{{}}') @> ARRAY['search_path=' || quote_ident(current_schema()) || ', pg_temp']
"""
# What a role of the service's must not be or have; each with the words that say so.
TOO_MUCH = """
SELECT words FROM pg_roles AS me, LATERAL (VALUES
    (rolsuper, 'is a superuser'),
    (rolcreaterole, 'makes roles'),
    (rolcreatedb, 'makes databases'),
    (rolreplication, 'replicates'),
    (rolbypassrls, 'bypasses row security'),
    (has_schema_privilege(me.oid, current_schema(), 'CREATE'), 'makes tables'),
    (has_database_privilege(me.oid, current_database(), 'CREATE'), 'makes schemas'),
    (EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
        AND pg_has_role(me.oid, relowner, 'MEMBER')), 'owns tables'),
    (EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
        AND has_table_privilege(me.oid, pg_class.oid, 'TRUNCATE')), 'empties tables'),
    (EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
        AND has_table_privilege(me.oid, pg_class.oid, 'TRIGGER')), 'makes triggers'),
    (EXISTS (SELECT FROM pg_auth_members WHERE member = me.oid), 'is a member of other roles')
) AS rights (has, words) WHERE rolname = current_user AND has
"""


@contextmanager
def as_owner() -> Iterator[None]:
    """Be connected as the owner inside the block. Without DATABASE_OWNER_URL that is the role of the service."""
    if settings.DATABASE_OWNER is None:
        yield
        return
    before = {name: connection.settings_dict[name] for name in CONNECTS_WITH}
    connection.close()
    connection.settings_dict.update({name: settings.DATABASE_OWNER[name] for name in CONNECTS_WITH})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def secure() -> None:
    """Leave the service's role what it needs, and the triggers on. Changes what is otherwise; run by the owner."""
    for table, trigger in fetch_all(SWITCHED_OFF_BY_SESSIONS):
        execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {quoted(trigger)}")
    schema = fetch_value("SELECT quote_ident(current_schema())")
    for (function,) in fetch_all(MISLED):
        execute(f"ALTER FUNCTION {function} SET search_path = {schema}, pg_temp")
    role = settings.DATABASE_ROLE
    if role and role != fetch_value("SELECT current_user"):
        make_role(role, settings.DATABASE_ROLE_PASSWORD)
        grant(role, schema)


def make_role(role: str, password: str) -> None:
    """Make the service's role unless it is there; its password goes to the server as a hash."""
    if fetch_value("SELECT true FROM pg_roles WHERE rolname = %s", [role]):
        return
    statement = sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role))
    if password:
        server = connection.connection.pgconn
        kept = server.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        statement += sql.SQL(" PASSWORD {}").format(sql.Literal(kept))
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.connection))


def grant(role: str, schema: str) -> None:
    """Grant the role exactly what it needs of each table, sequence and function, and take from everybody the rest."""
    to, known = quoted(role), {"role": role, **sorts_of_tables()}
    if not fetch_value("SELECT has_schema_privilege(%(role)s, current_schema(), 'USAGE')", known):
        execute(f"GRANT USAGE ON SCHEMA {schema} TO {to}")
    if fetch_value("SELECT has_schema_privilege(%(role)s, current_schema(), 'CREATE')", known):
        execute(f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {to}")
    for table, wanted, done in fetch_all(TABLES, known):
        if not done:
            execute(f"REVOKE ALL ON {table} FROM PUBLIC, {to}")
            execute(f"GRANT {', '.join(wanted)} ON {table} TO {to}")
    for (sequence,) in fetch_all(SEQUENCES, known):
        execute(f"GRANT USAGE ON SEQUENCE {sequence} TO {to}")
    for function, called in fetch_all(FUNCTIONS, known):
        execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {to}")
        if called:
            execute(f"GRANT EXECUTE ON FUNCTION {function} TO {to}")


def sorts_of_tables() -> dict[str, list[str]]:
    """Return the parameters of WANTED: tables that are only read, and those whose rows are never deleted."""
    kept = [table for app in apps.get_app_configs() for table in getattr(app, "kept_tables", ())]
    return {"read": READ_TABLES, "kept": kept}


def wanted_rights() -> dict[str, list[str]]:
    """Return what the service's role needs of each table."""
    return {name: wanted for name, _, wanted in fetch_all(WANTED, sorts_of_tables())}


def rights_too_many() -> list[str]:
    """Return what the role that is connected may do, and the service never needs."""
    return [words for (words,) in fetch_all(TOO_MUCH)]


def quoted(name: Any) -> str:
    quoted_name: str = connection.ops.quote_name(name)
    return quoted_name
