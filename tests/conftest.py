"""What every test may use. Nothing of our own is patched: the outside is a simulator, a stand-in or a script."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client

from markets import rendering
from thisthat.common import public_reads

JOURNAL_MAY_BE_EMPTIED = "ALTER TABLE credit_transactions {} TRIGGER credit_transactions_never_emptied"


@pytest.fixture(scope="session", autouse=True)
def tables_can_be_emptied() -> Iterator[None]:
    """After a test that commits, Django empties all tables; the journal refuses that of everybody, so it is told."""

    def execute_sql_flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        flush(
            self, [JOURNAL_MAY_BE_EMPTIED.format("DISABLE"), *sql_list, JOURNAL_MAY_BE_EMPTIED.format("ENABLE ALWAYS")]
        )

    flush = DatabaseOperations.execute_sql_flush
    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]
    yield
    DatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def nothing_remembered(settings) -> Iterator[None]:
    """Each test starts with empty caches, and asks the database every time unless it says otherwise."""
    settings.PUBLIC_CACHE_SECONDS = 0
    cache.clear()
    public_reads.forget()
    rendering.forget()
    yield
    cache.clear()
    public_reads.forget()


@pytest.fixture
def api() -> Client:
    """A client of the API over Django's handler, middlewares included; failures are answers, not exceptions."""
    return Client(raise_request_exception=False)
