"""Names of databases and roles on the server of a test or a simulation, whose superuser's address is known."""

from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from devtools.embedded.postgres import MAKE_ROLES, OWNER, ROLE


def with_database(url: str, name: str) -> str:
    """The same server, and another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_role(url: str, role: str) -> str:
    """The same server and database, for a role whose password is its name."""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{server}"))


def make_roles(url: str) -> None:
    """Make the owner of the databases and the role of the service, unless they are there."""
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        # Two runs that begin at once would change the same rows.
        connection.execute("SELECT pg_advisory_lock(62)")
        connection.execute(MAKE_ROLES)
        for role in (OWNER, ROLE):
            password = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(role))
            connection.execute(password)
        # Of the tests alone: each worker has a database of its own.
        connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(OWNER)))
