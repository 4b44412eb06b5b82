"""Events: what happened to users and markets, as one line of the log each, once it is committed.

In production a line is a JSON object, whose fields have the ids; in development these are the lines that are read.
"""

import logging
from typing import Any

from django.db import connection, transaction

logger = logging.getLogger("events")
TITLE_LETTERS = 60


def log_event(message: str, *args: object, **fields: Any) -> None:
    """Log an event when the transaction under way commits, else at once; `fields` join the JSON object."""
    if not logger.isEnabledFor(logging.INFO):
        return
    # Without a transaction on_commit would ask the database, which may be away.
    if connection.in_atomic_block:
        transaction.on_commit(lambda: logger.info(message, *args, extra=fields))
    else:
        logger.info(message, *args, extra=fields)


def short(title: str) -> str:
    """Return a market's title in quotes, cut to what fits into a line."""
    return f"'{title if len(title) <= TITLE_LETTERS else title[: TITLE_LETTERS - 1] + '…'}'"
