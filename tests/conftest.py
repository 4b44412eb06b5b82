"""What every test may use. Nothing of our own is patched: the outside is a simulator or a script."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management.commands import flush as flush_command
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client
from hypothesis import settings as hypothesis_settings

from betting import orders
from core.api import responses
from core.db.roles import CONNECTS_WITH
from core.db.sql import fetch_all
from core.jobs import queues
from markets import selectors as market_selectors
from tests.api_contract import validate_response
from tests.migrated import template_database
from tests.roles import as_owner, superuser_settings

# The same examples in every run; pytest's `--hypothesis-profile=default` looks for new ones.
hypothesis_settings.register_profile("repeatable", derandomize=True)
hypothesis_settings.load_profile("repeatable")

NEVER_EMPTIED = (
    "credit_transactions",
    "bets",
    "bet_sales",
    "stock_prices",
    "stock_transactions",
    "market_resolutions",
    "market_terms",
    "market_texts",
    "market_points",
    "market_hourly_points",
    "staff_actions",
    "purchase_events",
    "stock_status_changes",
    "ledger_anchors",
    "ledger_anchor_heads",
    "settlement_records",
    "recorded_rules",
    "house_entries",
    "market_makers",
)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings) -> None:
    """The owner makes the tests' database, as a copy: of the migrations none is left to apply."""
    connection.settings_dict.update({name: settings.DATABASE_OWNER[name] for name in CONNECTS_WITH})
    if "TEST_TEMPLATE_DATABASE" not in os.environ:
        connection.settings_dict["TEST"]["TEMPLATE"] = template_database(os.environ["TEST_SUPERUSER_URL"])


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup) -> Iterator[None]:
    """The service's role uses it; in the end the owner removes it."""
    owner = {name: connection.settings_dict[name] for name in CONNECTS_WITH}
    connection.close()
    connection.settings_dict.update(superuser_settings(owner["OPTIONS"]))
    yield
    connection.close()
    connection.settings_dict.update(owner)


# As the migrations leave them; no test changes them.
KEPT = ("django_content_type", "auth_permission")
HAS_ROWS = "SELECT '{0}' WHERE EXISTS (SELECT FROM {0})"
# No table can be truncated without those that refer to it.
AND_REFERRING = """
WITH RECURSIVE emptied AS (
    SELECT name::regclass AS oid FROM unnest(%(tables)s::text[]) AS name
    UNION SELECT conrelid FROM emptied JOIN pg_constraint ON confrelid = emptied.oid AND contype = 'f'
)
SELECT oid::regclass::text FROM emptied
"""


@pytest.fixture(scope="session", autouse=True)
def tables_can_be_emptied() -> Iterator[None]:
    """After a test that commits, tables with rows are emptied; some refuse that of everybody, so they are told."""

    def execute_sql_flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        tables = [name for name in connection.introspection.django_table_names(only_existing=True) if name not in KEPT]
        have_rows = " UNION ALL ".join(HAS_ROWS.format(name) for name in tables)
        with as_owner():
            filled = [name for (name,) in fetch_all(have_rows)]
            emptied = [name for (name,) in fetch_all(AND_REFERRING, {"tables": filled})]
            refusing = [name for name in emptied if name in NEVER_EMPTIED]
            statements = [f"ALTER TABLE {table} DISABLE TRIGGER {table}_never_emptied" for table in refusing]
            statements += [f"TRUNCATE {', '.join(emptied)}"] if emptied else []
            statements += [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_never_emptied" for table in refusing]
            flush(self, statements)

    flush = DatabaseOperations.execute_sql_flush
    emit = flush_command.emit_post_migrate_signal
    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]
    flush_command.emit_post_migrate_signal = lambda *_args, **_more: None
    yield
    DatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign]
    flush_command.emit_post_migrate_signal = emit


@pytest.fixture(scope="session", autouse=True)
def responses_are_validated() -> Iterator[None]:
    """Every response that a test's client gets is validated against docs/openapi.yaml."""

    def request(self: Client, **given: Any) -> Any:
        response = send(self, **given)
        body = b"" if response.streaming else response.content
        validate_response(response.request["REQUEST_METHOD"], response.request["PATH_INFO"], response.status_code, body)
        return response

    send = Client.request
    Client.request = request  # type: ignore[method-assign]
    yield
    Client.request = send  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def nothing_remembered(settings) -> Iterator[None]:
    """Each test starts with empty caches, and asks the database every time unless it says otherwise."""
    settings.PUBLIC_CACHE_SECONDS = 0
    cache.clear()
    responses.clear_cache()
    market_selectors.clear_cache()
    orders.clear_cache()
    # What a test before this one found of the queue.
    queues._breaker.record_success()
    yield
    cache.clear()
    responses.clear_cache()


@pytest.fixture
def api() -> Client:
    """A client of the API over Django's handler, middlewares included; failures are responses, not exceptions."""
    return Client(raise_request_exception=False)
