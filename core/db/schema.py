"""Compare triggers, functions, constraints, tables and grants with what the migrations made.

What they made is in `schema.json`, which `make schema` writes: who owns a database can rewrite what it says of itself,
and not the code. Definitions are hashed, in words that a dump and another version of PostgreSQL don't change.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from core.db.roles import OWN_FUNCTIONS, wanted_rights
from core.db.sql import fetch_all

PATH = Path(__file__).with_name("schema.json")
HASH_LETTERS = 16
Schema = dict[str, dict[str, str]]

# Parts of a table come and go with the period that they are of.
OWN_TABLES = "relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
# `to_jsonb`: columns that older versions don't have. PostgreSQL 18 lists what may not be NULL among the constraints.
DEFINITIONS = {
    "trigger": f"""
        SELECT relname || '.' || tgname, tgenabled::text || ' ' || pg_get_triggerdef(pg_trigger.oid, true)
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE {OWN_TABLES} AND NOT tgisinternal
    """,  # noqa: S608 - constants of this module
    # `new_id` is written in other words where PostgreSQL makes such ids itself.
    "function": f"""
        SELECT proname || '(' || pg_get_function_identity_arguments(oid) || ')', concat_ws(
            ' ', pg_get_function_result(oid), (SELECT lanname FROM pg_language AS spoken WHERE spoken.oid = prolang),
            prosecdef, provolatile, proisstrict,
            (SELECT string_agg(setting, ' ' ORDER BY setting) FROM unnest(proconfig) AS setting),
            CASE proname WHEN 'new_id' THEN '' ELSE prosrc END,
            (SELECT concat_ws(' ', aggtransfn, aggfinalfn, agginitval) FROM pg_aggregate WHERE aggfnoid = pg_proc.oid)
        ) {OWN_FUNCTIONS}
    """,  # noqa: S608 - constants of this module
    "constraint": f"""
        SELECT relname || '.' || conname, concat_ws(
            ' ', convalidated, condeferrable, condeferred, coalesce(to_jsonb(con) ->> 'conenforced', 'true'),
            (SELECT bool_and(tgenabled = 'O') FROM pg_trigger WHERE tgconstraint = con.oid),
            pg_get_constraintdef(con.oid, true)
        )
        FROM pg_constraint AS con JOIN pg_class ON pg_class.oid = conrelid WHERE {OWN_TABLES} AND contype <> 'n'
    """,  # noqa: S608 - constants of this module
    "unique index": f"""
        SELECT relname || '.' || indexrelid::regclass, concat_ws(
            ' ', indisvalid, indisready, indimmediate, pg_get_indexdef(indexrelid)
        )
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE {OWN_TABLES} AND indisunique
    """,  # noqa: S608 - constants of this module
    "table": f"""
        SELECT relname, concat_ws(' ', relpersistence, relrowsecurity, relforcerowsecurity,
            (SELECT string_agg(concat(rulename, ev_enabled), ' ' ORDER BY rulename) FROM pg_rewrite
                WHERE ev_class = pg_class.oid),
            (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                attgenerated), ', ' ORDER BY attname) FROM pg_attribute
                WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped)
        ) FROM pg_class WHERE {OWN_TABLES}
    """,  # noqa: S608 - constants of this module
}
# What anybody but the owner was given: of tables, of columns, and of the schema.
GIVEN = f"""
SELECT relname, grantee, privilege_type FROM pg_class, aclexplode(relacl) AS acl
WHERE {OWN_TABLES} AND grantee <> relowner
UNION ALL
SELECT relname, grantee, privilege_type FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
WHERE {OWN_TABLES} AND grantee <> relowner
UNION ALL
SELECT 'schema ' || nspname, grantee, privilege_type FROM pg_namespace, aclexplode(nspacl)
WHERE pg_namespace.oid = current_schema()::regnamespace AND grantee <> nspowner AND privilege_type <> 'USAGE'
"""  # noqa: S608 - constants of this module
GRANTS = f"""
SELECT name, CASE grantee WHEN 0 THEN 'everybody' ELSE grantee::regrole::text END,
    array_agg(DISTINCT privilege_type ORDER BY privilege_type)
FROM ({GIVEN}) AS given (name, grantee, privilege_type) GROUP BY name, grantee ORDER BY name, grantee
"""  # noqa: S608 - constants of this module
# Of the role that is connected, which the owner needs none of.
RIGHTS = f"""
SELECT relname, ARRAY(
    SELECT right_to FROM unnest(ARRAY['DELETE', 'INSERT', 'SELECT', 'UPDATE']) AS right_to
    WHERE has_table_privilege(pg_class.oid, right_to)
) FROM pg_class WHERE {OWN_TABLES}
"""  # noqa: S608 - constants of this module

# What is compared with words of a list is printed in one way when it was made, and in another out of a dump.
CASTS = re.compile(r"::(?:character varying|text)(?:\(\d+\))?(?:\[\])?")
NEEDLESS = re.compile(r"(?<!\w)\(('(?:[^']|'')*'|ARRAY\[[^\]]*\]|\w+)\)")


def plain(definition: str) -> str:
    """Return the definition in one way of writing it."""
    definition = CASTS.sub("", " ".join(definition.split()))
    while (shorter := NEEDLESS.sub(r"\1", definition)) != definition:
        definition = shorter
    return definition


def read() -> Schema:
    """Return hashes of what there is, and what the service is to be granted, by kind and name."""
    found: Schema = {
        kind: {name: fingerprint(definition) for name, definition in sorted(fetch_all(statement))}
        for kind, statement in DEFINITIONS.items()
    }
    return found | {"grant": {name: ", ".join(wanted) for name, wanted in wanted_rights().items()}}


def fingerprint(definition: str) -> str:
    return hashlib.sha256(plain(definition).encode()).hexdigest()[:HASH_LETTERS]


@cache
def expected() -> Schema:
    """Return what the migrations of this version make."""
    schema: Schema = json.loads(PATH.read_text())
    return schema


def differences() -> list[str]:
    """Return a line, with its name, for each thing that isn't as the migrations made it."""
    found, wanted = read(), expected()
    return [*(line for kind in DEFINITIONS for line in different(kind, found[kind], wanted[kind])), *wrong_grants()]


def different(kind: str, found: dict[str, str], wanted: dict[str, str]) -> Iterator[str]:
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found:
            yield f"{kind} {name} is missing"
        elif name not in wanted:
            yield f"{kind} {name} is unknown"
        elif found[name] != wanted[name]:
            yield f"{kind} {name} is another"


def wrong_grants() -> Iterator[str]:
    wanted = {name: rights.split(", ") for name, rights in expected()["grant"].items()}
    for name, grantee, given in fetch_all(GRANTS):
        for right in sorted(set(given) - set(wanted.get(name, []))):
            yield f"grant {right} on {name} to {grantee}"
    for name, given in fetch_all(RIGHTS):
        for right in sorted(set(wanted.get(name, [])) - set(given)):
            yield f"missing grant {right} on {name}"


def examined() -> int:
    """Return how many things are compared."""
    return sum(len(kind) for kind in expected().values())
