"""`new_id()`: UUIDv7 made by the database, on servers that have them and on older ones."""

from importlib import import_module
from uuid import UUID

from django.db import connection

from core.db.sql import new_id

# What is used before PostgreSQL 18.
(OLDER,) = import_module("core.migrations.0002_idempotency").NEW_ID.split("$$")[1:2]


def made_by(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (made,) = cursor.fetchone()
    assert isinstance(made, UUID)
    return made


def test_ids_of_the_database_are_of_version_7_and_of_this_moment(db):
    for statement in ("SELECT new_id()", OLDER):
        before, made, after = new_id(), made_by(statement), new_id()
        assert (made.version, made.variant) == (7, before.variant)
        assert before.int >> 80 <= made.int >> 80 <= after.int >> 80
