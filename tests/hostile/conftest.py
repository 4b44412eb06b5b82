"""One story for all statements of a module, each undone after it was tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import transaction

from core.db.roles import SWITCHED_OFF_BY_SESSIONS
from core.db.sql import execute, fetch_all
from devtools.embedded.postgres import OWNER, ROLE
from economy.ledger.anchors import compare_published
from economy.ledger.audit import audit
from tests.hostile.story import go_on, tell_story


@pytest.fixture
def story(db) -> SimpleNamespace:
    told = tell_story()
    go_on(told)
    # What is checked at the end of a transaction is checked at each statement, as it would be at its commit.
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    return told


@contextmanager
def undone() -> Iterator[None]:
    """Undo whatever happens inside the block."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


@contextmanager
def session_of(role: str) -> Iterator[None]:
    """Be who connected as the role: nobody whom that role couldn't become by `SET ROLE`."""
    execute(f"SET SESSION AUTHORIZATION {role}")
    yield
    execute("RESET SESSION AUTHORIZATION")
    execute(f"SET ROLE {ROLE}")


def found(story: SimpleNamespace) -> set[str]:
    """The invariants that the audit finds broken, compared also with what was published of the anchors."""
    findings = audit().findings | {"published_anchors": compare_published(story.published)}
    return {name for name, finding in findings.items() if finding.broken}


@contextmanager
def guards_off(*tables: str) -> Iterator[None]:
    """Be the owner of the tables, whose triggers don't run; they are put back as they were."""
    with session_of(OWNER):
        for table in tables:
            execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table, trigger in fetch_all(SWITCHED_OFF_BY_SESSIONS):
            execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{trigger}"')


@pytest.fixture
def write(story) -> Callable[[str], str]:
    """Fill names of the story into a statement: `:ann` is her id."""
    users = {"ann": story.ann.id, "bob": story.bob.pk, "carl": story.carl.id, "eve": story.eve.id}
    users |= {"boss": story.boss.user.pk, "second": story.second.user.pk}
    ids = users | {
        "small": story.small.pk, "large": story.large.pk, "waiting": story.waiting.pk, "urn": story.urn.pk,
        "rain": story.rain.pk,
    }  # fmt: skip

    def fill(statement: str) -> str:
        for name, value in ids.items():
            statement = statement.replace(f":{name}", f"'{value}'::uuid")
        return statement

    return fill
